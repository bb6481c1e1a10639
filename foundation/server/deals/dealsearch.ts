import {
  collectValues,
  type Direction,
  goesOn,
  keyset,
  type ListPlace,
  matchCustomer,
  matchName,
  type Paging,
  type Parameter,
  type Queryable,
  wordsOf,
} from '@aether/platform';
import { comparedWordsMax } from '../customers/customermatch.ts';

/*
 * A word may occur in a deal's name or in its customer's name. As with customers (see customersearch.ts), the search tries two ways: the
 * first stretch of the list in its order, then the trigram indexes of both tables. The queries here read only the deal `d`; the other
 * columns of a list are joined to the few rows that it shows.
 */

/** Each expression is never null and has an index: see 0004_crm.sql. A deal without a date comes last. */
export const dealOrders = {
  created: { by: 'd.id', type: 'bigint' },
  name: { by: 'd.name', type: 'text' },
  amount: { by: 'd.amount', type: 'numeric' },
  close: { by: `coalesce(d.expected_close_on, 'infinity')`, type: 'date' },
  updated: { by: 'd.updated_at', type: 'timestamptz' },
};
export type DealOrder = keyof typeof dealOrders;

export type DealStatus = 'open' | 'won' | 'lost';

export type DealFilters = {
  customer_id?: string;
  /** The customer is its primary contact, or another one. */
  contact_id?: string;
  company_id?: string;
  pipeline?: number;
  stage?: number;
  owner?: string;
  status?: DealStatus;
  /** Closed at that moment or later, and before that other one. */
  closed_from?: string;
  closed_before?: string;
  /** Expected to close on one of these days. */
  expected_from?: string;
  expected_to?: string;
  /** Lost for this reason. */
  reason?: number;
  /** What the deals lack: an owner, a day on which they are expected to close, a reason for which they were lost. */
  lacks?: ('owner' | 'expected' | 'reason')[];
  /** Every word occurs in the name of the deal or of the customer. */
  search?: string;
};

export type DealList = { filters: DealFilters; sort: DealOrder; direction: Direction } & Paging;

/** The deals that are read in the order of the list, per row of the page, before the trigram indexes are used. */
const lookAheadPerRow = 100;
/** The newest deals in which the frequency of a word is measured. */
const sampleMax = 1_000;
/** A word in more than one of this many deals is frequent: it is searched deal by deal. */
const frequentOneIn = 100;

type Found = { id: number; place: ListPlace };

/** The deals of one page, in order. */
export async function findDeals(
  on: Queryable,
  { filters: { search, ...filters }, sort, direction, after, limit }: DealList,
): Promise<Found[]> {
  const order = { ...dealOrders[sort], id: 'd.id', idType: 'bigint' };
  const find = (from: (where: string, orderBy: string, parameter: Parameter) => string) => {
    const { values, parameter } = collectValues();
    const { where, orderBy, place } = keyset(order, direction, after, parameter);
    const within = `${where} and ${matchDeals(filters, parameter)}`;
    return on.query<Found>(
      `select d.id, ${place} from ${from(within, orderBy, parameter)} order by ${orderBy} limit ${parameter(limit)}`,
      values,
    );
  };
  if (!search) return find((where) => `crm.deals d where ${where}`);
  const near = await find(
    (where, orderBy, parameter) =>
      `(select * from crm.deals d where ${where} order by ${orderBy} limit ${lookAheadPerRow * limit}) d
        where ${matchWords(search, parameter)}`,
  );
  if (near.length >= limit) return near;
  const rarest = await findRarest(on, search);
  // PostgreSQL does not know how few deals match. "offset 0" keeps it from reading on in the order of the list.
  return find(
    (where, _, parameter) =>
      `(select * from crm.deals d where ${where} and ${matchWords(search, parameter, rarest?.word)} offset 0) d`,
  );
}

