import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { until } from '@aether/sync/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { openClient } from './client.ts';
import { drainSubscription, listDeadLetters, resubmitDeadLetters } from './deadletters.ts';
import { describeBusFailure, kindOf } from './failures.ts';
import { openSender } from './relay/sending.ts';
import { refusals } from './standin/broker.ts';
import {
  type Effects,
  makeEvent,
  makeMessage,
  openEffects,
  openTestBus,
  startConsumer,
  type TestBus,
} from './testing.ts';
import { ensureTopology, readTopology } from './topology.ts';
import { laneOf, lanesDefault } from './wire.ts';
import { within } from './within.ts';

/*
 * What the product relies on, seen through its own client: on the stand-in in every run, and on a real namespace if SERVICEBUS_CONNECTION_STRING
 * is set. Failures that only a broker of one's own has on request are in the second part.
 */

type LinkMaker = {
  options: { operationTimeoutInSeconds?: number };
  createReceiver(options: unknown): Promise<unknown>;
};

let bus: TestBus;
let effects: Effects;
beforeAll(async () => {
  bus = await openTestBus();
  effects = await openEffects();
});

const customers = (count: number) =>
  Array.from({ length: count }, (_, n) => crypto.randomUUID().replace(/^../, String(n).padStart(2, '0')));
/** A customer in each lane. */
const customerOfEach = (lanes: number): string[] => {
  const found = new Map<string, string>();
  while (found.size < lanes) for (const id of customers(1)) found.set(laneOf(id, lanes), id);
  return [...found.values()];
};
const versionsOf = (customer: string, count: number) =>
  Array.from({ length: count }, (_, n) => makeEvent({ customer, version: n + 1 }));
const inOrder = (list: string[], customer: string) =>
  list.filter((effect) => effect.startsWith(customer)).map((effect) => Number(effect.split(':')[1]));
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n + 1);

