/** What people wrote and the server has not confirmed, as it lies in the storage of the browser. `outbox.ts` sends it. */

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

/** A thing in the storage: the tab that sends it, and its place in the order of writing. */
export type Stored<Item> = Unsent<Item> & { tab: string; order: number };

export type Place = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>;

const prefix = 'aether.unsent.';

/** The beginning of the storage's keys of a person's unsent things. */
export const unsentKey = (person: string, name: string): string => `${prefix}${encodeURIComponent(person)}/${name}`;

const listKeys = (storage: Place, key: string): string[] =>
  Array.from({ length: storage.length }, (_, index) => storage.key(index) ?? '').filter((each) => each.startsWith(key));

/** @returns undefined for what cannot be read. */
function readThing<Item>(storage: Place, key: string): Stored<Item> | undefined {
  try {
    const { client_id, place, tab, order } = JSON.parse(storage.getItem(key) ?? 'null') ?? {};
    const isThing = [client_id, place, tab].every((text) => typeof text === 'string') && Number.isFinite(order);
    return isThing ? JSON.parse(storage.getItem(key) as string) : undefined;
  } catch {
    return undefined;
  }
}

export const readThings = <Item>(storage: Place | undefined, key: string): Stored<Item>[] =>
  storage ? listKeys(storage, key).flatMap((each) => readThing<Item>(storage, each) ?? []) : [];

export const countUnsent = (storage: Place, person: string): number =>
  readThings(storage, unsentKey(person, '')).length;

/** Forgets a person's unsent things, at sign-out. */
export function clearUnsent(storage: Place, person: string): void {
  for (const key of listKeys(storage, unsentKey(person, ''))) storage.removeItem(key);
}
