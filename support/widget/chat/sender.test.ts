import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Attempt, Pending } from './outbox.ts';
import { createSender } from './sender.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import type { Kept, Storage } from './storage.ts';
import type { Message } from './thread.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

type Conversation = { session: Session; isEnded: boolean; bodies: Map<string, string>; handovers: number };

/** What becomes of a request: the line may fail before or after the server has done it. */
type Luck = 'fine' | 'lost' | 'done, but not answered';

/** A server and a page, without a network: `luck` says what becomes of each request. */
function setUp(luck: () => Luck = () => 'fine') {
  const conversations: Conversation[] = [];
  const outbox = new Map<string, Pending>();
  let kept: Kept = { session: null, visitor: null, read: 0, asks: false, who: null, skipped: null };
  const storage = {
    read: () => kept,
    write: (change: Partial<Kept>) => {
      kept = { ...kept, ...change };
    },
    outbox: () => [...outbox.values()].sort((a, b) => a.at - b.at),
    put: (pending: Pending) => void outbox.set(pending.client_id, pending),
    drop: (id: string) => void outbox.delete(id),
  } as unknown as Storage;
  const later: Attempt = { kind: 'later', afterMs: 1, isCut: true };
  const answer = <Body>(work: () => { attempt: Attempt; body?: Body }): { attempt: Attempt; body?: Body } => {
    const now = luck();
    if (now === 'lost') return { attempt: later };
    const done = work();
    return now === 'fine' ? done : { attempt: later };
  };
  const of = ({ id }: Session) => conversations.find(({ session }) => session.id === id);
  const server = {
    send: async (session: Session, { client_id, body }: { client_id: string; body: string }) =>
      answer<Message>(() => {
        const conversation = of(session);
        if (!conversation) return { attempt: { kind: 'stranger' } };
        if (body === 'long') return { attempt: { kind: 'refused', reason: 'too long' } };
        if (conversation.isEnded && !conversation.bodies.has(client_id)) return { attempt: { kind: 'ended' } };
        conversation.bodies.set(client_id, body);
        return { attempt: { kind: 'taken' } };
      }),
    tell: async (session: Session) =>
      answer<undefined>(() => {
        const conversation = of(session);
        if (!conversation || conversation.isEnded) return { attempt: { kind: conversation ? 'ended' : 'stranger' } };
        conversation.handovers += 1;
        return { attempt: { kind: 'taken' } };
      }),
  } as unknown as Server;
  const sender = createSender({
    lock: 'l',
    storage,
    server,
    begin: async () => {
      if (luck() !== 'fine') return { attempt: later };
      const session = { id: `s${conversations.length}`, token: 't' };
      conversations.push({ session, isEnded: false, bodies: new Map(), handovers: 0 });
      storage.write({ session });
      return { session };
    },
    onTaken: () => {},
    onLater: () => {},
    onEnded: () => {},
    onStranger: () => storage.write({ session: null }),
    onChange: () => {},
  });
  let count = 0;
  return {
    storage,
    sender,
    conversations,
    write: (body = `m${count}`) => storage.put({ client_id: `c${count}`, body, at: count++, state: 'waiting' }),
    end: () => {
      const last = conversations.at(-1);
      if (last) last.isEnded = true;
    },
    startAnew: () => {
      for (const pending of storage.outbox())
        if (pending.state === 'ended') storage.put({ ...pending, state: 'waiting' });
      storage.write({ session: null });
    },
    /** Sends until nothing waits. What other tests of this process left open may set timers for ever, so it does not run all there are. */
    finish: async () => {
      await sender.sendAll();
      const isWaiting = () => storage.outbox().some(({ state }) => state === 'waiting');
      for (let timers = 0; timers < 10_000 && isWaiting(); timers++) await vi.advanceTimersToNextTimerAsync();
    },
    states: () => storage.outbox().map(({ body, state, reason }) => [body, state, reason].filter(Boolean).join(' ')),
    said: () => conversations.map(({ bodies }) => [...bodies.values()]),
  };
}

test('what an ended conversation does not take says so, and goes in order into the next one', async () => {
  const { write, finish, end, startAnew, states, said } = setUp();
  write();
  await finish();
  end();
  write();
  write();
  await finish();
  expect(states()).toEqual(['m1 ended', 'm2 ended']);
  expect(said()).toEqual([['m0']]);
  startAnew();
  write();
  await finish();
  expect(said()).toEqual([['m0'], ['m1', 'm2', 'm3']]);
  expect(states()).toEqual([]);
});

test('a message that arrived unanswered before the conversation ended is not sent again in the next one', async () => {
  const lucks: Luck[] = ['fine', 'fine', 'done, but not answered'];
  const { write, sender, finish, end, startAnew, said } = setUp(() => lucks.shift() ?? 'fine');
  write();
  await sender.sendAll();
  write();
  await sender.sendAll();
  end();
  startAnew();
  write();
  await finish();
  expect(said()).toEqual([['m0', 'm1'], ['m2']]);
});

test('a refused message has a reason and does not hold back the next ones', async () => {
  const { write, finish, states, said } = setUp();
  write('long');
  write();
  await finish();
  expect(states()).toEqual(['long refused too long']);
  expect(said()).toEqual([['m1']]);
});

test('a person who was asked for while the line was cut is asked for when it is back, before the next message', async () => {
  const lucks: Luck[] = ['lost', 'fine', 'lost'];
  const { storage, write, finish, conversations } = setUp(() => lucks.shift() ?? 'fine');
  storage.write({ asks: true });
  write();
  await finish();
  expect(conversations).toMatchObject([{ handovers: 1 }]);
  expect(storage.read().asks).toBe(false);
});

test('however the line fails and conversations end, each message is in one conversation, once, and in order', async () => {
  const step = fc.constantFrom('write', 'send', 'end', 'anew', 'forget');
  const luck = fc.constantFrom<Luck>('fine', 'fine', 'lost', 'done, but not answered');
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.array(luck, { maxLength: 25 }), async (steps, lucks) => {
      const left = [...lucks];
      const { write, sender, storage, end, startAnew, finish, said, states } = setUp(() => left.shift() ?? 'fine');
      let written = 0;
      for (const each of steps) {
        if (each === 'write') {
          write();
          written += 1;
        } else if (each === 'send') await sender.sendAll();
        else if (each === 'end') end();
        else if (each === 'anew') startAnew();
        else storage.write({ session: null }); // another tab has left the conversation
      }
      await finish();
      startAnew();
      await finish();
      const all = said().flat();
      expect(states()).toEqual([]);
      expect([...all].sort()).toEqual(Array.from({ length: written }, (_, index) => `m${index}`).sort());
      for (const bodies of said())
        expect(bodies).toEqual([...bodies].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1))));
    }),
    { numRuns: 200 },
  );
});