describe('sessions and order', () => {
  test('events of one customer have their effect in order and once, with two consumers and repeated sends', async () => {
    const feed = await bus.subscribe();
    const ids = customers(6);
    const events = upTo(20).flatMap((version) => ids.map((customer) => makeEvent({ customer, version })));
    await startConsumer(bus, effects, { subscription: feed.name, handler: effects.record(feed.name) });
    const second = await startConsumer(bus, effects, { subscription: feed.name, handler: effects.record(feed.name) });
    await feed.send(events.slice(0, 60));
    await feed.send(events.slice(30)); // the first thirty of these are repetitions
    await until(async () => (await effects.count(feed.name)) >= 120);
    const list = await effects.list(feed.name);
    expect(list).toHaveLength(120);
    for (const customer of ids) expect(inOrder(list, customer)).toEqual(upTo(20));
    await second.stop();
  });

  test('a subscription gets its audiences and types only, and nothing that was sent to another one', async () => {
    const feed = await bus.subscribe({ audiences: ['billing'], types: ['customer.updated', 'invoice.sent'] });
    const [customer = ''] = customers(1);
    await startConsumer(bus, effects, { subscription: feed.name, handler: effects.record(feed.name) });
    const sender = openSender(() => openClient(bus.settings), bus.settings.topic);
    await sender.send([
      makeMessage(makeEvent({ customer, version: 1, audience: 'crm' })),
      makeMessage(makeEvent({ customer, version: 2, audience: feed.audience, type: 'customer.created' })),
      makeMessage(makeEvent({ customer, version: 3, audience: feed.audience }), {
        recipient: 'somebody-else',
        run: 'r1',
      }),
      makeMessage(makeEvent({ customer, version: 4, audience: 'billing', type: 'invoice.sent' })),
      makeMessage(makeEvent({ customer, version: 5, audience: 'crm' }), { recipient: feed.name, run: 'r1' }),
      makeMessage(makeEvent({ customer, version: 6, audience: feed.audience })),
    ]);
    await until(async () => (await effects.count(feed.name)) >= 3);
    expect(await effects.list(feed.name)).toEqual([4, 5, 6].map((version) => `${customer}:${version}`));
    await sender.close();
  });

  test('a failing customer is parked in the consumer’s database with all that follows; others pass; a retry continues in order', async () => {
    const feed = await bus.subscribe();
    const [poisoned = '', well = ''] = customers(2);
    let isPoisoned = true;
    const consumer = await startConsumer(bus, effects, {
      subscription: feed.name,
      attemptsMax: 3,
      async handler(event, context) {
        if (isPoisoned && event.customer === poisoned && event.version === 2) throw new Error('no such plan');
        await effects.record(feed.name)(event, context);
      },
    });
    await feed.send([...versionsOf(poisoned, 5), ...versionsOf(well, 5)]);
    await until(() => consumer.state().dead === 1 && consumer.state().parked === 4);
    await until(async () => inOrder(await effects.list(feed.name), well).length === 5);
    expect(inOrder(await effects.list(feed.name), poisoned)).toEqual([1]);
    expect((await consumer.parked.list()).map(({ state, error }) => [state, error])).toEqual([
      ['dead', 'Error: no such plan'],
      ['waiting', null],
      ['waiting', null],
      ['waiting', null],
    ]);
    // What comes meanwhile waits behind it; nothing of it stays on the bus.
    await feed.send([makeEvent({ customer: poisoned, version: 6 })]);
    await until(() => consumer.state().parked === 5);
    expect(await listDeadLetters(bus.settings, feed.name)).toEqual([]);
    isPoisoned = false;
    expect(await consumer.parked.retry()).toBe(1);
    await until(() => consumer.state().parked === 0);
    const list = await effects.list(feed.name);
    expect(inOrder(list, poisoned)).toEqual(upTo(6));
    expect(inOrder(list, well)).toEqual(upTo(5));
    await consumer.stop();
  });

  test('a person’s skip gives up one event, and the next ones of its customer go on', async () => {
    const feed = await bus.subscribe();
    const [customer = ''] = customers(1);
    const consumer = await startConsumer(bus, effects, {
      subscription: feed.name,
      attemptsMax: 1,
      async handler(event, context) {
        if (event.version === 1) throw new Error('never');
        await effects.record(feed.name)(event, context);
      },
    });
    await feed.send(versionsOf(customer, 3));
    await until(() => consumer.state().dead === 1 && consumer.state().parked === 3);
    expect(await consumer.parked.skip(customer)).toBe(true);
    await until(() => consumer.state().parked === 0);
    expect(inOrder(await effects.list(feed.name), customer)).toEqual([2, 3]);
    expect(await consumer.parked.skip(customer)).toBe(false);
    await consumer.stop();
  });

  test('a paused consumer handles nothing, and what came meanwhile follows when it is resumed', async () => {
    const feed = await bus.subscribe();
    const [customer = ''] = customers(1);
    const consumer = await startConsumer(bus, effects, { subscription: feed.name, handler: effects.record(feed.name) });
    await consumer.pause('a new ledger');
    expect(consumer.state()).toMatchObject({ isPaused: true, pauseReason: 'a new ledger' });
    await feed.send(versionsOf(customer, 3));
    await until(
      async () =>
        (await readTopology(bus.settings)).subscriptions.find(({ name }) => name === feed.name)?.waiting === 3,
    );
    expect(await effects.list(feed.name)).toEqual([]);
    await consumer.resume();
    await until(async () => (await effects.count(feed.name)) === 3);
    await consumer.stop();
  });
});

