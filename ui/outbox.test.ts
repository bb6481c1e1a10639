import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clearUnsent, countUnsent, createOutbox, type Unsent, unsentKey } from './outbox.ts';
import { Refusal, unreachable } from './refusal.ts';

function memory(initial: Record<string, string> = {}) {
  const kept = new Map(Object.entries(initial));
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
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

test('signing out forgets the unsent things of that person only', () => {
  const kept: Record<string, string> = {};
  const methods = { getItem: (key: string) => kept[key] ?? null, removeItem: (key: string) => delete kept[key] };
  const storage = Object.setPrototypeOf(kept, methods) as Storage;
  kept[unsentKey('maya', 'notes')] = JSON.stringify([written('a'), written('b')]);
  kept[unsentKey('maya/two', 'notes')] = JSON.stringify([written('c')]);
  expect(countUnsent(storage, 'maya')).toBe(2);
  clearUnsent(storage, 'maya');
  expect(Object.keys(kept)).toEqual([unsentKey('maya/two', 'notes')]);
});

test.each(['{', '7', 'null'])(
  'unsent things that cannot be read (%s) hinder neither signing out nor writing',
  (broken) => {
    const storage = { [unsentKey('maya', 'messages')]: broken } as unknown as Storage;
    Object.defineProperty(storage, 'getItem', { value: (key: string) => storage[key as keyof Storage] ?? null });
    Object.defineProperty(storage, 'setItem', { value: () => {} });
    expect(countUnsent(storage, 'maya')).toBe(0);
    const outbox = createOutbox<Note>({ storage, key: unsentKey('maya', 'messages'), deliver: async () => {} });
    outbox.add(written('one'));
    expect(outbox.list('s')).toHaveLength(1);
  },
);

test('a message that was not confirmed before a reload is there afterwards, under the same client_id', async () => {
  const storage = memory();
  const first = createOutbox<Note>({ storage, key: 'k', deliver: () => new Promise(() => {}) });
  first.add(written('a'));
  const sent: string[] = [];
  const second = createOutbox<Note>({ storage, key: 'k', deliver: async ({ client_id }) => void sent.push(client_id) });
  expect(second.list('s').map(({ client_id, state }) => [client_id, state])).toEqual([['a', 'failed']]);
  second.retry('a');
  await settle();
  expect(sent).toEqual(['a']);
});

test('a refusal is explained as its app wants it, and is not repeated automatically', async () => {
  let tries = 0;
  const outbox = createOutbox<Note>({
    storage: undefined,
    key: 'k',
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
