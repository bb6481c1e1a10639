import {
  collectValues,
  customerColumns,
  type Direction,
  keyset,
  type ListPlace,
  type Paging,
  type Parameter,
  type Placed,
  placeColumn,
  type Queryable,
  wordsOf,
} from '@aether/platform';
import { customValues, listCustomFields } from '../customfields/customfields.ts';
import { openDealsOf, readPriced } from '../deals/priced.ts';
import { tagsOf } from '../tags/tags.ts';
import { customOrder, dealsOrder } from './conditionmatch.ts';
import { FilterOutdated } from './conditions.ts';
import { type Beginning, beginningIn, matchBeginning } from './customerbeginnings.ts';
import { type CustomerFilters, findRarest, matchFilters, matchSearch } from './customermatch.ts';

/*
 * PostgreSQL does not know how many rows contain a word: row-level security hides its statistics from operators that might leak, and LIKE
 * is one. It also does not know how filters correlate with each other and with an order. So the search finds out by itself, in two ways:
 * the first part of the list is read in its order, which soon finds values that many customers have; if that does not fill the page, an
 * index finds the few matching customers, and they are sorted. With two million customers each way takes well under a tenth of a second
 * for its own case and seconds for the other's: see docs/benchmarks.md.
 *
 * A first name suits neither in the order of names: many have it, and they are together, far from the beginning. So the index of names
 * goes to them, and the index of words finds those that have the word and do not begin with it (customerbeginnings.ts).
 */

/** The position of customers without a tier: behind those of all tiers. */
const behindTiers = 2_147_483_647;

/**
 * Each expression is the one of its index, but for the tier: an index knows its key, and the order of the tiers is that of the
 * administrators. A customer without a tier, or without a company, comes last.
 */
export const customerOrders = {
  name: { by: 'c.name', type: 'text' },
  email: { by: 'c.email_key', type: 'text' },
  tier: {
    by: `coalesce((select t.position from platform.tiers t where t.key = c.account_tier), ${behindTiers})`,
    type: 'integer',
  },
  company: { by: 'o.name', type: 'text' },
  created: { by: 'c.created_at', type: 'timestamptz' },
  updated: { by: 'c.updated_at', type: 'timestamptz' },
};
export type CustomerOrder = keyof typeof customerOrders;

/** The order whose index is on crm.customer_order `q`. The expression there equals the one over the customer. */
const ordersApart: Partial<Record<CustomerOrder, string>> = { updated: 'q.updated_at' };

/**
 * An order by what is beside the customer, and what some customers do not have: they come last, in the order of their ids. Its rows are
 * { customer_id, value }, at most one for a customer.
 */
export type OrderBeside = {
  type: string;
  /** Only those rows that the filters let through, as far as they are about what it is sorted by. */
  rows: (parameter: Parameter, filters: CustomerFilters, direction: Direction) => string;
  /** All rows are added up before there is a first one: to read a few in their order costs as much as to read all. */
  isSummed?: boolean;
};

/** `beside` counts in place of `sort`. */
export type CustomerList = {
  filters: CustomerFilters;
  sort: CustomerOrder;
  beside?: OrderBeside | undefined;
  direction: Direction;
} & Paging;

/** The orders by what is beside the customer; `custom.<key>` is another. */
export const ordersBeside = ['last_activity', 'open_deals'] as const;