describe('lanes', () => {
  test('of two processes each gets its share, however late the second one starts, and the first takes all when the second stops', async () => {
    const feed = await bus.subscribe({ lanes: 8 });
    const ids = customerOfEach(8);
    let version = 0;
    const sendToAll = async () => {
      version++;
      await feed.send(ids.map((customer) => makeEvent({ customer, version })));
      await until(async () => (await effects.count(feed.name)) === version * ids.length);
    };
    const start = () => startConsumer(bus, effects, { subscription: feed.name, handler: effects.record(feed.name) });
    const first = await start();
    await sendToAll();
    expect(first.state().lanes).toBe(8);
    const second = await start();
    await until(async () => {
      await sendToAll();
      return first.state().lanes === 4 && second.state().lanes === 4;
    });
    await second.stop();
    await until(async () => {
      await sendToAll();
      return first.state().lanes === 8;
    });
    for (const customer of ids) expect(inOrder(await effects.list(feed.name), customer)).toEqual(upTo(version));
    await first.stop();
  });

  test('more of them than a process may hold have their turn', async () => {
    const feed = await bus.subscribe({ lanes: 0 });
    const ids = customers(9);
    const consumer = await startConsumer(bus, effects, {
      subscription: feed.name,
      lanesMax: 2,
      handler: effects.record(feed.name),
    });
    await feed.send(ids.flatMap((customer) => versionsOf(customer, 2)));
    await until(async () => (await effects.count(feed.name)) === 18);
    expect(consumer.state().lanes).toBeLessThanOrEqual(2);
    for (const customer of ids) expect(inOrder(await effects.list(feed.name), customer)).toEqual([1, 2]);
    await consumer.stop();
  });
});

describe('the beginning', () => {
  test('that takes too long is told to end, is said by name, and is called again before any event is handled', async () => {
    const feed = await bus.subscribe();
    const [customer = ''] = customers(1);
    await feed.send(versionsOf(customer, 1));
    const begun: string[] = [];
    const consumer = await startConsumer(bus, effects, {
      subscription: feed.name,
      beginTimeoutMs: 200,
      async begin({ signal }) {
        if (begun.push('begun') > 1) return;
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      },
      async handler(event, context) {
        begun.push('handled');
        await effects.record(feed.name)(event, context);
      },
    });
    await until(async () => (await effects.count(feed.name)) === 1);
    expect(begun).toEqual(['begun', 'begun', 'handled']);
    expect(consumer.happenings.find(({ kind }) => kind === 'consumer.failed')).toMatchObject({
      sentence: expect.stringMatching(/cannot begin: It did not end within 200 ms.*raise beginTimeoutMs/),
    });
    await consumer.stop();
  });
});

