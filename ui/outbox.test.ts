import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createOutbox } from './outbox.ts';
import { Refusal, unreachable } from './refusal.ts';
import { whenGone } from './tabs.ts';
import { clearUnsent, countUnsent, type Unsent, unsentKey } from './unsent.ts';

/** Like a browser's, which several tabs share. */
function memory(initial: Record<string, string> = {}) {
  const kept = new Map(Object.entries(initial));
  return {
    kept,
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
    key: (index: number) => [...kept.keys()][index] ?? null,
    get length() {
      return kept.size;
    },
  };
}
type Note = { body: string; holder?: string };
const written = (client_id: string, place = 's') => ({
  client_id,
  place,
  body: client_id,
  created_at: '2026-01-01T00:00:00Z',
});
/** Waits until every message that can be sent is sent. */
const settle = async () => {
  for (let turn = 0; turn < 40; turn++) await Promise.resolve();
};

test('a message that fails keeps its client_id, holds back those behind it, and is sent when tried again', async () => {
  const sent: string[] = [];
  let isDown = true;
  const outbox = createOutbox<Note>({
    storage: memory(),
    key: 'k',
    tab: 'one',
    deliver: async ({ client_id }) => {
      if (isDown) throw unreachable();
      sent.push(client_id);
    },
  });
  outbox.add(written('a'));
  outbox.add(written('b'));
  await settle();
  expect(outbox.list('s').map(({ client_id, state }) => [client_id, state])).toEqual([
    ['a', 'failed'],
    ['b', 'waiting'],
  ]);
  isDown = false;
  outbox.retryOffline();
  await settle();
  expect(sent).toEqual(['a', 'b']);
  expect(outbox.list('s')).toEqual([]);
});

test('what waited for the line says so when it has arrived, and what did not wait is silent', async () => {
  const late: string[] = [];
  let isDown = false;
  const outbox = createOutbox<Note>({
    storage: memory(),
    key: 'k',
    tab: 'one',
    deliver: async () => {
      if (isDown) throw unreachable();
    },
    onLate: ({ client_id }) => void late.push(client_id),
  });
  outbox.add(written('a'));
  await settle();
  isDown = true;
  outbox.add(written('b'));
  await settle();
  expect(outbox.isWaiting()).toBe(true);
  isDown = false;
  outbox.retryOffline();
  await settle();
  expect(late).toEqual(['b']);
  expect(outbox.isWaiting()).toBe(false);
});

test('signing out forgets the unsent things of that person only, also in their other tabs', async () => {
  const storage = memory();
  const never = () => new Promise<void>(() => {});
  const open = (person: string, tab: string) =>
    createOutbox<Note>({ storage, key: unsentKey(person, 'notes'), tab, deliver: never });
  const [maya, other] = [open('maya', 'one'), open('maya/two', 'two')];
  for (const id of ['a', 'b']) maya.add(written(id));
  other.add(written('c'));
  expect(countUnsent(storage, 'maya')).toBe(2);
  const removed = [...storage.kept.keys()].filter((key) => key.startsWith(unsentKey('maya', '')));
  clearUnsent(storage, 'maya');
  for (const key of removed) maya.forget(key);
  expect(maya.list('s').map(({ client_id }) => client_id)).toEqual(['a']); // on its way, and cannot be called back
  expect([...storage.kept.keys()]).toEqual([`${unsentKey('maya/two', 'notes')}/c`]);
});

test('a thing that was on its way at sign-out and fails is not written to the storage again', async () => {
  const storage = memory();
  let fail = (_: Error) => {};
  const deliver = () => new Promise<void>((_, reject) => (fail = reject));
  const outbox = createOutbox<Note>({ storage, key: unsentKey('maya', 'notes'), tab: 'one', deliver });
  outbox.add(written('a'));
  const [removed = ''] = storage.kept.keys();
  clearUnsent(storage, 'maya');
  outbox.forget(removed);
  fail(unreachable());
  await settle();
  expect(outbox.list('s')).toEqual([]);
  expect([...storage.kept.keys()]).toEqual([]);
});

test.each(['{', '7', 'null', '[]', '{"client_id":"a"}'])(
  'unsent things that cannot be read (%s) hinder neither signing out nor writing',
  (broken) => {
    const storage = memory({ [`${unsentKey('maya', 'messages')}/x`]: broken });
    expect(countUnsent(storage, 'maya')).toBe(0);
    const key = unsentKey('maya', 'messages');
    const outbox = createOutbox<Note>({ storage, key, tab: 'one', deliver: async () => {} });
    expect(outbox.listOwners()).toEqual([]);
    outbox.add(written('one'));
    expect(outbox.list('s')).toHaveLength(1);
  },
);