/** Reads the name of an order. @throws FilterOutdated for a custom field that is gone */
export async function readOrder(
  on: Queryable,
  name: string,
): Promise<{ sort: CustomerOrder; beside?: OrderBeside | undefined }> {
  if (name in customerOrders) return { sort: name as CustomerOrder };
  const sort = 'created';
  const onRows = (filters: CustomerFilters, parameter: Parameter) =>
    filters.where?.writeOnRows(name, parameter) ?? 'true';
  if (name === 'last_activity') {
    const rows: OrderBeside['rows'] = (parameter, filters) =>
      `select k.customer_id, k.last_at as value from crm.customer_activity k
       where k.last_at is not null and ${onRows(filters, parameter)}`;
    return { sort, beside: { type: 'timestamptz', rows } };
  }
  if (name === 'open_deals') {
    const priced = await readPriced(on);
    const rows: OrderBeside['rows'] = (parameter, _, direction) => dealsOrder(priced, parameter, direction);
    return { sort, beside: { type: 'numeric', rows, isSummed: true } };
  }
  const key = name.slice('custom.'.length);
  const field = (await listCustomFields(on, 'customer')).find((each) => each.key === key);
  if (!field) throw new FilterOutdated([{ field: 'sort', message: `the custom field “${key}”` }]);
  const { type, rows } = customOrder(field);
  return { sort, beside: { type, rows: (parameter, filters) => rows(onRows(filters, parameter)) } };
}

/** The filters that the index of an order answers as well: the list is read with them and skips no other rows. */
const filtersInOrder: Partial<Record<CustomerOrder, (keyof CustomerFilters)[]>> = {
  name: ['manager'],
  created: ['app', 'no_manager', 'created_after', 'created_before'],
};

/** The most rows that are read in the order of the list before other indexes find the matching customers. */
const lookAheadMax = 10_000;
/** If none of the first rows matches, no more are read. */
const glanceMax = 1_000;

const goesOn = 'c.merged_into is null and c.erased_at is null';
const columns = `${customerColumns}, o.name as company_name, o.domain as company_domain, u.name as manager_name,
  ${customValues('customer', 'c.id')} as custom,
  ${tagsOf('c.id')} as tags, deals.open_deals, deals.open_deals_value,
  (select k.last_at from crm.customer_activity k where k.customer_id = c.id) as last_activity_at`;
const byId = { id: 'c.id', idType: 'uuid' };
const joinCompanies = 'left join platform.companies o on o.id = c.company_id';
const joinOrder = 'join crm.customer_order q on q.customer_id = c.id';

/** @returns `isFrequent`: the search has so many matches that counting them would take long. */
export async function findCustomers<Row extends object>(
  on: Queryable,
  list: CustomerList,
): Promise<{ rows: Placed<Row>[]; isFrequent: boolean }> {
  const { filters, limit } = list;
  const stretches = stretchesOf(list);
  if (!Object.values(filters).some(Boolean)) {
    const rows: Placed<Row>[] = [];
    for (const stretch of stretches)
      if (rows.length < limit) {
        const missing = limit - rows.length;
        rows.push(...(await readStretch<Row>(on, list, stretch, { max: missing, limit: missing })));
      }
    return { rows, isFrequent: false };
  }
  // One company or domain never has so many customers that sorting them would take long, and nobody picks so many one by one.
  const [stretch] = filters.company || filters.no_company_at || filters.ids ? [] : stretches;
  const first = list.beside?.isSummed ? lookAheadMax : glanceMax;
  for (let max = stretch ? first : 0; stretch && max > 0; ) {
    const near = await readStretch<Row>(on, list, stretch, { max, limit });
    if (near.length >= limit) return { rows: near, isFrequent: filters.search !== undefined };
    max = near.length === 0 || max === lookAheadMax ? 0 : Math.min(lookAheadMax, enough(max, limit / near.length));
  }
  const rarest = filters.search ? await findRarest(on, filters.search) : undefined;
  const beginning = filters.company || list.beside ? undefined : beginningIn(list.sort, rarest);
  if (beginning) {
    const rows = await mergeBeginning<Row>(on, list, beginning);
    if (rows.length >= limit) return { rows, isFrequent: false };
  }
  return { rows: await sortMatching<Row>(on, list, rarest), isFrequent: false };
}

/** How many rows fill the page, if so many times as many matches are needed as were found; half as many more in case these have fewer. */
const enough = (read: number, times: number) => Math.ceil(read * times * 1.5);

