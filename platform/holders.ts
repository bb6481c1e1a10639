import type { CompanyCalls } from './companies.ts';
import type { CustomerCalls } from './customers.ts';
import { PlatformError, type Taken } from './log/errors.ts';

/** The record that has a value which no second record may have. */
export type Holder = { type: 'customer' | 'company'; id: string; name: string };

export type HolderCalls = ReturnType<typeof holderCalls>;

/** The call of platformDb about who has what was refused as taken. */
export function holderCalls(
  { getCustomerByEmail, getCustomerByNumber }: Pick<CustomerCalls, 'getCustomerByEmail' | 'getCustomerByNumber'>,
  { getCompanyByDomain }: Pick<CompanyCalls, 'getCompanyByDomain'>,
) {
  async function findHolder(error: unknown): Promise<Holder | null> {
    const taken = error instanceof PlatformError ? error.taken : undefined;
    if (!taken) return null;
    if (taken.by === 'domain') {
      const company = await getCompanyByDomain(taken.value);
      return company && { type: 'company', id: company.id, name: company.name };
    }
    const customer = await findCustomer(taken);
    return customer && !customer.erased_at ? { type: 'customer', id: customer.id, name: customer.name } : null;
  }

  function findCustomer({ by, value }: Taken) {
    if (by === 'email') return getCustomerByEmail(value);
    return getCustomerByNumber(by === 'crm_id' ? 'foundation' : 'support', value);
  }

  return {
    /**
     * The record that has what this error refused as taken. It is for callers who may read such records. Not within the transaction that
     * was refused.
     *
     * @returns null if the error is another one, or the value is free by now or that of an erased customer.
     */
    findHolder,
  };
}