describe('dead letters', () => {
  test('only what cannot be read becomes one; resubmitted under a new id it has its effect, and the original id would be swallowed', async () => {
    const feed = await bus.subscribe();
    const [customer = ''] = customers(1);
    const consumer = await startConsumer(bus, effects, { subscription: feed.name, handler: effects.record(feed.name) });
    const sender = openSender(() => openClient(bus.settings), bus.settings.topic);
    const good = makeMessage(makeEvent({ customer, version: 1, audience: feed.audience }));
    const broken = { ...good, messageId: 'broken-1', body: Buffer.from('{"half') };
    await sender.send([broken, makeMessage(makeEvent({ customer, version: 2, audience: feed.audience }))]);
    await until(() => consumer.happenings.some(({ kind }) => kind === 'message.unreadable'));
    await until(async () => (await effects.count(feed.name)) === 1);
    const [letter] = await listDeadLetters(bus.settings, feed.name);
    expect(letter).toMatchObject({
      messageId: 'broken-1',
      reason: 'unreadable',
      session: laneOf(customer, lanesDefault),
    });
    expect((await readTopology(bus.settings)).subscriptions.find(({ name }) => name === feed.name)?.deadLetters).toBe(
      1,
    );
    await sender.send([broken]); // the id is known: dropped without a word
    // A letter that still cannot be read comes back.
    expect(await resubmitDeadLetters(bus.settings, feed.name, [String(letter?.number)])).toBe(1);
    await until(
      async () => (await listDeadLetters(bus.settings, feed.name))[0]?.messageId.startsWith('broken-1.again.') ?? false,
    );
    expect(await listDeadLetters(bus.settings, feed.name)).toHaveLength(1);
    expect(await drainSubscription(bus.settings, feed.name, 'dead letters')).toBe(1);
    expect(await listDeadLetters(bus.settings, feed.name)).toEqual([]);
    await Promise.all([sender.close(), consumer.stop()]);
  });

  test('all are resubmitted once, also while a consumer refuses them again at once', async () => {
    const feed = await bus.subscribe();
    const [customer = ''] = customers(1);
    const consumer = await startConsumer(bus, effects, { subscription: feed.name, handler: effects.record(feed.name) });
    const good = makeMessage(makeEvent({ customer, version: 1, audience: feed.audience }));
    const sender = openSender(() => openClient(bus.settings), bus.settings.topic);
    const broken = ['broken-a', 'broken-b'].map((id) => ({ ...good, messageId: id, body: Buffer.from('{"half') }));
    await sender.send(broken);
    const unreadable = () => consumer.happenings.filter(({ kind }) => kind === 'message.unreadable').length;
    await until(() => unreadable() === 2);
    expect(await resubmitDeadLetters(bus.settings, feed.name)).toBe(2);
    await until(() => unreadable() === 4);
    expect((await listDeadLetters(bus.settings, feed.name)).map(({ messageId }) => messageId.slice(0, 15))).toEqual([
      'broken-a.again.',
      'broken-b.again.',
    ]);
    await Promise.all([sender.close(), consumer.stop()]);
  });

  test('one that can be read by now has its effect once when it is resubmitted, and is marked if a later version of its row had it before', async () => {
    const feed = await bus.subscribe();
    const ids = customers(2);
    const client = openClient(bus.settings);
    for (const customer of ids) {
      await feed.send([makeEvent({ customer, version: 1 })]);
      const receiver = await client.acceptSession(bus.settings.topic, feed.name, laneOf(customer, lanesDefault));
      const [first] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 5_000 });
      if (first)
        await receiver.deadLetterMessage(first, {
          deadLetterReason: 'unreadable',
          deadLetterErrorDescription: 'by a version before',
        });
      await receiver.close();
    }
    await client.close();
    const [followed = '', alone = ''] = ids;
    await feed.send([makeEvent({ customer: followed, version: 2 })]);
    const marked: string[] = [];
    const consumer = await startConsumer(bus, effects, {
      subscription: feed.name,
      async handler(event, context) {
        if (context.isOutdated) marked.push(`${event.customer}:${event.version}`);
        await effects.record(feed.name)(event, context);
      },
    });
    await until(async () => (await effects.count(feed.name)) === 1);
    expect(await resubmitDeadLetters(bus.settings, feed.name)).toBe(2);
    await until(() => consumer.state().handled === 3);
    const { rows } = await effects.pool.query(
      `select customer || ':' || version as effect, is_replay from public.effects
       where subscription = $1 order by is_replay, customer = $2`,
      [feed.name, alone],
    );
    expect(rows).toEqual([
      { effect: `${followed}:2`, is_replay: false },
      { effect: `${followed}:1`, is_replay: true },
      { effect: `${alone}:1`, is_replay: true },
    ]);
    expect(marked).toEqual([`${followed}:1`]);
    expect(consumer.happenings.filter(({ kind }) => kind === 'event.outdated')).toEqual([]);
    await consumer.stop();
  });
});