/** Counts the matching customers up to `max` and one more. It is not for a frequent search. */
export async function countCustomers(on: Queryable, filters: CustomerFilters, max: number): Promise<number> {
  const { search } = filters;
  const rarest = search ? await findRarest(on, search) : undefined;
  const beginning = beginningIn('name', rarest);
  if (beginning) {
    const begun = await countBeginning(on, filters, beginning, max);
    if (begun > max) return begun;
  }
  const { values, parameter } = collectValues();
  const from = search
    ? matching(filters, rarest, parameter)
    : `platform.customers c ${filters.tier ? joinOrder : ''}
       where ${goesOn} and ${matchFilters(filters, parameter, { tier: filters.tier && 'q.account_tier', mode: 'all' })}`;
  const [row] = await on.query<{ total: number }>(
    `select count(*)::integer as total from (select from ${from} limit ${parameter(max + 1)}) found`,
    values,
  );
  return row?.total ?? 0;
}

/** Counts those of the filters whose name begins with a word, among the first of them, up to `max` and one more. */
async function countBeginning(
  on: Queryable,
  filters: CustomerFilters,
  beginning: Beginning,
  max: number,
): Promise<number> {
  const { search, ...others } = filters;
  const isAlone = wordsOf(search ?? '').length === 1 && !Object.values(others).some(Boolean);
  const { values, parameter } = collectValues();
  const { isNear, begins } = matchBeginning(beginning, parameter);
  // Without other conditions that takes the index of names only.
  const from = isAlone
    ? `platform.customers c where ${goesOn} and ${isNear} and ${begins}`
    : `(select c.* from platform.customers c where ${goesOn} and ${isNear} order by c.name limit ${lookAheadMax}) c ${joinCompanies}
       where ${begins} and ${matchFilters(filters, parameter)} and ${matchSearch(filters, parameter)}`;
  const [row] = await on.query<{ total: number }>(
    `select count(*)::integer as total from (select from ${from} limit ${parameter(max + 1)}) found`,
    values,
  );
  return row?.total ?? 0;
}

/**
 * A part of a list that one index has in order. A list by what is in another table has two parts, because no index spans two tables:
 * first those who are there, then those who are not.
 */
type Stretch = {
  from: (parameter: Parameter) => string;
  by: string;
  type: string;
  after: ListPlace | undefined;
  /** The columns of the index, if it is on crm.customer_order. */
  apart?: { by: string; id: string };
};

function stretchesOf({ filters, sort, beside, direction, after }: CustomerList): Stretch[] {
  const everybody = `platform.customers c where ${goesOn}`;
  const isBehind = after?.[0] === null;
  /** The two parts, of which the first is over when the page before ended in the second. */
  const inTwo = (there: Omit<Stretch, 'after'>, isAbsent: (parameter: Parameter) => string): Stretch[] => {
    const absent = {
      from: (parameter: Parameter) => `${everybody} and ${isAbsent(parameter)}`,
      by: 'c.id',
      type: 'uuid',
    };
    return isBehind
      ? [{ ...absent, after: [after[1], after[1]] }]
      : [
          { ...there, after },
          { ...absent, after: undefined },
        ];
  };
  if (beside) {
    const { type, rows } = beside;
    const from = (parameter: Parameter) =>
      `(${rows(parameter, filters, direction)}) b join platform.customers c on c.id = b.customer_id where ${goesOn}`;
    return inTwo(
      { from, by: 'b.value', type, apart: { by: 'b.value', id: 'b.customer_id' } },
      (parameter) => `not exists (select from (${rows(parameter, {}, direction)}) b where b.customer_id = c.id)`,
    );
  }
  const by = ordersApart[sort];
  if (by) {
    const from = () => `crm.customer_order q join platform.customers c on c.id = q.customer_id where ${goesOn}`;
    return [{ from, ...customerOrders[sort], after, apart: { by, id: 'q.customer_id' } }];
  }
  if (sort !== 'company') return [{ from: () => everybody, ...customerOrders[sort], after }];
  const inCompanies = () => `platform.customers c join platform.companies o on o.id = c.company_id where ${goesOn}`;
  return inTwo({ from: inCompanies, ...customerOrders.company }, () => 'c.company_id is null');
}