describe('what a closed tab has left', () => {
  const key = unsentKey('maya', 'notes');
  const left = (storage: ReturnType<typeof memory>) => {
    const closed = createOutbox<Note>({ storage, key, tab: 'closed', deliver: () => new Promise(() => {}) });
    for (const id of ['b', 'a', 'c']) closed.add(written(id));
  };

  test('is sent by another tab of the same person, in order and under the same client_ids', async () => {
    const storage = memory();
    left(storage);
    const [sent, late]: string[][] = [[], []];
    const open = createOutbox<Note>({
      storage,
      key,
      tab: 'open',
      deliver: async ({ client_id }) => void sent?.push(client_id),
      onLate: ({ client_id }) => void late?.push(client_id),
    });
    expect(open.list('s')).toEqual([]); // the other tab may still be sending it
    expect(open.listOwners()).toEqual(['closed']);
    open.adopt('closed');
    open.retryOffline();
    await settle();
    expect([sent, late]).toEqual([
      ['b', 'a', 'c'],
      ['b', 'a', 'c'],
    ]);
    expect(storage.kept.size).toBe(0);
  });

  test('is adopted once, however many tabs are open', () => {
    const storage = memory();
    left(storage);
    const [one, two] = ['one', 'two'].map((tab) => createOutbox<Note>({ storage, key, tab, deliver: async () => {} }));
    one?.adopt('closed');
    two?.adopt('closed');
    one?.adopt('closed');
    expect(one?.list('s').map(({ client_id }) => client_id)).toEqual(['b', 'a', 'c']);
    expect(two?.list('s')).toEqual([]);
  });

  test('is not seen by another person who signs in', () => {
    const storage = memory();
    left(storage);
    const theirs = createOutbox<Note>({
      storage,
      key: unsentKey('tom', 'notes'),
      tab: 'open',
      deliver: async () => {},
    });
    expect(theirs.listOwners()).toEqual([]);
    theirs.adopt('closed');
    expect(theirs.list('s')).toEqual([]);
    expect(countUnsent(storage, 'maya')).toBe(3);
  });
});

test('a tab is gone when its page has let go of its lock, and one of the waiting tabs at a time is told', async () => {
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  void navigator.locks.request('aether.tab.other', () => closed);
  const told: string[] = [];
  const waits = ['one', 'two'].map((tab) => whenGone('other', () => void told.push(tab)));
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(told).toEqual([]);
  close();
  await Promise.all(waits);
  expect(told).toEqual(['one', 'two']);
});

test('a refusal is explained as its app wants it, and is not repeated automatically', async () => {
  let tries = 0;
  const outbox = createOutbox<Note>({
    storage: undefined,
    key: 'k',
    tab: 'one',
    deliver: async () => {
      tries += 1;
      throw new Refusal(409, { code: 'session-claimed', detail: 'Tom has it.' });
    },
    explain: (error) => ({ holder: error instanceof Refusal ? error.message.split(' ')[0] : undefined }),
  });
  outbox.add(written('a'));
  await settle();
  expect(outbox.list('s')[0]?.holder).toBe('Tom');
  outbox.retryOffline();
  await settle();
  expect(tries).toBe(1);
});

test('a discarded message is never sent, and the messages behind it continue', async () => {
  const sent: string[] = [];
  const outbox = createOutbox<Note>({
    storage: undefined,
    key: 'k',
    tab: 'one',
    deliver: async ({ client_id }) => {
      if (client_id === 'a') throw new Error('refused');
      sent.push(client_id);
    },
  });
  outbox.add(written('a'));
  outbox.add(written('b'));
  await settle();
  expect(outbox.discard('a')?.body).toBe('a');
  await settle();
  expect(sent).toEqual(['b']);
});

test('however the line fails, each message arrives once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.boolean(), { maxLength: 12 }),
      fc.integer({ min: 1, max: 6 }),
      async (failures, count) => {
        const sent: string[] = [];
        const left = [...failures];
        const outbox = createOutbox<Note>({
          storage: memory(),
          key: 'k',
          tab: 'one',
          deliver: async ({ client_id }: Unsent) => {
            if (left.shift()) throw unreachable();
            sent.push(client_id);
          },
        });
        for (let index = 0; index < count; index++) outbox.add(written(`m${index}`));
        await settle();
        for (let turn = 0; turn <= failures.length; turn++) {
          outbox.retryOffline();
          await settle();
        }
        expect(sent).toEqual(Array.from({ length: count }, (_, index) => `m${index}`));
      },
    ),
    { numRuns: 50 },
  );
});
