/*
 * Drafts: what a person has typed and not sent. Each is kept on the device under its person and the thing that is edited, so that it
 * outlives the page, a reload and a new sign-in, and is never shown to another person. It is removed when it is sent or discarded, at
 * sign-out, after a month, and when newer drafts need its place. What the storage refuses stays in memory until the page is left.
 */

export type Kept<Value> = {
  /** Identifies what is made of the draft: when it is sent twice, the server stores it once. */
  id: string;
  at: string;
  value: Value;
};

type Place = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

const prefix = 'aether.draft.';
const daysMax = 30;
const charactersMax = 300_000;
const draftsMax = 200;

const keyOf = (person: string, what: string) => `${prefix}${encodeURIComponent(person)}/${what}`;

/** Drafts that the storage refuses, by key. */
const unkept = new Map<string, string>();
const listeners = new Set<() => void>();
const tell = () => {
  for (const listener of listeners) listener();
};

/** @returns the draft; undefined if there is none or it cannot be read. */
export function readDraft<Value>(storage: Place, person: string, what: string): Kept<Value> | undefined {
  return readKey(storage, keyOf(person, what)) as Kept<Value> | undefined;
}

function readKey(storage: Place, key: string): Kept<unknown> | undefined {
  try {
    const kept = JSON.parse(unkept.get(key) ?? storage.getItem(key) ?? 'null');
    return typeof kept?.id === 'string' && 'value' in kept ? kept : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps the draft, or removes it if there is none. @returns whether it survives a reload. */
export function writeDraft(storage: Place, person: string, what: string, draft: Kept<unknown> | undefined): boolean {
  const key = keyOf(person, what);
  unkept.delete(key);
  const text = draft && JSON.stringify(draft);
  try {
    if (text === undefined) storage.removeItem(key);
    else if (text.length > charactersMax) throw new Error('too long');
    else storage.setItem(key, text);
    return true;
  } catch {
    if (text !== undefined) unkept.set(key, text);
    return text === undefined;
  } finally {
    tell();
  }
}

/** The keys of the drafts: of one person, or of all. */
const listKeys = (storage: Storage, person?: string) =>
  Object.keys(storage).filter((key) => key.startsWith(person === undefined ? prefix : keyOf(person, '')));

export const countDrafts = (storage: Storage, person: string): number => listKeys(storage, person).length;

/** Removes all drafts of a person: at sign-out nothing of theirs stays on the device. */
export function clearDrafts(storage: Storage, person: string): void {
  unkept.clear();
  for (const key of listKeys(storage, person)) storage.removeItem(key);
  tell();
}

/** Removes drafts that were unused for a month, those that cannot be read, and the oldest ones when there are too many. */
export function pruneDrafts(storage: Storage, now = Date.now()): void {
  const found = listKeys(storage).map((key) => ({ key, at: Date.parse(readKey(storage, key)?.at ?? '') }));
  const isFresh = ({ at }: { at: number }) => now - at < daysMax * 86_400_000;
  const kept = new Set(
    found
      .filter(isFresh)
      .sort((one, other) => other.at - one.at)
      .slice(0, draftsMax)
      .map(({ key }) => key),
  );
  for (const { key } of found) if (!kept.has(key)) storage.removeItem(key);
}

/** Calls the listener when a draft changed: `key` is that of another tab's change, undefined for a change in this page. */
export function followDrafts(listener: (key?: string) => void): () => void {
  const ofOtherTab = ({ key }: StorageEvent) => listener(key ?? '');
  const ofThisPage = () => listener();
  listeners.add(ofThisPage);
  window.addEventListener('storage', ofOtherTab);
  return () => {
    listeners.delete(ofThisPage);
    window.removeEventListener('storage', ofOtherTab);
  };
}

/** Whether a change of another tab may concern this draft. */
export const isKeyOf = (key: string, person: string, what: string): boolean =>
  key === '' || key === keyOf(person, what);
