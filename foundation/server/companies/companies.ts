import {
  type Company,
  collectValues,
  type Direction,
  keyset,
  NotFound,
  type Paging,
  type Parameter,
  type Placed,
  type PlatformDb,
  type Queryable,
  readList,
  wordsOf,
} from '@aether/platform';
import { comparedWordsMax, matchCompany } from '../customers/customermatch.ts';
import { type CustomValues, customValues } from '../customfields/customfields.ts';

type Owner = { id: string; name: string };
export type CompanyFilters = {
  /** Every word of it occurs in the name or begins the domain. */
  search?: string;
  /** Id of the owner. */
  owner?: string;
  no_owner?: boolean;
};
export type ListedCompany = Company & { owner: Owner | null; customers: number; open_deals: number };
export type CompanyRecord = {
  company: Company;
  owner: Owner | null;
  custom: CustomValues;
  customers: number;
  open_deals: number;
};

/** Each expression is the one of its index. */
export const companyOrders = {
  name: { by: 'o.name', type: 'text' },
  created: { by: 'o.id', type: 'uuid' },
  updated: { by: 'o.updated_at', type: 'timestamptz' },
};
export type CompanyOrder = keyof typeof companyOrders;

const counts = `(select count(*)::integer from platform.customers c
  where c.company_id = o.id and c.merged_into is null and c.erased_at is null) as customers,
  (select count(*)::integer from crm.deals d where d.company_id = o.id and d.status = 'open') as open_deals`;

const owner = `(select jsonb_build_object('id', u.id, 'name', u.name) from platform.users u where u.id = o.owner_id) as owner`;

/** The companies that are read in the order of the list before the indexes of words are used. */
const lookAheadMax = 2_000;
/** The newest companies among which the rarest of several words is found. */
const sampleMax = 1_000;

/**
 * Finds companies. PostgreSQL does not know how many companies have a word. So the first of the list are looked through, which fill the page if
 * the word is frequent; if they do not, the index of the rarest word finds all that match. "offset 0" keeps each of the two from becoming the other.
 */
export async function listCompanies(
  on: Queryable,
  { filters, sort, ...paging }: { filters: CompanyFilters; sort: CompanyOrder; direction: Direction } & Paging,
): Promise<Placed<ListedCompany>[]> {
  const order = { ...companyOrders[sort], id: 'o.id', idType: 'uuid' };
  const read = (from: (parameter: Parameter, within: string) => string) =>
    readList<ListedCompany>(on, { order, ...paging }, (parameter) => {
      const within = [
        ...(filters.owner ? [`o.owner_id = ${parameter(filters.owner)}`] : []),
        ...(filters.no_owner ? ['o.owner_id is null'] : []),
      ];
      return {
        columns: `o.id, o.name, o.domain, o.owner_id, o.version, o.created_at, o.updated_at, o.created_by_app, ${owner}, ${counts}`,
        from: from(parameter, within.join(' and ') || 'true'),
        where: [],
      };
    });
  const words = wordsOf(filters.search ?? '');
  if (words.length === 0) return read((_, within) => `(select * from platform.companies o where ${within}) o`);
  const near = await read((parameter, within) => {
    const { where, orderBy } = keyset(order, paging.direction, paging.after, parameter);
    const matching = words.map((word) => matchWord(word, parameter)).join(' and ');
    return `(select * from (select * from platform.companies o where ${within} and ${where} order by ${orderBy} limit ${lookAheadMax}) o
      where ${matching}) o`;
  });
  if (near.length >= paging.limit) return near;
  const rarest = await findRarest(on, words);
  return read((parameter, within) => {
    const others = words.filter((word) => word !== rarest).map((word) => `(${matchWord(word, parameter)}) is true`);
    const matching = [matchWord(rarest, parameter), within, ...others].join(' and ');
    return `(select * from platform.companies o where ${matching} offset 0) o`;
  });
}

/** The condition that a word occurs in the name of a company `o`, or begins its domain. */
function matchWord(word: string, parameter: Parameter): string {
  return `(${matchCompany(word, parameter)} or o.domain like ${parameter(`${word.replace(/[\\%_]/g, '\\$&')}%`)})`;
}

/** The rarest of these words among the newest companies; of equally rare ones the longest. No index finds a word without letters and digits, as `&`. */
async function findRarest(on: Queryable, words: string[]): Promise<string> {
  const indexed = words.filter((word) => /[\p{L}\p{N}]/u.test(word));
  const longest = (indexed.length > 0 ? indexed : words)
    .toSorted((one, other) => other.length - one.length)
    .slice(0, comparedWordsMax);
  if (longest.length === 1) return longest[0] as string;
  const { values, parameter } = collectValues();
  const counts = longest.map((word) => `count(*) filter (where ${matchWord(word, parameter)})::integer`);
  const [row] = await on.query<{ counts: number[] }>(
    `select array[${counts.join(', ')}] as counts from (select * from platform.companies order by id desc limit ${sampleMax}) o`,
    values,
  );
  const found = row?.counts ?? [];
  return longest.reduce((rarest, word, at) =>
    (found[at] ?? 0) < (found[longest.indexOf(rarest)] ?? 0) ? word : rarest,
  );
}

/** @throws NotFound */
export async function getCompanyRecord(db: PlatformDb, id: string): Promise<CompanyRecord> {
  const company = await db.getCompanyById(id);
  if (!company) throw new NotFound('company');
  const [more] = await db.query<Omit<CompanyRecord, 'company'>>(
    `select ${customValues('company', 'o.id')} as custom, ${owner}, ${counts} from platform.companies o where o.id = $1`,
    [id],
  );
  return { company, ...(more as Omit<CompanyRecord, 'company'>) };
}
