import {
  type App,
  type CustomersByIndex,
  collectValues,
  foldDigits,
  matchAddress,
  matchCustomer,
  matchName,
  matchPhone,
  type Parameter,
  type PlatformDb,
  type Queryable,
  readSearchedPhone,
  type SearchedPhone,
  wordsOf,
} from '@aether/platform';
import type { MatchMode } from './conditionmatch.ts';
import type { Conditions } from './conditions.ts';

/** The rarest word is searched among this many. */
export const comparedWordsMax = 5;

/** The filters of a list, all of them optional. Times are ISO 8601. */
export type CustomerFilters = {
  /** Every word occurs in name, address or company; or the text is an address, also a former one or its beginning, or a number. */
  search?: string;
  /** The telephone number that the search is, if it is one: see `readSearch`. */
  phone?: SearchedPhone | undefined;
  tier?: string;
  manager?: string;
  no_manager?: boolean;
  company?: string;
  /** A domain: those without a company whose address is there. */
  no_company_at?: string;
  app?: App;
  created_after?: string;
  created_before?: string;
  /** Id of a tag. */
  tag?: number;
  /** What else they fit: see `readConditions`. */
  where?: Conditions | undefined;
  /** Only these, and not those. */
  ids?: string[];
  except?: string[];
};

/** The newest customers in which the rarest of several words is found. */
const sampleMax = 1_000;

/** The same expression as in crm.customer_order. No tier has the name `~`. */
const tierOrLast = `coalesce(c.account_tier, '~')`;

/** The filters, with the telephone number if their search is one. */
export function readSearch<Filters extends CustomerFilters>(
  db: Pick<PlatformDb, 'readPhone'>,
  filters: Filters,
): Filters {
  const { search } = filters;
  return { ...filters, phone: search && readSearchedPhone(search, db.readPhone(search)) };
}

/**
 * The condition for `filters`, without their search.
 *
 * @param options.tier the SQL expression of the tier: that of the customer, or the indexed one of crm.customer_order.
 * @param options.mode whether a few customers are looked at one by one, or all that fit are found
 */
export function matchFilters(
  filters: CustomerFilters,
  parameter: Parameter,
  { tier = tierOrLast, mode = 'rows' }: { tier?: string | undefined; mode?: MatchMode } = {},
): string {
  const conditions = ['true'];
  if (filters.tier) {
    conditions.push(`${tier} = ${parameter(filters.tier)}`);
    // A customer of the manager who has another tier is not looked up in crm.customer_order.
    if (filters.manager && tier !== tierOrLast) conditions.push(`${tierOrLast} = ${parameter(filters.tier)}`);
  }
  if (filters.manager) conditions.push(`c.account_manager_id = ${parameter(filters.manager)}`);
  if (filters.no_manager) conditions.push('c.account_manager_id is null');
  if (filters.company) conditions.push(`c.company_id = ${parameter(filters.company)}`);
  if (filters.no_company_at)
    conditions.push(`c.company_id is null and split_part(c.email_key, '@', 2) = ${parameter(filters.no_company_at)}`);
  if (filters.app) conditions.push(`c.created_by_app = ${parameter(filters.app)}`);
  if (filters.created_after) conditions.push(`c.created_at >= ${parameter(filters.created_after)}`);
  if (filters.created_before) conditions.push(`c.created_at < ${parameter(filters.created_before)}`);
  if (filters.tag)
    conditions.push(
      `exists (select from crm.customer_tags k where k.tag_id = ${parameter(filters.tag, 'bigint')} and k.customer_id = c.id)`,
    );
  if (filters.where) conditions.push(filters.where.write(parameter, mode));
  if (filters.ids) conditions.push(`c.id = any (${parameter(filters.ids, 'uuid[]')})`);
  if (filters.except) conditions.push(`c.id <> all (${parameter(filters.except, 'uuid[]')})`);
  return conditions.join(' and ');
}

/** The condition that a word occurs in the name of a company `o`. */
export const matchCompany = (word: string, parameter: Parameter) => matchName('o.name', word, parameter);

/**
 * The condition that every word occurs in name, address or company; or that the text is an address or a telephone number, the primary
 * one or another one, or a customer's number.
 *
 * @param rarest the word for which indexes are used. Without it, the condition is checked row by row on the rows of the caller.
 * @param byIndex who with that word need not be found.
 */
export function matchSearch(
  { search, phone }: Pick<CustomerFilters, 'search' | 'phone'>,
  parameter: Parameter,
  rarest?: string,
  byIndex: CustomersByIndex = {},
): string {
  if (!search) return 'true';
  const everyWord = wordsOf(search).map((word) => {
    // The "or" of two index lookups becomes a bitmap of a few rows, which are then checked one by one.
    return word === rarest
      ? `(${matchCustomer(word, parameter, byIndex)}
        or c.company_id = any (array(select o.id from platform.companies o where ${matchCompany(word, parameter)})))`
      : `((${matchCustomer(word, parameter)} or ${matchCompany(word, parameter)}) is true)`;
  });
  const conditions = [everyWord.length > 0 ? `(${everyWord.join(' and ')})` : 'true'];
  const address = matchAddress(search, parameter);
  if (address) conditions.push(address);
  const number = foldDigits(search).trim();
  if (/^[1-9]\d{0,17}$/.test(number)) conditions.push(`c.crm_id = ${parameter(number, 'bigint')}`);
  if (phone) conditions.push(matchPhone(phone, parameter, rarest === undefined ? 'rows' : 'index'));
  return `(${conditions.join(' or ')})`;
}

/** The rarest of the first few words among the newest customers; of equally rare ones the longest. */
export async function findRarest(on: Queryable, search: string): Promise<string | undefined> {
  const words = wordsOf(search).slice(0, comparedWordsMax);
  if (words.length < 2) return words[0];
  const { values, parameter } = collectValues();
  const counts = words.map((word) => {
    return `count(*) filter (where ${matchCustomer(word, parameter)} or ${matchCompany(word, parameter)})::integer`;
  });
  const [row] = await on.query<{ counts: number[] }>(
    `select array[${counts.join(', ')}] as counts from (select * from platform.customers order by id desc limit ${sampleMax}) c
     left join platform.companies o on o.id = c.company_id`,
    values,
  );
  const ranked = words.map((word, index) => ({ word, count: row?.counts[index] ?? 0 }));
  return ranked.sort((one, other) => one.count - other.count || other.word.length - one.word.length)[0]?.word;
}
