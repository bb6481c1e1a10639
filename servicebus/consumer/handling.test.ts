import { until } from '@aether/sync/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Effects, makeEvent, openEffects } from '../testing.ts';
import { type BusEvent, toBusEvent, toMessage } from '../wire.ts';
import { type BusHandler, createHandling, type Handling } from './handling.ts';
import { type Inbox, openInbox } from './inbox.ts';

/** What a consumer does with the events of a session, without a broker. */

let effects: Effects;
beforeAll(async () => {
  effects = await openEffects();
});

type Consumer = { name: string; inbox: Inbox; handling: Handling; failed: unknown[]; list(): Promise<string[]> };

let names = 0;
/** A consumer of its own. @param handler writes an effect if it is left out */
async function open(handler?: BusHandler, { handlerTimeoutMs = 10_000 } = {}): Promise<Consumer> {
  const name = `handling-${names++}`;
  const inbox = openInbox(effects.pool, { subscription: name, handlerTimeoutMs, sessionWaitMs: 200 });
  await inbox.prepare();
  const failed: unknown[] = [];
  const handling = createHandling({
    inbox,
    handler: handler ?? effects.record(name),
    policy: { attemptsMax: 12, firstMs: 1, maxMs: 1 },
    handlerTimeoutMs,
    onFailed: (_, { error }) => failed.push(error),
  });
  return { name, inbox, handling, failed, list: () => effects.list(name) };
}

/** As it comes from the bus. */
function received(event: Parameters<typeof makeEvent>[0]): BusEvent {
  const { body, contentType, applicationProperties, sessionId } = toMessage(makeEvent(event));
  return toBusEvent({ body, contentType, applicationProperties, sessionId } as Parameters<typeof toBusEvent>[0]);
}
const some = (count: number, customer = crypto.randomUUID()) =>
  Array.from({ length: count }, (_, n) => received({ customer, version: n + 1 }));
const versions = (list: string[]) => list.map((effect) => Number(effect.split(':')[1]));
const never = () => false;

test('an event that is in one batch twice has its effect once, and so has one that came before', async () => {
  const { handling, list } = await open();
  const [first, second, third] = some(3) as [BusEvent, BusEvent, BusEvent];
  expect(await handling.handle(first.session, [first, second, first])).toBe(2);
  expect(await handling.handle(first.session, [second, third, third])).toBe(1);
  expect(versions(await list())).toEqual([1, 2, 3]);
});

test('an event that is in a failing batch twice is parked once', async () => {
  const { handling, inbox } = await open(() => Promise.reject(new Error('no')));
  const [first, second] = some(2) as [BusEvent, BusEvent];
  expect(await handling.handle(first.session, [first, first, second, second])).toBe(2);
  expect((await inbox.listParked()).map(({ state }) => state)).toEqual(['retrying', 'waiting']);
});

test('a handler that catches the error of its own statement has failed: its event is parked, not lost', async () => {
  const { handling, inbox, failed, list } = await open(async (event, context) => {
    await effects.record('swallowed')(event, context);
    await context.tx.query('select 1 / 0').catch(() => {});
  });
  const [event] = some(1) as [BusEvent];
  expect(await handling.handle(event.session, [event])).toBe(1);
  expect(String(failed[0])).toMatch(/EffectsAborted.*its error was caught.*use a savepoint/);
  expect(await inbox.listParked()).toHaveLength(1);
  expect(await list()).toEqual([]);
});

test('a handler that uses a savepoint may go on after a failed statement', async () => {
  const consumer = await open(async (event, context) => {
    await context.tx.query('savepoint mine');
    await context.tx.query('select 1 / 0').catch(() => context.tx.query('rollback to savepoint mine'));
    await effects.record(consumer.name)(event, context);
  });
  const [event] = some(1) as [BusEvent];
  expect(await consumer.handling.handle(event.session, [event])).toBe(1);
  expect(versions(await consumer.list())).toEqual([1]);
});

test.each(['commit', 'rollback'])('a handler that sends %s is refused by name', async (command) => {
  const { handling } = await open((_, { tx }) => tx.query(command));
  const [event] = some(1) as [BusEvent];
  await expect(handling.handle(event.session, [event])).rejects.toThrow(/must not send commit or rollback/);
});

test('a query that a handler sends after it has returned is refused, instead of joining the transaction of another session', async () => {
  let late: (() => Promise<unknown>) | undefined;
  const { handling } = await open(async (_, { tx }) => {
    late = async () => tx.query('select 1');
  });
  const [event] = some(1) as [BusEvent];
  await handling.handle(event.session, [event]);
  await expect(late?.()).rejects.toThrow(/transaction is over: await every query/);
});

