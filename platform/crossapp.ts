import type { ContextCalls } from './context.ts';
import type { Customer, CustomerCalls } from './customers.ts';

/**
 * A read of the database in which an app gets what another app owns or wrote:
 *
 * - `lookup`: a customer whom another app created, found by address, id or number;
 * - `context`: the CRM's facts about a customer, for another app than Foundation;
 * - `timeline`: a list of activities with one that another app logged.
 *
 * An answer of the cache is no read.
 */
export type CrossAppRead = 'lookup' | 'context' | 'timeline';

export type CrossAppReads = {
  /** Counts one more. */
  count(kind: CrossAppRead): void;
  /** How many of each kind since the start of this process. */
  counts(): Readonly<Record<CrossAppRead, number>>;
};

/** The app that owns the CRM's facts. */
const ownerOfContext = 'foundation';

export function countCrossAppReads(): CrossAppReads {
  const counts: Record<CrossAppRead, number> = { lookup: 0, context: 0, timeline: 0 };
  return {
    count(kind) {
      counts[kind] += 1;
    },
    counts: () => counts,
  };
}

/** The calls about customers; lookups count those whom another app created. */
export function countedCustomerCalls(calls: CustomerCalls, app: string, reads: CrossAppReads): CustomerCalls {
  const seen = (customer: Customer | null) => {
    if (customer && customer.created_by_app !== app) reads.count('lookup');
    return customer;
  };
  return {
    ...calls,
    getCustomerByEmail: (email, options) => calls.getCustomerByEmail(email, options).then(seen),
    getCustomerById: (id, options) => calls.getCustomerById(id, options).then(seen),
    getCustomerByNumber: (...asked) => calls.getCustomerByNumber(...asked).then(seen),
  };
}

/** The calls about contexts; another app than the CRM's counts those that it finds. */
export function countedContextCalls(calls: ContextCalls, app: string, reads: CrossAppReads): ContextCalls {
  if (app === ownerOfContext) return calls;
  const seen = <Found>(context: Found): Found => {
    if (context) reads.count('context');
    return context;
  };
  return {
    getCustomerContext: (email, options) => calls.getCustomerContext(email, options).then(seen),
    getCustomerContextById: (id, options) => calls.getCustomerContextById(id, options).then(seen),
    getCustomerContextByNumber: (...asked) => calls.getCustomerContextByNumber(...asked).then(seen),
  };
}
