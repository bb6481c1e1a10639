import { type Paging, type Placed, type Queryable, readList } from '@aether/platform';

export type ListedCustomer = {
  id: string;
  name: string;
  email: string;
  phone: string | null;
  account_tier: string | null;
  preferred_language: string | null;
  timezone: string | null;
  created_at: string;
};

/** Of customers of both apps; without those that were merged or erased. */
export const presentCustomers = 'c.merged_into is null and c.erased_at is null';

export const newestFirst = {
  order: { by: 'c.created_at', type: 'timestamptz', id: 'c.id', idType: 'uuid' },
  direction: 'desc',
} as const;

/** One page of all customers, the newest first. */
export function listCustomers(on: Queryable, paging: Paging): Promise<Placed<ListedCustomer>[]> {
  return readList<ListedCustomer>(on, { ...newestFirst, ...paging }, () => ({
    columns: 'c.id, c.name, c.email, c.phone, c.account_tier, c.preferred_language, c.timezone, c.created_at',
    from: 'platform.customers c',
    where: [presentCustomers],
  }));
}
