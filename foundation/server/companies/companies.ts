import {
  type Company,
  type Direction,
  NotFound,
  type Paging,
  type Placed,
  type PlatformDb,
  type Queryable,
  readList,
  wordsOf,
} from '@aether/platform';
import { matchCompany } from '../customers/customermatch.ts';
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

/** Finds companies. */
export async function listCompanies(
  on: Queryable,
  { filters, sort, ...paging }: { filters: CompanyFilters; sort: CompanyOrder; direction: Direction } & Paging,
): Promise<Placed<ListedCompany>[]> {
  const order = { ...companyOrders[sort], id: 'o.id', idType: 'uuid' };
  return readList<ListedCompany>(on, { order, ...paging }, (parameter) => ({
    columns: `o.id, o.name, o.domain, o.owner_id, o.version, o.created_at, o.updated_at, o.created_by_app, ${owner}, ${counts}`,
    from: 'platform.companies o',
    where: [
      ...(filters.owner ? [`o.owner_id = ${parameter(filters.owner)}`] : []),
      ...(filters.no_owner ? ['o.owner_id is null'] : []),
      ...wordsOf(filters.search ?? '').map((word) => {
        const domain = parameter(`${word.replace(/[\\%_]/g, '\\$&')}%`);
        return `(${matchCompany(word, parameter)} or o.domain like ${domain})`;
      }),
    ],
  }));
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
