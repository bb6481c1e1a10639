import { describeError, Refusal } from './refusal.ts';

/** Something that a person wrote and the server has not confirmed. */
export type Unsent<Item = object> = Item & {
  client_id: string;
  /** What it is written to: things of one place are sent one after another. */
  place: string;
  created_at: string;
  /** `waiting`: behind another of the same place. */
  state: 'waiting' | 'sending' | 'failed';
  problem?: string;
  /** A thing without an answer is tried again automatically when the line is back. */
  isOffline?: boolean;
  /** It has waited for the line. */
  wasOffline?: boolean;
};

type OutboxOptions<Item> = {
  /** Storage that survives a reload; undefined if the page has none. */
  storage: Pick<Storage, 'getItem' | 'setItem'> | undefined;
  key: string;
  /** Sends it; a repetition with the same client_id is the same thing. @throws Refusal */
  deliver: (unsent: Unsent<Item>) => Promise<void>;
  /** What the thing shows of a failure beside its words; without an error, what takes that away again. */
  explain?: (error?: unknown) => Partial<Item>;
  /** Called when a thing that waited for the line has arrived. */
  onLate?: (unsent: Unsent<Item>) => void;
};

const prefix = 'aether.unsent.';

/** The storage's key of a person's unsent things. */
export const unsentKey = (person: string, name: string): string => `${prefix}${encodeURIComponent(person)}/${name}`;

const listKeys = (storage: Storage, person: string) =>
  Object.keys(storage).filter((key) => key.startsWith(unsentKey(person, '')));

/** @returns the things; none if they cannot be read. */
function readUnsent<Entry>(storage: Pick<Storage, 'getItem'> | undefined, key: string): Entry[] {
  try {
    const kept = JSON.parse(storage?.getItem(key) ?? '[]');
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}

export const countUnsent = (storage: Storage, person: string): number =>
  listKeys(storage, person).reduce((sum, key) => sum + readUnsent(storage, key).length, 0);

/** Forgets a person's unsent things, at sign-out. */
export function clearUnsent(storage: Storage, person: string): void {
  for (const key of listKeys(storage, person)) storage.removeItem(key);
}

/**
 * Unconfirmed things: one after another within a place, so that their order is kept. When one fails, those behind it wait;
 * it is always sent again under the same client_id.
 */
export function createOutbox<Item extends object>(options: OutboxOptions<Item>) {
  const { storage, key, deliver, explain = () => ({}), onLate } = options;
  type Entry = Unsent<Item>;
  const listeners = new Set<() => void>();
  let all: Entry[] = restore();
  const lists = new Map<string, Entry[]>();

  // It is unknown whether it arrived before the page was left; the same client_id makes it safe to send again.
  function restore(): Entry[] {
    return readUnsent<Entry>(storage, key).map((unsent) =>
      unsent.state === 'failed'
        ? unsent
        : { ...unsent, state: 'failed', isOffline: true, problem: 'The page was left before it was confirmed.' },
    );
  }
  function put(next: Entry[]): void {
    all = next;
    lists.clear();
    try {
      storage?.setItem(key, JSON.stringify(all));
    } catch {
      // The storage is full or forbidden: memory keeps it all the same.
    }
    for (const listener of listeners) listener();
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
    /** Whether something waits for the line. */
    isWaiting: (): boolean => all.some(({ isOffline, state }) => isOffline && state === 'failed'),
    /** The line is back: things without an answer are sent again. */
    retryOffline(): void {
      for (const { client_id, isOffline, state } of all) if (isOffline && state === 'failed') outbox.retry(client_id);
    },
  };
  return outbox;
}