/** Reads the next `max` rows of a stretch and returns those that match, at most `limit`. */
async function readStretch<Row extends object>(
  on: Queryable,
  { filters, sort, beside, direction }: CustomerList,
  { from, by, type, after, apart }: Stretch,
  { max, limit }: { max: number; limit: number },
): Promise<Placed<Row>[]> {
  const { values, parameter } = collectValues();
  const inOrder = beside
    ? {}
    : Object.fromEntries((filtersInOrder[sort] ?? []).map((filter) => [filter, filters[filter]]));
  const value = beside ? `, ${by === 'b.value' ? by : `null::${beside.type}`} as value` : '';
  const readIndex = () => {
    const inIndex = keyset({ by, type, ...byId, ...apart }, direction, after, parameter);
    return `select c.*${value} from ${from(parameter)} and ${inIndex.where}
      and ${matchFilters(inOrder, parameter)} order by ${inIndex.orderBy} limit ${max}`;
  };
  const isByTier = !beside && sort === 'tier';
  const inOrderOfList = isByTier
    ? readTierByTier({ tier: filters.tier, direction, after, max }, parameter)
    : readIndex();
  const outer = by === 'b.value' ? 'c.value' : by;
  const { orderBy } = keyset({ by: outer, type, ...byId }, direction, undefined, parameter);
  const page = `
    select c.id${beside ? ', c.value' : ''} from (${inOrderOfList}) c ${joinCompanies}
    where ${matchFilters(filters, parameter)} and ${matchSearch(filters, parameter)}
    order by ${orderBy} limit ${parameter(limit)}`;
  return on.query<Placed<Row>>(showPage(page, { sort, beside, direction }), values);
}

/**
 * The query for the next `max` customers in the order of the tiers. The index of crm.customer_order has the customers of one tier in order,
 * so each tier gives its first ones; PostgreSQL sorts tier by tier and stops when it has enough. The comparison is one that an index
 * answers: a late page of a large tier costs no more than the first. Without "materialized" and statistics PostgreSQL takes the whole as the
 * inner side of a join, and reads it once for every customer.
 */
function readTierByTier(
  {
    tier,
    direction,
    after,
    max,
  }: { tier: string | undefined; direction: Direction; after: ListPlace | undefined; max: number },
  parameter: Parameter,
): string {
  const [position, id] = after ? [parameter(after[0], 'integer'), parameter(after[1], 'uuid')] : [];
  const isBehind = direction === 'asc' ? '>' : '<';
  const outer = [
    'true',
    ...(tier ? [`t.key = ${parameter(tier)}`] : []),
    ...(position ? [`t.position ${isBehind}= ${position}`] : []),
  ];
  const first = direction === 'asc' ? '00000000-0000-0000-0000-000000000000' : 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  const inner = position
    ? `and q.customer_id ${isBehind} case when t.position = ${position} then ${id} else '${first}' end`
    : '';
  return `
    with t as materialized (select key, position from platform.tiers union all values ('~', ${behindTiers})),
    q as materialized (
      select q.customer_id from t cross join lateral (
        select q.customer_id from crm.customer_order q where q.account_tier = t.key ${inner}
        order by q.customer_id ${direction} limit ${max}) q
      where ${outer.join(' and ')} order by t.position ${direction}, q.customer_id ${direction} limit ${max})
    select c.* from q join platform.customers c on c.id = q.customer_id where ${goesOn}`;
}

/**
 * Reads a page of a list by name or address: those that begin with a word, in order, merged with the sorted others that have the word
 * elsewhere.
 *
 * @returns fewer rows than a page if few of the first that begin with the word match. Then it has not looked for the others.
 */