describe('the topology', () => {
  test('is made once, stays as it is at the second time, and follows a change of types', async () => {
    const { name, audience } = await bus.subscribe();
    const again = await ensureTopology(bus.settings, [{ name, audiences: [audience] }]);
    expect(again.map(({ change }) => change)).toEqual(['unchanged', 'unchanged', 'unchanged']);
    const narrowed = await ensureTopology(bus.settings, [{ name, audiences: [audience], types: ['customer.updated'] }]);
    expect(narrowed.map(({ what, change }) => `${change} ${what}`)).toEqual(
      expect.arrayContaining([
        `created rule aether-${audience}-customer.updated of ${name}`,
        `removed rule aether-${audience} of ${name}`,
      ]),
    );
  });

  test('of a topic without duplicate detection and of a subscription without sessions is refused by name, and left as it is', async () => {
    const { openAdmin } = await import('./client.ts');
    const admin = openAdmin(bus.settings);
    const topic = `${bus.settings.topic}-plain`;
    const plain = { ...bus.settings, topic };
    await admin.createTopic(topic);
    await expect(ensureTopology(plain, [])).rejects.toThrow(/made without duplicate detection.*remove the topic/);
    await admin.createSubscription(topic, 'sloppy');
    const state = await readTopology(plain);
    expect(state.subscriptions[0]?.problems.join()).toMatch(/sloppy of .* was made without sessions/);
    await admin.createSubscription(bus.settings.topic, 'sloppy');
    await expect(
      startConsumer(bus, effects, { subscription: 'sloppy', handler: effects.record('sloppy') }),
    ).rejects.toThrow(/made without sessions, which keep the order/);
    await expect(
      startConsumer(bus, effects, { subscription: 'nowhere', handler: effects.record('nowhere') }),
    ).rejects.toThrow(/subscription nowhere of topic .* does not exist.*aether servicebus ensure/);
    await Promise.all([admin.deleteTopic(topic), admin.deleteSubscription(bus.settings.topic, 'sloppy')]);
  });
});

