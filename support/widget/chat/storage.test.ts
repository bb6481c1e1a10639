import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Pending } from './outbox.ts';
import { type Kept, openStorage, parseKept, parsePending } from './storage.ts';

const pending = (client_id: string, at: number): Pending => ({
  client_id,
  body: `said ${client_id}`,
  at,
  state: 'waiting',
});
const session = { id: 's', token: 't' };
const nothing: Kept = { session: null, visitor: null, read: 0, asks: false, who: null, skipped: null };
afterEach(() => vi.unstubAllGlobals());

/** Like a browser's: its entries are its own properties. */
function stubStorage({ bytesMax = Number.POSITIVE_INFINITY } = {}): Record<string, string> {
  const entries: Record<string, string> = {};
  const methods = {
    getItem: (name: string) => entries[name] ?? null,
    removeItem: (name: string) => delete entries[name],
    setItem(name: string, text: string) {
      const others = Object.entries(entries).filter(([each]) => each !== name);
      if ([...others, [name, text]].join('').length > bytesMax) throw new DOMException('full', 'QuotaExceededError');
      entries[name] = text;
    },
  };
  const storage = new Proxy(entries, { get: (_, name) => Reflect.get(methods, name) });
  vi.stubGlobal('localStorage', storage);
  vi.stubGlobal('sessionStorage', storage);
  return entries;
}

describe('a stored conversation', () => {
  test('is there for the next page, and invisible to another widget', () => {
    stubStorage();
    openStorage('shop').write({ session });
    openStorage('shop').put(pending('b', 2));
    openStorage('shop').put(pending('a', 3));
    openStorage('shop').keepDraft('Do you');
    const next = openStorage('shop');
    expect(next.read()).toEqual({ ...nothing, session });
    expect(next.outbox().map(({ client_id }) => client_id)).toEqual(['b', 'a']);
    expect(next.draft()).toBe('Do you');
    const other = openStorage('shop2');
    expect([other.read().session, other.outbox(), other.draft()]).toEqual([null, [], '']);
  });

  test('is gone for the next person, and the conversation of another widget stays', () => {
    stubStorage();
    const [shop, other] = [openStorage('shop'), openStorage('shop2')];
    for (const storage of [shop, other]) {
      storage.write({ session, who: 7 });
      storage.put({ ...pending('a', 1), tried: session });
    }
    shop.clear();
    expect([shop.read(), shop.outbox()]).toEqual([nothing, []]);
    expect([other.read().who, other.outbox()]).toEqual([7, [{ ...pending('a', 1), tried: session }]]);
  });

  test('written by two tabs at the same moment keeps the messages of both', () => {
    const entries = stubStorage();
    const [one, two] = [openStorage('shop'), openStorage('shop')];
    one.put(pending('a', 1));
    const seenByOne = one.outbox();
    two.put(pending('b', 2));
    for (const { client_id } of seenByOne) one.drop(client_id);
    expect(two.outbox()).toEqual([pending('b', 2)]);
    two.drop('b');
    expect(Object.keys(entries)).toEqual([]);
  });

  test.each([
    ['forbidden', () => vi.stubGlobal('localStorage', undefined)],
    ['full', () => stubStorage({ bytesMax: 10 })],
  ])('where storage is %s lives in the page’s memory', (_, stub) => {
    stub();
    const storage = openStorage('shop');
    storage.write({ session });
    storage.put(pending('a', 1));
    expect(storage.read().session).toEqual(session);
    expect(storage.outbox()).toEqual([pending('a', 1)]);
    storage.drop('a');
    expect(storage.outbox()).toEqual([]);
  });
});

describe('the storage with foreign content', () => {
  test.each(['', 'null', '[]', '7', '{', '{"session":{"id":1}}', '{"session":"x","visitor":7,"read":-2}'])(
    'treats %s as nothing',
    (text) => {
      expect(parseKept(text)).toEqual(nothing);
      expect(parsePending(text)).toBeUndefined();
    },
  );

  test('never breaks the widget', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(parseKept(text)).toHaveProperty('read');
        parsePending(text);
      }),
    );
  });
});