test('an event with values that jsonb refuses is parked and tried again as it came', async () => {
  let isBroken = true;
  const seen: unknown[] = [];
  const { handling, inbox } = await open(async (event) => {
    seen.push(event.data.note);
    if (isBroken) throw new Error('not today');
  });
  const note = 'a\0b\ud800';
  const event = received({ customer: crypto.randomUUID(), version: 1, data: { note } });
  await handling.handle(event.session, [event]);
  expect(await inbox.listParked()).toMatchObject([{ id: event.id, type: event.type, state: 'retrying' }]);
  isBroken = false;
  await until(() => handling.workParked(never));
  expect(seen).toEqual([note, note, note]);
  expect(await inbox.listParked()).toEqual([]);
});

test('a paused consumer keeps nothing of a batch, in whichever process, until it is resumed', async () => {
  const { handling, inbox, list } = await open();
  const [event] = some(1) as [BusEvent];
  await inbox.pause('a new ledger');
  await expect(handling.handle(event.session, [event])).rejects.toThrow('The consumer is paused.');
  expect(await list()).toEqual([]);
  await inbox.resume();
  expect(await handling.handle(event.session, [event])).toBe(1);
});

test('a paused consumer tries nothing that is parked', async () => {
  let isBroken = true;
  const { handling, inbox, list, name } = await open((event, context) =>
    isBroken ? Promise.reject(new Error('no')) : effects.record(name)(event, context),
  );
  const [event] = some(1) as [BusEvent];
  await handling.handle(event.session, [event]);
  isBroken = false;
  await inbox.pause('a new ledger');
  await until(() => handling.workParked(never)); // it is due
  expect(await list()).toEqual([]);
  await inbox.resume();
  await until(async () => (await handling.workParked(never)) && (await list()).length === 1);
});

describe('a handler that does not come back', () => {
  test('is given up, its statement is ended by the server, and its session is free for the next try', async () => {
    const { handling, inbox } = await open((_, { tx }) => tx.query('select pg_sleep(60)'), { handlerTimeoutMs: 150 });
    const [event] = some(1) as [BusEvent];
    await expect(handling.handle(event.session, [event])).rejects.toThrow(/did not finish within 150 ms/);
    // Without a limit at the server this would wait for the whole minute.
    await until(() => handling.handle(event.session, [event]).then(Boolean, () => false));
    expect(await inbox.listParked()).toMatchObject([{ state: 'retrying', attempts: 1 }]);
  });

  test('keeps the parked events of other customers waiting no longer than its own limit', async () => {
    const [hangs, works] = [crypto.randomUUID(), crypto.randomUUID()];
    let isBroken = true;
    const never = new Promise(() => {});
    const { handling, list, name } = await open(
      async (event, context) => {
        if (isBroken) throw new Error('no');
        if (event.customer === hangs) await never;
        await effects.record(name)(event, context);
      },
      { handlerTimeoutMs: 400 },
    );
    for (const customer of [hangs, works]) await handling.handle(customer, some(2, customer));
    isBroken = false;
    const startedAt = performance.now();
    await until(async () => {
      await handling.workParked(() => false);
      return (await list()).length === 2;
    });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(versions(await list())).toEqual([1, 2]);
  });
});

test('a session that another transaction keeps is left alone by name, and other sessions pass', async () => {
  const { handling, inbox } = await open();
  const [kept] = some(1) as [BusEvent];
  const [other] = some(1) as [BusEvent];
  const { promise, resolve } = Promise.withResolvers<void>();
  const holding = inbox.inSession(kept.session, () => promise);
  await expect(handling.handle(kept.session, [kept])).rejects.toThrow(/has kept the session/);
  expect(await handling.handle(other.session, [other])).toBe(1);
  resolve();
  await holding;
  expect(await handling.handle(kept.session, [kept])).toBe(1);
});

test('the inbox forgets all deliveries that are old enough, however many, and none that is not or is another subscription’s', async () => {
  const { name, inbox } = await open();
  await effects.pool.query(
    `insert into aether_inbox.handled (subscription, id, handled_at)
     select $1, 'old' || n, now() - interval '22 days' from generate_series(1, 45000) n
     union all select $1, 'new', now() union all select $1 || '-other', 'theirs', now() - interval '22 days'`,
    [name],
  );
  await inbox.trim(21);
  const { rows } = await effects.pool.query(
    `select id from aether_inbox.handled where subscription in ($1, $1 || '-other') order by id`,
    [name],
  );
  expect(rows).toEqual([{ id: 'new' }, { id: 'theirs' }]);
});
