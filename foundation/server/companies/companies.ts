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

export type ListedCompany = Company & { customers: number; open_deals: number };
export type CompanyRecord = {
  company: Company;
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

/** Finds companies whose name or domain contains every word of `search`. */
export async function listCompanies(
  on: Queryable,
  { search = '', sort, ...paging }: { search?: string; sort: CompanyOrder; direction: Direction } & Paging,
): Promise<Placed<ListedCompany>[]> {
  const order = { ...companyOrders[sort], id: 'o.id', idType: 'uuid' };
  return readList<ListedCompany>(on, { order, ...paging }, (parameter) => ({
    columns: `o.id, o.name, o.domain, o.version, o.created_at, o.updated_at, o.created_by_app, ${counts}`,
    from: 'platform.companies o',
    where: wordsOf(search).map((word) => {
      const domain = parameter(`${word.replace(/[\\%_]/g, '\\$&')}%`);
      return `(${matchCompany(word, parameter)} or o.domain like ${domain})`;
    }),
  }));
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
