import type { AddressCalls } from './addresses.ts';
import type { CustomerCache } from './cache.ts';
import type { CustomerPhoneCalls } from './customerphones.ts';
import type { Customer, CustomerCalls } from './customers.ts';
import { VersionConflict } from './errors.ts';
import { isUuid, requireEmail } from './fields.ts';
import type { Write } from './log/transaction.ts';
import type { MergeCalls } from './merging.ts';
import { fromPrimary } from './reads.ts';

/**
 * The calls about customers, with lookups outside of transactions answered by the cache, which forgets the customers that this process writes. What
 * the cache knows comes from the primary, and counts as read there: a replica may be older.
 */
export function cachedCustomerCalls(calls: CustomerCalls, cache: CustomerCache): CustomerCalls {
  const forgetAfter = (write: Write, { id }: Customer) => forgetWritten(cache, write, id);
  return {
    ...calls,
    async getCustomerByEmail(email, options = {}) {
      if (options.tx) return calls.getCustomerByEmail(email, options);
      const { key } = requireEmail(email);
      return fromPrimary(() => cache.get(`address ${key}`, () => calls.getCustomerByEmail(email)));
    },
    async getCustomerById(id, options = {}) {
      if (options.tx || !isUuid(id)) return calls.getCustomerById(id, options);
      return fromPrimary(() => cache.get(`id ${id.toLowerCase()}`, () => calls.getCustomerById(id)));
    },
    async updateCustomer(id, change, write = {}) {
      try {
        const customer = await calls.updateCustomer(id, change, write);
        forgetAfter(write, customer);
        return customer;
      } catch (error) {
        // The next reader must see the present version: not every version has an event of the customer.
        if (error instanceof VersionConflict) cache.forget(id);
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

/** The calls about addresses. The cache forgets the customers that they change. */
export function cachedAddressCalls(calls: AddressCalls, cache: CustomerCache): AddressCalls {
  return {
    ...calls,
    addAddress: forgetting(cache, calls.addAddress),
    makeAddressPrimary: forgetting(cache, calls.makeAddressPrimary),
    removeAddress: forgetting(cache, calls.removeAddress),
    restoreAddress: forgetting(cache, calls.restoreAddress),
    async proveAddress(who, write = {}) {
      const proven = await calls.proveAddress(who, write);
      forgetWritten(cache, write, proven.customer.id);
      if (proven.takenFrom !== null) forgetWritten(cache, write, proven.takenFrom);
      return proven;
    },
  };
}

/** The calls about telephone numbers. The cache forgets the customers that they change. */
export function cachedPhoneCalls(calls: CustomerPhoneCalls, cache: CustomerCache): CustomerPhoneCalls {
  return {
    ...calls,
    addPhone: forgetting(cache, calls.addPhone),
    makePhonePrimary: forgetting(cache, calls.makePhonePrimary),
    removePhone: forgetting(cache, calls.removePhone),
    restorePhone: forgetting(cache, calls.restorePhone),
  };
}

/** The calls that merge. The cache forgets the customers that they make one or take apart. */
export function cachedMergeCalls(calls: MergeCalls, cache: CustomerCache): MergeCalls {
  return {
    ...calls,
    async mergeCustomers(survivorId, loserIds, write = {}) {
      const merged = await calls.mergeCustomers(survivorId, loserIds, write);
      for (const id of [merged.survivor, ...loserIds]) forgetWritten(cache, write, id);
      return merged;
    },
    async unmergeCustomers(mergeId, write = {}) {
      const unmerged = await calls.unmergeCustomers(mergeId, write);
      for (const id of [unmerged.survivor, unmerged.loser]) forgetWritten(cache, write, id);
      return unmerged;
    },
    async unmergeSeveral(mergeIds, write = {}) {
      const unmerged = await calls.unmergeSeveral(mergeIds, write);
      for (const { survivor, loser } of unmerged) for (const id of [survivor, loser]) forgetWritten(cache, write, id);
      return unmerged;
    },
  };
}

function forgetting<Changed extends { customerId: string }, Rest extends [Write?]>(
  cache: CustomerCache,
  call: (customerId: string, what: string, ...rest: Rest) => Promise<Changed>,
) {
  return async (customerId: string, what: string, ...rest: Rest): Promise<Changed> => {
    const changed = await call(customerId, what, ...rest);
    forgetWritten(cache, rest[0] ?? {}, changed.customerId);
    return changed;
  };
}

/** Forgets a customer at the end of the caller's transaction, or now if the transaction has ended with the call. */
function forgetWritten(cache: CustomerCache, { tx }: Write, id: string): void {
  if (tx) tx.afterCommit(() => cache.forget(id));
  else cache.forget(id);
}
