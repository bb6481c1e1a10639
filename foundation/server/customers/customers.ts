import {
  type Customer,
  type CustomerContext,
  isUuid,
  NotFound,
  type Placed,
  type PlatformDb,
  type Queryable,
  type Transaction,
} from '@aether/platform';
import type { CustomValues } from '../customfields/customfields.ts';
import type { Tag } from '../tags/tags.ts';
import { type CustomerList, findCustomers } from './customersearch.ts';

export type ListedCustomer = Customer & {
  company: { id: string; name: string; domain: string | null } | null;
  account_manager: { id: string; name: string } | null;
  custom: CustomValues;
  tags: Tag[];
  open_deals: number;
  /** By currency. */
  open_deals_value: Record<string, number>;
  /** Null: never. */
  last_activity_at: Date | null;
};

type Row = Customer &
  Pick<ListedCustomer, 'custom' | 'tags' | 'open_deals' | 'open_deals_value' | 'last_activity_at'> &
  Record<'company_name' | 'company_domain' | 'manager_name', string | null>;

/** @returns `isFrequent`: there are too many matches to count. */
export async function listCustomers(
  on: Queryable,
  list: CustomerList,
): Promise<{ customers: Placed<ListedCustomer>[]; isFrequent: boolean }> {
  const { rows, isFrequent } = await findCustomers<Row>(on, list);
  const customers = rows.map(({ company_name, company_domain, manager_name, ...customer }) => ({
    ...customer,
    company:
      customer.company_id && company_name
        ? { id: customer.company_id, name: company_name, domain: company_domain }
        : null,
    account_manager:
      customer.account_manager_id && manager_name ? { id: customer.account_manager_id, name: manager_name } : null,
  }));
  return { customers, isFrequent };
}

/** Finds by uuid or by crm_id. @throws NotFound */
export async function getCustomerRecord(db: PlatformDb, key: string): Promise<CustomerContext> {
  const found = isUuid(key)
    ? await db.getCustomerContextById(key)
    : await db.getCustomerContextByNumber('foundation', key);
  if (!found) throw new NotFound('customer');
  return found;
}

/** Finds by uuid or by crm_id. @throws NotFound */
export async function requireCustomer(db: PlatformDb, key: string, tx?: Transaction): Promise<Customer> {
  const found = isUuid(key) ? await db.getCustomerById(key, { tx }) : await db.getCustomerByNumber('foundation', key);
  if (!found) throw new NotFound('customer');
  return found;
}
