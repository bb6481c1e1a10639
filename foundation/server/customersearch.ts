import { canonicaliseEmail, customerColumns, type Queryable } from '@aether/platform';
import type { CustomerFilters, CustomerList } from './customers.ts';
import { customValues } from './customfields.ts';
import { collectValues, type Direction, keyset, likePattern, wordsOf } from './keyset.ts';

/*
 * PostgreSQL does not know how many rows hold a word: row-level security keeps its statistics from operators that might leak, and LIKE
 * is one. So we find out ourselves. A word that many have is met soon by whoever reads the list in its order; one that few have
 * is found by the index of trigrams. With two million customers both take well under a tenth of a second, and each takes
 * seconds for the other's words: see docs/benchmarks.md.
 */

/** Each as its index has it: see 0008_foundation.sql. Who has no tier comes last. */
export const customerOrders = {
  name: 'c.name',
  email: 'c.email_key',
  tier: `coalesce(c.account_tier, '~')`,
  company: 'o.name',
  created: 'c.created_at',
  updated: 'c.updated_at',
};
export type CustomerOrder = keyof typeof customerOrders;

/** So many are read in the order of the list before the index of trigrams is asked. */
const lookAheadMax = 10_000;
/** Customers looked at to see which of several words is the rarest. */
const sampleMax = 2_000;

const goesOn = 'c.merged_into is null and c.erased_at is null';
const columns = `${customerColumns}, o.name as company_name, o.domain as company_domain, u.name as manager_name, ${customValues('customer', 'c.id')} as custom`;
const joins = `left join platform.companies o on o.id = c.company_id left join platform.users u on u.id = c.account_manager_id`;

/** @returns `isFrequent` when the search is met so often that counting would take long. */
export async function findCustomers<Row extends object>(
  on: Queryable,
  { filters, sort, direction, after, limit }: CustomerList,
): Promise<{ rows: Row[]; isFrequent: boolean }> {
  const { search, ...others } = filters;
  if (sort === 'company')
    return { rows: await listByCompany<Row>(on, filters, direction, after, limit), isFrequent: false };
  const order = { tables: 'platform.customers c', by: customerOrders[sort], id: 'c.id' };

  if (search) {
    const { values, parameter } = collectValues();
    const { where, orderBy } = keyset(order, direction, parameter(after ?? null, 'uuid'));
    const near = await on.query<Row>(
      `select ${columns} from (select * from platform.customers c where ${goesOn} and ${where} order by ${orderBy} limit ${lookAheadMax}) c ${joins}
       where ${matchFilters(others, parameter)} and ${matchSearch(search, parameter)} order by ${orderBy} limit ${parameter(limit)}`,
      values,
    );
    if (near.length >= limit) return { rows: near, isFrequent: true };
  }
  const { values, parameter } = collectValues();
  const { where, orderBy } = keyset(order, direction, parameter(after ?? null, 'uuid'));
  const rows = await on.query<Row>(
    `select ${columns} from ${search ? matching(search, parameter, await findRarest(on, search)) : 'platform.customers c'} ${joins}
     where ${goesOn} and ${where} and ${matchFilters(others, parameter)} order by ${orderBy} limit ${parameter(limit)}`,
    values,
  );
  return { rows, isFrequent: false };
}

/** How many there are, counted up to `max` and one more. Not for a search that is frequent. */
export async function countCustomers(
  on: Queryable,
  { search, ...others }: CustomerFilters,
  max: number,
): Promise<number> {
  const { values, parameter } = collectValues();
  const [row] = await on.query<{ total: number }>(
    `select count(*)::integer as total from (
       select from ${search ? matching(search, parameter, await findRarest(on, search)) : 'platform.customers c'}
       where ${goesOn} and ${matchFilters(others, parameter)} limit ${parameter(max + 1)}) found`,
    values,
  );
  return row?.total ?? 0;
}

