import type { CustomerCache } from './cache.ts';
import type { Customer, CustomerCalls } from './customers.ts';
import { CustomerVersionConflict } from './errors.ts';
import { isUuid, requireEmail } from './fields.ts';
import type { Write } from './log/transaction.ts';

/** The calls about customers, with lookups outside of transactions answered by the cache, which forgets the customers that this process writes. */
export function cachedCustomerCalls(calls: CustomerCalls, cache: CustomerCache): CustomerCalls {
  /** At the end of the caller's transaction, or now when it has ended with the call. */
  function forgetAfter({ tx }: Write, { id }: Customer): void {
    if (tx) tx.afterCommit(() => cache.forget(id));
    else cache.forget(id);
  }
  return {
    ...calls,
    async getCustomerByEmail(email, options = {}) {
      if (options.tx) return calls.getCustomerByEmail(email, options);
      return cache.get(`address ${requireEmail(email).key}`, () => calls.getCustomerByEmail(email));
    },
    async getCustomerById(id, options = {}) {
      if (options.tx || !isUuid(id)) return calls.getCustomerById(id, options);
      return cache.get(`id ${id.toLowerCase()}`, () => calls.getCustomerById(id));
    },
    async updateCustomer(id, change, write = {}) {
      try {
        const customer = await calls.updateCustomer(id, change, write);
        forgetAfter(write, customer);
        return customer;
      } catch (error) {
        // The next reader must see the present version: not every version has an event of the customer.
        if (error instanceof CustomerVersionConflict) cache.forget(id);
        throw error;
      }
    },
    async adoptCustomer(id, write = {}) {
      const customer = await calls.adoptCustomer(id, write);
      forgetAfter(write, customer);
      return customer;
    },
  };
}
