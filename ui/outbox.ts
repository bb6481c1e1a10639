import { describeError, Refusal } from './refusal.ts';
import { type Place, readThings, type Unsent } from './unsent.ts';

type OutboxOptions<Item> = {
  /** Storage that all tabs of the person share; undefined if the page has none. */
  storage: Place | undefined;
  /** The beginning of the things' keys: each has an entry of its own, because two tabs that write one list overwrite each other. */
  key: string;
  /** Names this tab. A tab sends its own things, and those that it has adopted. */
  tab: string;
  /** Sends it; a repetition with the same client_id is the same thing. @throws Refusal */
  deliver: (unsent: Unsent<Item>) => Promise<void>;
  /** What the thing shows of a failure beside its words; without an error, what takes that away again. */
  explain?: (error?: unknown) => Partial<Item>;
  /** Called when a thing that waited for the line has arrived. */
  onLate?: (unsent: Unsent<Item>) => void;
};

/**
 * Unconfirmed things: one after another within a place, so that their order is kept. When one fails, those behind it wait;
 * it is always sent again under the same client_id.
 * Each thing belongs to one tab, which sends it. When that tab is gone, another one adopts it.
 */
export function createOutbox<Item extends object>(options: OutboxOptions<Item>) {
  const { storage, key, tab, deliver, explain = () => ({}), onLate } = options;
  type Entry = Unsent<Item>;
  const listeners = new Set<() => void>();
  let all: Entry[] = [];
  const orders = new Map<string, number>();
  let isKept = true;
  const lists = new Map<string, Entry[]>();
  /** Things that were on their way when the person signed out: if one fails, nothing of it stays. */
  const forgotten = new Set<string>();
  const keyOf = (clientId: string) => `${key}/${clientId}`;

  function put(next: Entry[]): void {
    const before = new Set(all);
    const present = new Set(next.map(({ client_id }) => client_id));
    const gone = all.filter(({ client_id }) => !present.has(client_id));
    all = next;
    if (all.length === 0) isKept = true;
    lists.clear();
    for (const { client_id } of gone) {
      orders.delete(client_id);
      keep(() => storage?.removeItem(keyOf(client_id)));
    }
    for (const unsent of next) if (!before.has(unsent)) store(unsent);
    for (const listener of listeners) listener();
  }
  function store(unsent: Entry): void {
    const order = orders.get(unsent.client_id) ?? Math.max(Date.now(), ...[...orders.values()].map((last) => last + 1));
    orders.set(unsent.client_id, order);
    const isStored = keep(() => storage?.setItem(keyOf(unsent.client_id), JSON.stringify({ ...unsent, tab, order })));
    isKept &&= isStored && storage !== undefined;
  }
  const change = (clientId: string, part: Partial<Unsent>, more: Partial<Item> = {}) =>
    put(all.map((unsent) => (unsent.client_id === clientId ? { ...unsent, ...part, ...more } : unsent)));
  const ofPlace = (place: string) => all.filter((unsent) => unsent.place === place);

  async function run(place: string): Promise<void> {
    const [first] = ofPlace(place);
    if (first?.state !== 'waiting') return;
    change(first.client_id, { state: 'sending', problem: undefined, isOffline: undefined }, explain());
    try {
      await deliver(first);
      put(all.filter(({ client_id }) => client_id !== first.client_id));
    } catch (error) {
      if (forgotten.delete(first.client_id)) {
        put(all.filter(({ client_id }) => client_id !== first.client_id));
        return;
      }
      const isOffline = error instanceof Refusal && (error.status === 0 || error.status === 503);
      const wasOffline = first.wasOffline || isOffline;
      change(
        first.client_id,
        { state: 'failed', problem: describeError(error), isOffline, wasOffline },
        explain(error),
      );
      return;
    }
    if (first.wasOffline) onLate?.(first);
    await run(place);
  }

  const outbox = {
    subscribe(listener: () => void): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    /** The things of one place, in order. The same array until something changes. */
    list(place: string): Entry[] {
      const known = lists.get(place) ?? ofPlace(place);
      lists.set(place, known);
      return known;
    },
    add(unsent: Item & Pick<Unsent, 'client_id' | 'place' | 'created_at'>): void {
      put([...all, { ...unsent, state: 'waiting' } as Entry]);
      void run(unsent.place);
    },
    retry(clientId: string): void {
      const unsent = all.find(({ client_id, state }) => client_id === clientId && state === 'failed');
      if (!unsent) return;
      change(clientId, { state: 'waiting' });
      void run(unsent.place);
    },
    /** @returns the thing, so that it can be edited again. */
    discard(clientId: string): Entry | undefined {
      const unsent = all.find(({ client_id, state }) => client_id === clientId && state !== 'sending');
      if (!unsent) return undefined;
      put(all.filter(({ client_id }) => client_id !== clientId));
      void run(unsent.place);
      return unsent;
    },
    /** The other tabs that have unsent things, alive or not. */
    listOwners: (): string[] => [
      ...new Set(readThings<Item>(storage, `${key}/`).flatMap((thing) => (thing.tab === tab ? [] : thing.tab))),
    ],
    /**
     * Takes up the things of a tab that is gone. It is unknown whether they arrived before it went; the same client_id makes it
     * safe to send them again. They are sent by `retryOffline`.
     */
    adopt(owner: string): void {
      const mine = new Set(all.map(({ client_id }) => client_id));
      const left = readThings<Item>(storage, `${key}/`)
        .filter((thing) => thing.tab === owner && !mine.has(thing.client_id))
        .sort((one, other) => one.order - other.order);
      const adopted = left.map(({ tab: _, order, ...thing }) => {
        orders.set(thing.client_id, order);
        const unsent = thing as unknown as Entry;
        if (unsent.state === 'failed') return unsent;
        const problem = 'The page was left before it was confirmed.';
        return { ...unsent, state: 'failed' as const, isOffline: true, wasOffline: true, problem };
      });
      if (adopted.length > 0) put([...all, ...adopted]);
    },
    /** Another tab has removed this entry of the storage, at sign-out: it is not sent any more. */
    forget(removed: string): void {
      const thing = all.find(({ client_id }) => keyOf(client_id) === removed);
      if (thing?.state === 'sending') forgotten.add(thing.client_id);
      else if (thing) put(all.filter((unsent) => unsent !== thing));
    },
    /** Whether all of it outlives a reload. */
    isKept: (): boolean => isKept,
    /** Whether something waits for the line. */
    isWaiting: (): boolean => all.some(({ isOffline, state }) => isOffline && state === 'failed'),
    /** The line is back: things without an answer are sent again. */
    retryOffline(): void {
      for (const { client_id, isOffline, state } of all) if (isOffline && state === 'failed') outbox.retry(client_id);
    },
  };
  return outbox;
}

/** The storage may be full or forbidden: memory keeps the thing all the same. @returns whether the storage has it */
function keep(write: () => void): boolean {
  try {
    write();
    return true;
  } catch {
    return false;
  }
}
