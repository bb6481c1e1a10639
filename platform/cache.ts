import type { Customer } from './customers.ts';
import type { EventBus } from './log/bus.ts';

export type CacheOptions = {
  /** No answer is ever older than this. */
  maxAgeMs?: number;
  /** Beyond this number, the least recently used customers are forgotten first. */
  customersMax?: number;
};

export type CacheState = {
  mode: 'serving' | 'bypassed';
  /** The reason why lookups bypass it. */
  reason: 'not yet following' | 'the feed is cut' | 'events are late' | undefined;
  customers: number;
  hits: number;
  misses: number;
};

export type CustomerCache = {
  /** The customer of a key: from the cache if that is safe, otherwise from `fetch`. */
  get(key: string, fetch: () => Promise<Customer | null>): Promise<Customer | null>;
  /** Forgets a customer. A write of this process calls it and does not wait for its event. */
  forget(id: string): void;
  state(): CacheState;
  close(): Promise<void>;
};

type Entry = { customer: Customer; askedAt: number };

const followAgainMs = 500;

/**
 * Remembers customers and stays fresh through the live feed: an event of a customer makes the cache forget that customer. While the feed
 * is cut, or committed events wait too long for their numbers, every lookup asks the database.
 */
export function openCustomerCache(
  events: EventBus,
  { maxAgeMs = 5_000, customersMax = 10_000 }: CacheOptions,
): CustomerCache {
  const entries = new Map<string, Entry>();
  const keysOf = new Map<string, Set<string>>();
  /** Lookups under way. A lookup must not store a customer that was forgotten meanwhile. */
  const underWay = new Set<Set<string>>();
  const closing = new AbortController();
  let isFollowing = false;
  let hits = 0;
  let misses = 0;

  function findReason(): CacheState['reason'] {
    if (!isFollowing) return 'not yet following';
    const state = events.feedState();
    if (state === 'late') return 'events are late';
    return state === 'live' ? undefined : 'the feed is cut';
  }

  function drop(key: string): void {
    const entry = entries.get(key);
    if (!entry) return;
    entries.delete(key);
    const keys = keysOf.get(entry.customer.id);
    keys?.delete(key);
    if (keys?.size === 0) keysOf.delete(entry.customer.id);
  }

  function forget(id: string): void {
    for (const dirty of underWay) dirty.add(id);
    for (const key of [...(keysOf.get(id) ?? [])]) drop(key);
  }

  function forgetAll(): void {
    for (const dirty of underWay) dirty.add('*');
    entries.clear();
    keysOf.clear();
  }

  function store(key: string, customer: Customer, askedAt: number): void {
    drop(key);
    entries.set(key, { customer, askedAt });
    const keys = keysOf.get(customer.id) ?? new Set();
    keysOf.set(customer.id, keys.add(key));
    if (entries.size > customersMax) drop(entries.keys().next().value as string);
  }

  async function follow(): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        // The starting position is known before anything is remembered, so no event in between is missed.
        const after = await events.place();
        forgetAll();
        isFollowing = true;
        for await (const event of events.follow({
          types: [
            'customer.created',
            'customer.updated',
            'customer.deleted',
            'customer.merged',
            'customer.unmerged',
            'customer.erased',
          ],
          after,
          signal: closing.signal,
        })) {
          forget(event.key);
          // What was remembered under the ids and addresses of the other one leads elsewhere from now on.
          if (event.type === 'customer.merged' || event.type === 'customer.unmerged') forget(String(event.data.loser));
        }
      } catch {
        // The feed is cut or too far behind: forget everything and start again from the head.
      }
      isFollowing = false;
      if (!closing.signal.aborted) await new Promise((resolve) => setTimeout(resolve, followAgainMs));
    }
  }

  const following = follow();

  return {
    async get(key, fetch) {
      const entry = findReason() ? undefined : entries.get(key);
      if (entry && performance.now() - entry.askedAt < maxAgeMs) {
        hits++;
        entries.delete(key); // moves the entry to the end, as the most recently used
        entries.set(key, entry);
        return structuredClone(entry.customer);
      }
      misses++;
      const dirty = new Set<string>();
      const askedAt = performance.now();
      underWay.add(dirty);
      try {
        const customer = await fetch();
        if (customer && !findReason() && !dirty.has(customer.id) && !dirty.has('*'))
          store(key, structuredClone(customer), askedAt);
        return customer;
      } finally {
        underWay.delete(dirty);
      }
    },
    forget,
    state() {
      const reason = findReason();
      return { mode: reason ? 'bypassed' : 'serving', reason, customers: entries.size, hits, misses };
    },
    async close() {
      closing.abort();
      await following;
    },
  };
}