async function mergeBeginning<Row extends object>(
  on: Queryable,
  { filters, sort, direction, after, limit }: CustomerList,
  beginning: Beginning,
): Promise<Placed<Row>[]> {
  const { values, parameter } = collectValues();
  const { by } = customerOrders[sort];
  const { where, orderBy } = keyset({ ...customerOrders[sort], ...byId }, direction, after, parameter);
  const { isNear, begins } = matchBeginning(beginning, parameter);
  const shown = parameter(limit);
  const page = `
    with begins as materialized (
      select c.id, ${by} as place
      from (select c.* from platform.customers c where ${goesOn} and ${isNear} and ${where}
            order by ${orderBy} limit ${glanceMax}) c ${joinCompanies}
      where ${begins} and ${matchFilters(filters, parameter)} and ${matchSearch(filters, parameter)}
      order by ${orderBy} limit ${shown}),
    others as materialized (
      select c.id, ${by} as place from ${matching(filters, beginning.word, parameter, beginning)}
      where ${where} and (select count(*) from begins) = ${shown}
      order by ${orderBy} limit ${shown})
    select f.id from (select * from begins union select * from others) f
    order by f.place ${direction}, f.id ${direction} limit ${shown}`;
  return on.query<Placed<Row>>(showPage(page, { sort, direction }), values);
}

/** Finds all matching customers by other indexes and sorts them. */
async function sortMatching<Row extends object>(
  on: Queryable,
  { filters, sort, beside, direction, after, limit }: CustomerList,
  rarest: string | undefined,
): Promise<Placed<Row>[]> {
  const { values, parameter } = collectValues();
  const order = { ...(beside ? { by: 'b.value', type: beside.type } : customerOrders[sort]), ...byId };
  const inNone = { by: 'c.id', type: 'uuid', ...byId };
  const whereBehind = () => {
    if (!(beside || sort === 'company') || !after) return keyset(order, direction, after, parameter).where;
    const isAbsent = beside ? 'b.value is null' : 'o.id is null';
    if (after[0] !== null) return `(${isAbsent} or ${keyset(order, direction, after, parameter).where})`;
    return `${isAbsent} and ${keyset(inNone, direction, [after[1], after[1]], parameter).where}`;
  };
  const joinBeside = beside
    ? `left join (${beside.rows(parameter, filters, direction)}) b on b.customer_id = c.id`
    : '';
  const page = `
    select c.id${beside ? ', b.value' : ''} from ${matching(filters, rarest, parameter)} ${joinCompanies} ${joinBeside}
    where ${whereBehind()} order by ${order.by} ${direction} nulls last, c.id ${direction} limit ${parameter(limit)}`;
  return on.query<Placed<Row>>(showPage(page, { sort, beside, direction }), values);
}

/** The query for the shown columns of the customers whose ids `page` gives, with their values in an order beside them. */
function showPage(
  page: string,
  { sort, beside, direction }: Pick<CustomerList, 'sort' | 'beside' | 'direction'>,
): string {
  const order = { ...(beside ? { by: 'page.value', type: beside.type } : customerOrders[sort]), ...byId };
  return `with page as materialized (${page})
    select ${columns}, ${placeColumn(order)}
    from page join platform.customers c on c.id = page.id ${joinCompanies}
      left join platform.users u on u.id = c.account_manager_id cross join lateral (${openDealsOf('c.id')}) deals
    order by ${order.by} ${direction} nulls last, c.id ${direction}`;
}

/**
 * The matching customers, as a part of `from`. PostgreSQL does not know how few they are and would take it to be cheaper to read all
 * customers in the order of the list. "offset 0" keeps it from that.
 *
 * @param rarest the word of the search by which they are found.
 * @param except most of those that begin with it are left out.
 */
function matching(
  filters: CustomerFilters,
  rarest: string | undefined,
  parameter: Parameter,
  except?: Beginning,
): string {
  const { search } = filters;
  // Many customers share a tier, so only a list without a search starts at the tier's index.
  const byTier = filters.tier && !search;
  return `(select c.* from platform.customers c ${search ? joinCompanies : ''} ${byTier ? joinOrder : ''}
    where ${goesOn} and ${matchFilters(filters, parameter, { tier: byTier ? 'q.account_tier' : undefined, mode: 'all' })}
      and ${matchSearch(filters, parameter, rarest, { except: except?.of })} offset 0) c`;
}