/** The condition for `filters`, without their search. */
export function matchDeals(filters: Omit<DealFilters, 'search'>, parameter: Parameter): string {
  const conditions = ['true'];
  if (filters.customer_id) conditions.push(`d.customer_id = ${goesOn(parameter(filters.customer_id))}`);
  if (filters.contact_id) {
    const contact = goesOn(parameter(filters.contact_id));
    conditions.push(
      // Two short lists of ids: with "or" PostgreSQL reads all deals in the order of the list.
      `d.id = any (array(select o.id from crm.deals o where o.customer_id = ${contact}
         union all select k.deal_id from crm.deal_contacts k where k.customer_id = ${contact}))`,
    );
  }
  if (filters.company_id) conditions.push(`d.company_id = ${parameter(filters.company_id)}`);
  if (filters.pipeline) conditions.push(`d.pipeline_id = ${parameter(filters.pipeline)}`);
  if (filters.stage) conditions.push(`d.stage_id = ${parameter(filters.stage)}`);
  if (filters.owner) conditions.push(`d.owner_id = ${parameter(filters.owner)}`);
  if (filters.status) conditions.push(`d.status = ${parameter(filters.status)}`);
  if (filters.closed_from) conditions.push(`d.closed_at >= ${parameter(filters.closed_from, 'timestamptz')}`);
  if (filters.closed_before) conditions.push(`d.closed_at < ${parameter(filters.closed_before, 'timestamptz')}`);
  if (filters.expected_from) conditions.push(`d.expected_close_on >= ${parameter(filters.expected_from, 'date')}`);
  if (filters.expected_to) conditions.push(`d.expected_close_on <= ${parameter(filters.expected_to, 'date')}`);
  if (filters.reason) conditions.push(closedFor(`k.reason_id = ${parameter(filters.reason, 'bigint')}`));
  for (const lack of filters.lacks ?? []) conditions.push(lacking[lack]);
  return conditions.join(' and ');
}

const closedFor = (condition: string): string =>
  `d.status = 'lost' and exists (select from crm.deal_closings k where k.deal_id = d.id and k.reopened_at is null and ${condition})`;
const lacking = {
  owner: 'd.owner_id is null',
  expected: 'd.expected_close_on is null',
  reason: closedFor('k.reason_id is null'),
};

/**
 * The condition that every word occurs in the name of the deal or of the customer.
 *
 * @param rarest the word for which indexes are used; the other words are searched deal by deal.
 */
export function matchWords(search: string, parameter: Parameter, rarest?: string): string {
  const everyWord = wordsOf(search).map((word) => matchDeal(word, parameter, word === rarest));
  return everyWord.length > 0 ? everyWord.join(' and ') : 'true';
}

function matchDeal(word: string, parameter: Parameter, byIndex: boolean): string {
  const inName = matchName('d.name', word, parameter, { byIndex });
  const inCustomer = matchCustomer(word, parameter, byIndex ? {} : undefined);
  return byIndex
    ? `(${inName} or d.customer_id = any (array(select c.id from platform.customers c where ${inCustomer})))`
    : // Not "exists": PostgreSQL may answer that by finding all customers with the word first.
      `(${inName} or (select ${inCustomer} from platform.customers c where c.id = d.customer_id))`;
}

/** The rarest of the first few words among the newest deals (of equally rare ones the longest), and whether even that one is frequent. */
export async function findRarest(
  on: Queryable,
  search: string,
): Promise<{ word: string; isFrequent: boolean } | undefined> {
  const words = wordsOf(search).slice(0, comparedWordsMax);
  const { values, parameter } = collectValues();
  const counts = words.map((word) => `count(*) filter (where ${matchDeal(word, parameter, false)})::integer`);
  const [row] = await on.query<{ counts: number[] }>(
    `select array[${counts.join(', ')}] as counts from (select * from crm.deals order by id desc limit ${sampleMax}) d`,
    values,
  );
  const ranked = words.map((word, index) => ({ word, count: row?.counts[index] ?? 0 }));
  const [rarest] = ranked.sort((one, other) => one.count - other.count || other.word.length - one.word.length);
  return rarest && { word: rarest.word, isFrequent: rarest.count > sampleMax / frequentOneIn };
}
