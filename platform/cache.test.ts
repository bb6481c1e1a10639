import { expect, test } from 'vitest';
import { openCustomerCache } from './cache.ts';
import type { Customer } from './customers.ts';
import type { EventBus } from './log/bus.ts';

/** A feed that is live and brings no events. */
const quietFeed = {
  feedState: () => 'live',
  place: async () => '0',
  async *follow({ signal }: { signal: AbortSignal }) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  },
} as unknown as EventBus;

test('a caller who modifies an answered customer changes neither the cache nor the next caller’s customer', async () => {
  const cache = openCustomerCache(quietFeed, {});
  await expect.poll(() => cache.state().mode).toBe('serving');
  const made = () => ({ id: 'a', name: 'Ada', created_at: new Date(0) }) as Customer;
  for (let round = 0; round < 3; round++) {
    const customer = (await cache.get('id a', async () => made())) as Customer;
    expect(customer).toEqual(made());
    customer.name = 'Changed';
    customer.created_at.setFullYear(1999);
  }
  expect(cache.state()).toMatchObject({ hits: 2, misses: 1 });
  await cache.close();
});