/** Those with a company by its name, then those without: no index spans two tables, but two can be read one after the other. */
async function listByCompany<Row extends object>(
  on: Queryable,
  { search, ...others }: CustomerFilters,
  direction: Direction,
  after: string | undefined,
  limit: number,
): Promise<Row[]> {
  const { values, parameter } = collectValues();
  const cursor = parameter(after ?? null, 'uuid');
  const conditions = [goesOn, matchFilters(others, parameter)];
  if (search) conditions.push(matchSearch(search, parameter, await findRarest(on, search)));
  const tables = 'platform.customers c join platform.companies o on o.id = c.company_id';
  const { where, orderBy } = keyset({ tables, by: 'o.name', id: 'c.id' }, direction, cursor);
  const max = parameter(limit);
  const isBehindCompanies = `exists (select from platform.customers where id = ${cursor} and company_id is null)`;
  return on.query<Row>(
    `(select ${columns} from ${tables} left join platform.users u on u.id = c.account_manager_id
      where not ${isBehindCompanies} and ${where} and ${conditions.join(' and ')} order by ${orderBy} limit ${max})
     union all
     (select ${columns} from platform.customers c ${joins}
      where c.company_id is null and (not ${isBehindCompanies} or c.id ${direction === 'asc' ? '>' : '<'} ${cursor}) and ${conditions.join(' and ')}
      order by c.id ${direction} limit ${max})
     limit ${max}`,
    values,
  );
}

type Parameter = ReturnType<typeof collectValues>['parameter'];

function matchFilters(filters: Omit<CustomerFilters, 'search'>, parameter: Parameter): string {
  const conditions = ['true'];
  if (filters.tier) conditions.push(`c.account_tier = ${parameter(filters.tier)}`);
  if (filters.manager) conditions.push(`c.account_manager_id = ${parameter(filters.manager)}`);
  if (filters.no_manager) conditions.push('c.account_manager_id is null');
  if (filters.company) conditions.push(`c.company_id = ${parameter(filters.company)}`);
  if (filters.app) conditions.push(`c.created_by_app = ${parameter(filters.app)}`);
  if (filters.created_after) conditions.push(`c.created_at >= ${parameter(filters.created_after)}`);
  if (filters.created_before) conditions.push(`c.created_at < ${parameter(filters.created_before)}`);
  return conditions.join(' and ');
}

const named = `' ' || lower(c.name) || ' ' || c.email_key`;
const companyNamed = `' ' || lower(o.name)`;
const companiesNamed = (pattern: string) =>
  `select id from platform.companies where ' ' || lower(name) like ${pattern}`;

/**
 * The condition that every word stands in name, address or company; or that it is a whole address, also a former one, or a number.
 *
 * @param rarest the word for which indexes are used; without one the rows are given, and each is looked at.
 */
function matchSearch(search: string, parameter: Parameter, rarest?: string): string {
  const everyWord = wordsOf(search).map((word) => {
    const pattern = parameter(likePattern(word));
    // "or" of what two indexes answer becomes a bitmap of a few rows; those are then looked at one by one.
    return word === rarest
      ? `(${named} like ${pattern} or c.company_id = any (array(${companiesNamed(pattern)})))`
      : `((${named} like ${pattern} or ${companyNamed} like ${pattern}) is true)`;
  });
  const conditions = [everyWord.length > 0 ? `(${everyWord.join(' and ')})` : 'true'];
  const email = canonicaliseEmail(search);
  if (email.ok)
    conditions.push(
      `c.id = any (array(select customer_id from platform.customer_emails where email_key = ${parameter(email.key)}))`,
    );
  if (/^[1-9]\d{0,17}$/.test(search)) conditions.push(`c.crm_id = ${parameter(search, 'bigint')}`);
  return `(${conditions.join(' or ')})`;
}

/**
 * Those who fit a search, for `from`. "offset 0" keeps PostgreSQL from reading everybody in the order of the list instead, which it
 * takes to be cheaper, because it does not know how few they are.
 */
const matching = (search: string, parameter: Parameter, rarest: string | undefined): string =>
  `(select c.* from platform.customers c left join platform.companies o on o.id = c.company_id
    where ${matchSearch(search, parameter, rarest)} offset 0) c`;

/** The word that the fewest of the newest customers have; of equals the longest. */
async function findRarest(on: Queryable, search: string): Promise<string | undefined> {
  const words = wordsOf(search);
  if (words.length < 2) return words[0];
  const { values, parameter } = collectValues();
  const counts = words.map((word) => {
    const pattern = parameter(likePattern(word));
    return `count(*) filter (where ${named} like ${pattern} or ${companyNamed} like ${pattern})::integer`;
  });
  const [row] = await on.query<{ counts: number[] }>(
    `select array[${counts.join(', ')}] as counts from (select * from platform.customers order by id desc limit ${sampleMax}) c
     left join platform.companies o on o.id = c.company_id`,
    values,
  );
  const ranked = words.map((word, index) => ({ word, count: row?.counts[index] ?? 0 }));
  return ranked.sort((one, other) => one.count - other.count || other.word.length - one.word.length)[0]?.word;
}