describe.skipIf(process.env.SERVICEBUS_CONNECTION_STRING)('failures on request', () => {
  const broker = () => bus.standIn as NonNullable<TestBus['standIn']>;

  test('a lock that is lost in the middle gives the session to another try, with one effect for each event', async () => {
    const feed = await bus.subscribe();
    const [customer = ''] = customers(1);
    let hasExpired = false;
    const consumer = await startConsumer(bus, effects, {
      subscription: feed.name,
      async handler(event, context) {
        await effects.record(feed.name)(event, context);
        if (event.version !== 3 || hasExpired) return;
        hasExpired = true;
        const queue = broker().queue(bus.settings.topic, feed.name);
        const session = queue?.sessions.get(laneOf(customer, lanesDefault));
        if (queue && session) queue.expire(session);
      },
    });
    await feed.send(versionsOf(customer, 8));
    await until(async () => (await effects.count(feed.name)) >= 8);
    await until(() => broker().queue(bus.settings.topic, feed.name)?.all.size === 0);
    expect(inOrder(await effects.list(feed.name), customer)).toEqual(upTo(8));
    expect(hasExpired).toBe(true);
    await consumer.stop();
  });

  test('a handler that takes longer than the lock keeps it, because the lock is renewed', async () => {
    const feed = await bus.subscribe({ lockMs: 900 });
    const [customer = ''] = customers(1);
    const consumer = await startConsumer(bus, effects, {
      subscription: feed.name,
      async handler(event, context) {
        if (event.version === 1) await context.tx.query('select pg_sleep(1.4)');
        await effects.record(feed.name)(event, context);
      },
    });
    await feed.send(versionsOf(customer, 2));
    await until(async () => (await effects.count(feed.name)) === 2);
    await until(() => broker().queue(bus.settings.topic, feed.name)?.all.size === 0);
    const given = consumer.happenings.filter(({ kind }) => kind === 'events.handled');
    expect(given.reduce((sum, each) => sum + (each.kind === 'events.handled' ? each.events.length : 0), 0)).toBe(2);
    await consumer.stop();
  });

  test('a line sends each frame at once, also after it was cut and opened again', async () => {
    const undelayed: boolean[] = [];
    const onSocket = (message: unknown) => {
      const { socket } = message as { socket: Socket };
      const setNoDelay = socket.setNoDelay.bind(socket);
      const number = undelayed.push(false) - 1;
      socket.setNoDelay = (isOn) => {
        undelayed[number] = isOn !== false;
        return setNoDelay(isOn);
      };
    };
    const client = openClient(bus.settings, { timeoutInMs: 1_000 });
    const sender = client.createSender(bus.settings.topic);
    const send = () => within(sender.sendMessages({ body: 'x', sessionId: 'nobody' }), 2_000);
    subscribe('net.client.socket', onSocket);
    try {
      await send();
      broker().cutLines();
      await until(() =>
        send().then(
          () => true,
          () => false,
        ),
      );
    } finally {
      unsubscribe('net.client.socket', onSocket);
      client.close().catch(() => {}); // it may wait for a line that is gone
    }
    expect(undelayed.length).toBeGreaterThan(1);
    expect(undelayed).not.toContain(false);
  });

  test('a call whose line drops fails at once, not at the end of its limit', async () => {
    const feed = await bus.subscribe();
    const client = openClient(bus.settings, { timeoutInMs: 20_000 });
    const asking = within(client.acceptNextSession(bus.settings.topic, feed.name), 25_000, client);
    const failed = expect(asking).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringMatching(/dropped/),
    });
    await until(() => (broker().queue(bus.settings.topic, feed.name)?.waiting.length ?? 0) > 0);
    const startedAt = performance.now();
    broker().cutLines();
    await failed;
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    client.close().catch(() => {});
  });

  test('a lane that comes while its process stops, and that the broker does not close, does not end the process', async () => {
    const feed = await bus.subscribe();
    const road = await openRoad(bus.settings);
    await feed.send([makeEvent({ customer: crypto.randomUUID(), version: 1 })]);
    const client = openClient(road.settings);
    const { connection } = (client as unknown as { _connectionContext: { connection: LinkMaker } })._connectionContext;
    connection.options.operationTimeoutInSeconds = 1; // else a minute
    const stop = new AbortController();
    const create = connection.createReceiver.bind(connection);
    connection.createReceiver = async (options) => {
      const made = await create(options);
      road.silence();
      stop.abort();
      return made;
    };
    const unheard: unknown[] = [];
    const onUnheard = (reason: unknown) => unheard.push(reason);
    process.on('unhandledRejection', onUnheard);
    try {
      client.acceptNextSession(bus.settings.topic, feed.name, { abortSignal: stop.signal }).catch(() => {});
      await once(stop.signal, 'abort');
      await new Promise(setImmediate);
      // Timers of one length end in their order: the SDK's limit of closing began before.
      await new Promise((done) => setTimeout(done, 1_000));
      await new Promise(setImmediate);
    } finally {
      process.off('unhandledRejection', onUnheard);
    }
    expect(unheard).toEqual([]);
    client.close().catch(() => {});
    await road.close();
  });

  const cuts = (steps: ('claim' | 'attach' | 'send' | 'accept' | 'deliver' | 'settle' | 'renew')[]) =>
    steps.flatMap((on) => (['before', 'after'] as const).map((cut) => ({ on, cut })));

  test('a line that is cut at any step of a consumer loses, doubles and reorders nothing', async () => {
    const feed = await bus.subscribe({ lockMs: 1_000 });
    const ids = customers(2);
    const consumer = await startConsumer(bus, effects, { subscription: feed.name, handler: effects.record(feed.name) });
    const queue = () => broker().queue(bus.settings.topic, feed.name);
    const steps = cuts(['claim', 'accept', 'deliver', 'settle', 'renew']);
    for (const [n, fault] of steps.entries()) {
      broker().failNext(fault);
      const events = ids.flatMap((customer) =>
        [2 * n + 1, 2 * n + 2].map((version) => makeEvent({ customer, version })),
      );
      // The failure may be the test's own: then it sends the same again.
      await until(() =>
        feed.send(events).then(
          () => true,
          () => false,
        ),
      );
      await until(() => queue()?.all.size === 0 && broker().pendingFaults() === 0);
    }
    // A customer whose handler could not begin in time was put aside, and is handled a moment after the queue is empty.
    for (const customer of ids)
      await expect.poll(async () => inOrder(await effects.list(feed.name), customer)).toEqual(upTo(2 * steps.length));
    await consumer.stop();
  });

  test('a line that is cut at any step of a sender is repeated until the broker has it, and arrives once and in order', async () => {
    const { name, audience } = await bus.subscribe();
    const [customer = ''] = customers(1);
    const sender = openSender(() => openClient(bus.settings, { timeoutInMs: 600 }), bus.settings.topic, 1_000);
    const events = versionsOf(customer, 12).map((event) => makeMessage({ ...event, audience }));
    for (const [n, fault] of cuts(['claim', 'attach', 'send']).entries()) {
      await sender.close(); // the next one has a line, a token and a link of its own
      broker().failNext(fault);
      const two = events.slice(2 * n, 2 * n + 2);
      await until(async () => (await sender.send(two)).settled === 2);
      expect(broker().pendingFaults()).toBe(0);
    }
    // A sender that may not go on any more, as after its lease, begins no further batch.
    expect(
      await sender.send([makeMessage(makeEvent({ customer, version: 13, audience }))], { goesOn: () => false }),
    ).toEqual({ settled: 0, tooLarge: [] });
    const queue = broker().queue(bus.settings.topic, name);
    expect([...(queue?.all.values() ?? [])].map(({ sent }) => sent.messageId)).toEqual(
      events.map(({ messageId }) => messageId),
    );
    await sender.close();
  });

  test('a process that the broker does not answer leaves its lanes to one that it answers, which keeps them all', async () => {
    const feed = await bus.subscribe({ lanes: 8 });
    const ids = customerOfEach(8);
    const road = await openRoad(bus.settings);
    const options = { subscription: feed.name, acceptMs: 300, handler: effects.record(feed.name) };
    const first = await startConsumer(bus, effects, options);
    const second = await startConsumer({ ...bus, settings: road.settings }, effects, options);
    let version = 0;
    const fewest = () => Math.min(8, ...held.splice(0));
    const held: number[] = [];
    const sendUntil = (isDone: () => boolean) =>
      until(async () => {
        version++;
        await feed.send(ids.map((customer) => makeEvent({ customer, version })));
        await until(async () => {
          held.push(first.state().lanes);
          return (await effects.count(feed.name)) === version * ids.length;
        });
        return isDone();
      });
    await sendUntil(() => first.state().lanes === 4 && second.state().lanes === 4);
    held.splice(0);
    road.block();
    await sendUntil(() => first.state().lanes === 8);
    expect(fewest()).toBeGreaterThanOrEqual(4);
    // Also while it asks again and again, and its calls go on until their limit.
    const before = road.unanswered();
    await sendUntil(() => road.unanswered() > before + 1);
    expect(fewest()).toBe(8);
    await Promise.all([first.stop(), second.stop(), road.close()]);
  });

  /** A way to the broker that can be blocked: its lines drop, and new ones are let in and get no answer. */
  async function openRoad(settings: TestBus['settings']) {
    const port = Number(/:(\d+);/.exec(settings.connectionString ?? '')?.[1]);
    const sockets = new Set<Socket>();
    let isBlocked = false;
    let unanswered = 0;
    const server = createServer((socket) => {
      sockets.add(socket.on('error', () => {}));
      if (isBlocked) {
        unanswered++;
        return;
      }
      const there = connect(port, '127.0.0.1').on('error', () => {});
      sockets.add(there);
      socket.pipe(there).pipe(socket);
    });
    await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle));
    const own = (server.address() as AddressInfo).port;
    const dropAll = () => {
      for (const socket of sockets) socket.destroy();
    };
    return {
      settings: { ...settings, connectionString: settings.connectionString?.replace(`:${port};`, `:${own};`) },
      /** How many lines nobody has answered since it was blocked. */
      unanswered: () => unanswered,
      /** The lines stay open, and no answer comes through them any more. */
      silence() {
        for (const socket of sockets) socket.unpipe().resume();
      },
      block() {
        isBlocked = true;
        dropAll();
      },
      close() {
        dropAll();
        return new Promise((settle) => server.close(settle));
      },
    };
  }

  test('a consumer that is throttled says so, rests, and goes on', async () => {
    const feed = await bus.subscribe();
    const [customer = ''] = customers(1);
    const consumer = await startConsumer(bus, effects, { subscription: feed.name, handler: effects.record(feed.name) });
    broker().failNext({ on: 'settle', refuse: refusals.throttled });
    broker().failNext({ on: 'accept', refuse: refusals.throttled }, 2);
    await feed.send(versionsOf(customer, 3));
    await until(() => broker().queue(bus.settings.topic, feed.name)?.all.size === 0 && broker().pendingFaults() === 0);
    await feed.send([makeEvent({ customer, version: 4 })]);
    await until(async () => (await effects.count(feed.name)) === 4);
    expect(inOrder(await effects.list(feed.name), customer)).toEqual(upTo(4));
    expect(consumer.happenings.find(({ kind }) => kind === 'consumer.failed')).toMatchObject({
      sentence: expect.stringMatching(/throttles .*: it is over the limit of its tier/),
    });
    await until(() => consumer.happenings.at(-1)?.kind !== 'consumer.failed' && consumer.state().error === undefined);
    await consumer.stop();
  });

  test('a restart of the broker interrupts consumers, who go on by themselves', async () => {
    const feed = await bus.subscribe();
    const ids = customers(3);
    const consumer = await startConsumer(bus, effects, { subscription: feed.name, handler: effects.record(feed.name) });
    await feed.send(ids.flatMap((customer) => versionsOf(customer, 3)));
    await until(async () => (await effects.count(feed.name)) >= 9);
    await broker().restart(200);
    const later = ids.flatMap((customer) => [4, 5].map((version) => makeEvent({ customer, version })));
    await until(() =>
      feed.send(later).then(
        () => true,
        () => false,
      ),
    );
    await until(async () => (await effects.count(feed.name)) >= 15);
    const list = await effects.list(feed.name);
    for (const customer of ids) expect(inOrder(list, customer)).toEqual(upTo(5));
    await consumer.stop();
  });

  test('each refusal of a send has its name and its advice, and what was refused can be sent again', async () => {
    const { settings } = bus;
    const event = makeEvent({ customer: crypto.randomUUID(), version: 1 });
    const sender = openSender(() => openClient(settings), settings.topic);
    for (const [refuse, kind, advice] of [
      [refusals.throttled, 'throttled', /over the limit of its tier/],
      [refusals.quotaExceeded, 'quota', /is full.*aether servicebus status/],
      [refusals.internal, 'unreachable', /does not answer/],
    ] as const) {
      broker().failNext({ on: 'send', refuse });
      const { error, settled } = await sender.send([makeMessage(event)]);
      expect([settled, kindOf(error)]).toEqual([0, kind]);
      expect(describeBusFailure(error, settings)).toMatch(advice);
    }
    const wrongKey = {
      ...settings,
      connectionString: settings.connectionString?.replace(/(SharedAccessKey)=[^;]+/, '$1=wrong'),
    };
    const refused = await openSender(() => openClient(wrongKey), settings.topic).send([makeMessage(event)]);
    expect(describeBusFailure(refused.error, settings)).toMatch(/refuses the key.*Data Sender/);
    const nowhere = await openSender(() => openClient(settings), 'nowhere').send([makeMessage(event)]);
    expect(describeBusFailure(nowhere.error, { ...settings, topic: 'nowhere' })).toMatch(
      /topic nowhere does not exist/,
    );
    expect(await sender.send([makeMessage(event)])).toEqual({ settled: 1, tooLarge: [] });
    await sender.close();
  });

  test('a send whose answer is lost is sent again and arrives once; a message that is too large is named, and the others pass', async () => {
    const { name, audience } = await bus.subscribe();
    const sender = openSender(() => openClient(bus.settings, { timeoutInMs: 600 }), bus.settings.topic);
    const customer = crypto.randomUUID();
    broker().failNext({ on: 'send', cut: 'after' });
    const first = makeMessage(makeEvent({ customer, version: 1, audience }));
    expect((await sender.send([first])).settled).toBe(0);
    const large = makeMessage(makeEvent({ customer, version: 2, audience, data: { text: 'x'.repeat(300_000) } }));
    expect(await sender.send([first, large, makeMessage(makeEvent({ customer, version: 3, audience }))])).toEqual({
      settled: 3,
      tooLarge: [1],
    });
    expect(broker().queue(bus.settings.topic, name)?.all.size).toBe(2);
    await sender.close();
  });
});
