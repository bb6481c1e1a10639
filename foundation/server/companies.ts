import { type Company, NotFound, type PlatformDb, type Queryable } from '@aether/platform';
import { type CustomValues, customValues } from './customfields.ts';
import { collectValues, type Direction, keyset, likePattern, wordsOf } from './keyset.ts';

export type ListedCompany = Company & { customers: number; open_deals: number };
export type CompanyRecord = {
  company: Company;
  custom: CustomValues;
  customers: number;
  open_deals: number;
};

/** Each as its index has it. */
export const companyOrders = { name: 'o.name', created: 'o.id', updated: 'o.updated_at' };
export type CompanyOrder = keyof typeof companyOrders;

const counts = `(select count(*)::integer from platform.customers c where c.company_id = o.id and c.merged_into is null and c.erased_at is null) as customers,
  (select count(*)::integer from crm.deals d where d.company_id = o.id and d.status = 'open') as open_deals`;

/** Companies whose name or domain holds every word of `search`. */
export async function listCompanies(
  on: Queryable,
  {
    search = '',
    sort,
    direction,
    after,
    limit,
  }: { search?: string; sort: CompanyOrder; direction: Direction; after?: string; limit: number },
): Promise<ListedCompany[]> {
  const { values, parameter } = collectValues();
  const order = { tables: 'platform.companies o', by: companyOrders[sort], id: 'o.id' };
  const { where, orderBy } = keyset(order, direction, parameter(after ?? null, 'uuid'));
  const conditions = wordsOf(search).map(
    (word) =>
      `(' ' || lower(o.name) like ${parameter(likePattern(word))} or o.domain like ${parameter(`${word.replace(/[\\%_]/g, '\\$&')}%`)})`,
  );
  return on.query<ListedCompany>(
    `select o.id, o.name, o.domain, o.version, o.created_at, o.updated_at, o.created_by_app, ${counts}
     from platform.companies o where ${[where, ...conditions].join(' and ')} order by ${orderBy} limit ${parameter(limit)}`,
    values,
  );
}

/** @throws NotFound */
export async function getCompanyRecord(db: PlatformDb, id: string): Promise<CompanyRecord> {
  const company = await db.getCompanyById(id);
  if (!company) throw new NotFound('company');
  const [more] = await db.query<Omit<CompanyRecord, 'company'>>(
    `select ${customValues('company', 'o.id')} as custom, ${counts} from platform.companies o where o.id = $1`,
    [id],
  );
  return { company, ...(more as Omit<CompanyRecord, 'company'>) };
}
