import type { AppEvent } from './events.ts';
import type { Lease } from './lease.ts';
import { findBehind, lockOtherParked } from './parked.ts';
import type { Queryable } from './query.ts';

/** Which events of a batch are held back. Ask in the order of the log. */
export type Holds = {
  has(event: AppEvent): boolean;
  /** An event that failed or waits: later events of its key and of its customer wait behind it. */
  add(event: AppEvent): void;
};

export const noHolds: Holds = { has: () => false, add: () => {} };

/** Begins with the events that are already parked. */
export async function findHolds(
  on: Queryable,
  lease: Pick<Lease, 'name' | 'holds'> & Partial<Lease>,
  events: AppEvent[],
): Promise<Holds> {
  const { name, holds } = lease;
  await lockOtherParked(on, lease, events);
  const parked = await findBehind(on, name, events);
  const keys = new Set<string>();
  const customers = new Set<string>();
  const customerOf = ({ position }: AppEvent) =>
    holds === 'customer' ? (parked.get(position)?.customer ?? undefined) : undefined;
  return {
    has(event) {
      const customer = customerOf(event);
      const isBehind = parked.get(event.position)?.isBehind ?? false;
      return isBehind || keys.has(event.key) || (customer !== undefined && customers.has(customer));
    },
    add(event) {
      keys.add(event.key);
      const customer = customerOf(event);
      if (customer !== undefined) customers.add(customer);
    },
  };
}
