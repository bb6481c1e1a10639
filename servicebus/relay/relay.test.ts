import { requireUnderWay } from '@aether/database/testing.scope';
import { openConnection, readSettings } from '@aether/platform/log';
import { evaluateHealth, skip, startSync } from '@aether/sync';
import { startTestPlatform, type TestPlatform, until } from '@aether/sync/testing';
import type { ServiceBusReceivedMessage } from '@azure/service-bus';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { openClient } from '../client.ts';
import { drainSubscription } from '../deadletters.ts';
import { changeLanes, readLanes } from '../lanes.ts';
import { replayToConsumer } from '../replay.ts';
import { refusals } from '../standin/broker.ts';
import { openTestBus, type TestBus } from '../testing.ts';
import { readTopology } from '../topology.ts';
import { laneOf, lanesDefault, toBusEvent } from '../wire.ts';
import { type Relay, startRelay } from './relay.ts';
import { openRelayLog, relayName, type Sent } from './relaylog.ts';

let platform: TestPlatform;
let bus: TestBus;
let subscription: string;
let relay: Relay;
let foundation: pg.Client;

const startOne = (audiences = ['platform']) => {
  const url = platform.database.url('sync_app');
  const database = { ...readSettings({ PLATFORM_DB_URL: url }), directUrl: url };
  return startRelay({ settings: { ...bus.settings, audiences }, database, watchEveryMs: 100 });
};

beforeAll(async () => {
  [platform, bus] = await Promise.all([startTestPlatform(), openTestBus()]);
  foundation = await platform.database.connect('foundation_app');
  const feed = await bus.subscribe({ audiences: ['platform', 'crm'] });
  subscription = feed.name;
  relay = startOne();
  await until(() => relay.report()?.state === 'idle');
  return () => relay.stop();
});

type Taken = { message: ServiceBusReceivedMessage; event: ReturnType<typeof toBusEvent> };
/** Of others in the same lane, and not asked for yet: two customers share one by chance. */
const left: Taken[] = [];

/** Takes what has come of a customer, in its order. */
async function take(customer: string, count: number, lanes = lanesDefault): Promise<Taken[]> {
  const found: Taken[] = [];
  const put = (taken: Taken) => void (taken.event.customer === customer ? found : left).push(taken);
  for (const taken of left.splice(0)) put(taken);
  const client = openClient(bus.settings);
  const receiver = await client.acceptSession(bus.settings.topic, subscription, laneOf(customer, lanes), {
    skipParsingBodyAsJson: true,
  });
  while (found.length < count) {
    const messages = await receiver.receiveMessages(count - found.length, { maxWaitTimeInMs: 5_000 });
    if (messages.length === 0) break;
    for (const message of messages) {
      put({ message, event: toBusEvent(message) });
      await receiver.completeMessage(message);
    }
  }
  await client.close();
  return found;
}

async function newCustomer(name: string): Promise<{ id: string }> {
  const { rows } = await foundation.query('insert into platform.customers (email, name) values ($1, $2) returning id', [
    `${crypto.randomUUID()}@example.com`,
    name,
  ]);
  return rows[0];
}
const rename = ({ id }: { id: string }, name: string) =>
  foundation.query('update platform.customers set name = $2 where id = $1', [id, name]);

const settled = () => platform.settled(relayName);

test('a change reaches the bus as it is in the log, in the session of its customer; one that is rolled back does not', async () => {
  const customer = await newCustomer('Ada');
  await rename(customer, 'Ada Okonkwo');
  await foundation.query('begin');
  await rename(customer, 'Never');
  await foundation.query('rollback');
  await settled();
  const found = await take(customer.id, 2);
  const { rows } = await platform.sync.query('select * from sync.events where customer = $1 order by position', [
    customer.id,
  ]);
  expect(found.map(({ event }) => [event.id, event.position, event.type, event.version])).toEqual(
    rows.map((row) => [String(row.id), Number(row.position), row.type, Number(row.version)]),
  );
  const { message, event } = found[1] ?? {};
  expect(message).toMatchObject({
    messageId: event?.id,
    sessionId: laneOf(customer.id, lanesDefault),
    subject: 'customer.updated',
  });
  expect(event).toMatchObject({
    app: 'foundation',
    customer: customer.id,
    source: '/aether/foundation',
    isReplay: false,
  });
  expect(event?.data.name).toBe('Ada Okonkwo');
  expect(event?.previous.name).toBe('Ada');
});

test('events of an audience that the relay does not send stay off the topic, whatever the rules of a subscription let through', async () => {
  const customer = await newCustomer('Grace');
  await foundation.query(`select sync.publish('foundation.secret', $1::text, '{}', 'own', $1::uuid)`, [customer.id]);
  await settled();
  expect((await take(customer.id, 1)).map(({ event }) => event.type)).toEqual(['customer.created']);
});

test('while the broker refuses, nothing is lost, and the check says why; then all follows in order', async () => {
  const customer = await newCustomer('Lin');
  await settled();
  bus.standIn?.failNext({ on: 'send', refuse: refusals.throttled }, 3);
  for (const name of ['Lin B', 'Lin C', 'Lin D']) await rename(customer, name);
  await until(() => (relay.report()?.throttled ?? 0) >= 3);
  await settled();
  const found = await take(customer.id, 4);
  expect(found.map(({ event }) => event.data.name)).toEqual(['Lin', 'Lin B', 'Lin C', 'Lin D']);
  expect(relay.report()?.state).toBe('idle');
});

test('what is written while batches are under way is sent behind them, each once and in order, and is written down when the relay rests', async () => {
  const customer = await newCustomer('Busy');
  for (let n = 1; n < 60; n++) await rename(customer, `Busy ${n}`);
  await settled();
  const found = await take(customer.id, 60);
  expect(found.map(({ event }) => event.version)).toEqual(Array.from({ length: 60 }, (_, n) => n + 1));
  expect(new Set(found.map(({ message }) => message.messageId)).size).toBe(60);
  expect(found.every(({ message }) => message.deliveryCount === 0)).toBe(true);
});

test('an event that is too large is parked and shown, and holds back its customer until somebody gives it up', async () => {
  const [customer, other] = await Promise.all([newCustomer('Big'), newCustomer('Small')]);
  await settled();
  await platform.superuser.query(
    `insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, data)
     values ('customer.updated', $1, $2, $1, 2, 'platform', 'foundation', 'foundation_app', jsonb_build_object('id', $1::text, 'notes', (
       select string_agg(md5(n::text), '') from generate_series(1, 10000) n)))`,
    [customer.id, customer.id],
  );
  const parked = async () =>
    (
      await platform.sync.query('select state, error from sync.parked where subscription = $1 order by position', [
        relayName,
      ])
    ).rows;
  // What follows comes in a turn of its own, which asks the log what is parked.
  await until(async () => (await parked()).length === 1);
  await rename(customer, 'Big B');
  await rename(other, 'Small B');
  await until(async () => (await parked()).length === 2);
  expect((await parked()).map(({ state, error }) => [state, String(error).slice(0, 15)])).toEqual([
    ['dead', 'MessageTooLarge'],
    ['waiting', 'null'],
  ]);
  await settled();
  expect((await take(other.id, 2)).map(({ event }) => event.data.name)).toEqual(['Small', 'Small B']);
  // Somebody gives it up: what waits behind it follows.
  const { rows } = await platform.sync.query(
    'select position from sync.parked where subscription = $1 order by position limit 1',
    [relayName],
  );
  await skip(platform.sync, { subscription: relayName, position: Number(rows[0].position) });
  await until(async () => (await parked()).length === 0);
  expect((await take(customer.id, 2)).map(({ event }) => event.data.name)).toEqual(['Big', 'Big B']);
});

test('of two relays one sends; the other takes over when the first stops, at the same place', async () => {
  const second = startOne();
  await until(() => second.progress().turns > 0);
  expect(second.report()).toBeUndefined();
  const customer = await newCustomer('Two');
  await relay.stop();
  relay = second;
  await rename(customer, 'Two B');
  await until(() => relay.report() !== undefined);
  await settled();
  expect((await take(customer.id, 2)).map(({ event }) => event.data.name)).toEqual(['Two', 'Two B']);
});

test('events are counted by what they hold in memory, not by what the disk keeps of a repetitive one, also those that were parked', async () => {
  await settled();
  await relay.stop();
  const { rows } = await platform.superuser.query<{ from: number }>(
    `with put as (insert into sync.outbox (type, key, customer, row_id, version, audience, app, login, data)
       select 'customer.updated', 'large ' || n, null, 'large', n, 'platform', 'foundation', 'foundation_app',
         jsonb_build_object('n', n, 'notes', repeat('again ', 10000))
       from generate_series(1, 150) n)
     select position::integer as from from sync.subscriptions where name = $1`,
    [relayName],
  );
  await until(async () => {
    const { rows: logged } = await platform.sync.query('select sync.head() as head');
    return Number(logged[0].head) === Number(rows[0]?.from) + 150;
  });
  const connection = openConnection('sync', {
    ...readSettings({ PLATFORM_DB_URL: platform.database.url('sync_app') }),
    poolMax: 1,
    searchPath: 'sync,platform',
  });
  const log = openRelayLog(connection, { holder: 'alone', audiences: ['platform'] });
  const charactersOf = (events: { data: object }[]) =>
    events.reduce((sum, { data }) => sum + JSON.stringify(data).length, 0);
  const seen: Record<'log' | 'parked', unknown[]> = { log: [], parked: [] };
  let sent: Sent | undefined;
  const drain = async () => {
    // Parked events and those of the log take turns, so that one empty turn is no end.
    for (let empty = 0; empty < 2; ) {
      requireUnderWay();
      const turn = await log.turn(sent);
      sent = undefined;
      if (turn.role !== 'relays') throw new Error(`It ${turn.role}.`);
      empty = turn.work ? 0 : empty + 1;
      if (!turn.work) continue;
      const { of, events } = turn.work;
      expect(charactersOf(events)).toBeLessThan(4_100_000);
      seen[of].push(...events.map(({ data }) => data.n));
      sent = { work: turn.work, settled: events.length, tooLarge: [], waiting: [] };
    }
  };
  await drain();
  const all = Array.from({ length: 150 }, (_, index) => index + 1);
  expect(seen.log).toEqual(all);
  await platform.superuser.query(
    `insert into sync.parked (subscription, position, key, customer, state, attempts, attempt_at)
     select $1, e.position, e.key, e.customer, 'retrying', 1, clock_timestamp() from sync.events e where e.position > $2`,
    [relayName, rows[0]?.from],
  );
  await drain();
  expect(seen.parked).toEqual(all);
  await log.release();
  await connection.close(500);
  relay = startOne();
  await until(() => relay.report() !== undefined);
});

describe('a replay', () => {
  test('sends the events of a customer to one subscription alone, marked, and under the same ids', async () => {
    const other = await bus.subscribe({ audiences: ['platform'] });
    const customer = await newCustomer('Again');
    await settled();
    expect(await take(customer.id, 1)).toHaveLength(1);
    const before = bus.standIn?.queue(bus.settings.topic, other.name)?.all.size;
    const ask = async (text: string, values: unknown[]) => (await platform.sync.query(text, values)).rows as never;
    const { sent, run } = await replayToConsumer(ask, bus.settings, {
      subscription,
      audiences: ['platform'],
      customer: customer.id,
    });
    expect(sent).toBe(1);
    // The same run again sends nothing new: its messages have the same ids.
    await replayToConsumer(ask, bus.settings, { subscription, audiences: ['platform'], customer: customer.id, run });
    const found = await take(customer.id, 1);
    expect(found.map(({ event }) => [event.type, event.isReplay])).toEqual([['customer.created', true]]);
    expect(
      bus.standIn?.queue(bus.settings.topic, subscription)?.sessions.get(laneOf(customer.id, lanesDefault)),
    ).toBeUndefined();
    expect(bus.standIn?.queue(bus.settings.topic, other.name)?.all.size).toBe(before);
  });

  test('of a customer whose events are several pages comes in their order, and lists them once', async () => {
    const customer = await newCustomer('Many');
    for (const n of [1, 2, 3, 4]) await rename(customer, `Many ${n}`);
    await settled();
    await take(customer.id, 5);
    let lists = 0;
    const ask = async (text: string, values: unknown[]) => {
      if (text.includes('list_events_naming')) lists++;
      return (await platform.sync.query(text, values)).rows as never;
    };
    const pages: number[] = [];
    const { sent } = await replayToConsumer(ask, bus.settings, {
      ...{ subscription, audiences: ['platform'], customer: customer.id, pageMax: 2 },
      onProgress: (done) => pages.push(done),
    });
    expect([sent, pages, lists]).toEqual([5, [2, 4, 5], 1]);
    const names = (await take(customer.id, 5)).map(({ event }) => event.data.name);
    expect(names).toEqual(['Many', 'Many 1', 'Many 2', 'Many 3', 'Many 4']);
  });
});

describe('a change of the number of lanes', () => {
  const ask = async (text: string, values: unknown[]) => (await platform.sync.query(text, values)).rows as never;
  const change = (lanes: number, withinMs = 20_000) =>
    changeLanes(ask, bus.settings, { lanes, reason: 'a test', withinMs });
  const isPaused = async () =>
    (await platform.sync.query('select is_paused from sync.subscriptions where name = $1', [relayName])).rows[0]
      .is_paused;

  test('is refused while messages of the former lanes wait, names who has them, and the relay goes on in them', async () => {
    const customer = await newCustomer('Former');
    await settled();
    await expect(change(8, 4_000)).rejects.toThrow(new RegExp(`former lanes still wait.*${subscription} has`));
    expect([await readLanes(ask), await isPaused()]).toEqual([lanesDefault, false]);
    await rename(customer, 'Former B');
    await settled();
    expect((await take(customer.id, 2)).map(({ event }) => event.data.name)).toEqual(['Former', 'Former B']);
  });

  /** What other tests of this file have left, and what nobody reads. */
  const drainAll = async () => {
    for (const { name, waiting } of (await readTopology(bus.settings)).subscriptions)
      if (waiting > 0) await drainSubscription(bus.settings, name, 'messages');
  };

  test('waits until the bus is empty, moves what is sent afterwards, and is written down', async () => {
    await drainAll();
    const customer = await newCustomer('Moved');
    await settled();
    const changing = change(8);
    await until(isPaused);
    await rename(customer, 'Moved B');
    expect((await take(customer.id, 1)).map(({ event }) => event.data.name)).toEqual(['Moved']);
    await drainAll();
    expect(await changing).toEqual({ was: lanesDefault, lanes: 8 });
    expect(await isPaused()).toBe(false);
    await settled();
    const [moved] = await take(customer.id, 1, 8);
    expect([moved?.event.data.name, moved?.message.sessionId]).toEqual(['Moved B', laneOf(customer.id, 8)]);
    const { rows } = await platform.sync.query(`select outcome from sync.operations where kind = 'relay.lanes'`);
    expect(rows.map(({ outcome }) => outcome)).toEqual([{ was: lanesDefault, lanes: 8 }]);
    await drainAll();
    await change(lanesDefault);
  });

  test('waits for what a worker that was cut off a moment ago may still have under way', async () => {
    await drainAll();
    await relay.stop();
    const cutOff = (holder: string, since: string) =>
      platform.superuser.query(
        'update sync.relay set holder = $1, rests_since = null, leased_until = clock_timestamp() - $2::interval',
        [holder, since],
      );
    const rests = async () =>
      (await platform.sync.query('select rests_since is not null as rests from sync.relay')).rows[0].rests;
    await cutOff('former', '1 second');
    await expect(change(8, 300)).rejects.toThrow(/relay still sends/);
    await cutOff('former', '16 seconds');
    expect(await change(8)).toEqual({ was: lanesDefault, lanes: 8 });
    await change(lanesDefault);
    // Another worker has taken over: it has nothing under way itself.
    await platform.sync.query('select sync.pause_subscription($1, $2)', [relayName, 'a test']);
    const connection = openConnection('sync', {
      ...readSettings({ PLATFORM_DB_URL: platform.database.url('sync_app') }),
      poolMax: 1,
      searchPath: 'sync,platform',
    });
    const next = openRelayLog(connection, { holder: 'next', audiences: ['platform'], callMs: 300 });
    await cutOff('former', '1 second');
    expect([await next.turn(undefined), await rests()]).toEqual([{ role: 'paused' }, false]);
    await until(async () => (await next.turn(undefined)) && (await rests()));
    await next.release();
    await connection.close(500);
    await platform.sync.query('select sync.resume_subscription($1, $2)', [relayName, 'a test']);
    relay = startOne();
    await until(() => relay.report() !== undefined);
  });

  test('is refused by the database while the relay may send, beyond what a topic has, and to whoever is no operator', async () => {
    const set = (client: pg.Client, lanes: number) => client.query('select sync.set_lanes($1, $2)', [lanes, 'a test']);
    await expect(set(platform.sync, 8)).rejects.toThrow(/relay is sending: pause sync.servicebus/);
    await expect(set(platform.sync, 129)).rejects.toThrow(/lanes are 0 to 128/);
    await expect(set(foundation, 8)).rejects.toThrow(/permission denied/);
  });
});

test('Sync Health shows the bus and each consumer by what the worker reports, and a dead letter as parked', async () => {
  const report = () => ({ ...relay.report(), state: 'throttled' });
  const beat = (said: object) =>
    platform.sync.query('select sync.beat($1, $2, $3)', [
      'relay-test',
      Date.now(),
      JSON.stringify({ bus: said, turns: {} }),
    ]);
  const look = async () => {
    const found = await evaluateHealth(async (text, values) => (await platform.sync.query(text, values)).rows as never);
    return new Map(found.checks.map((check) => [check.slug, check]));
  };
  await until(() => (relay.report()?.consumers[subscription]?.waiting ?? -1) >= 0);
  await beat({
    ...relay.report(),
    consumers: { billing: { waiting: 3, dead_letters: 2, oldest_seconds: 70, processes: 1 } },
  });
  await until(async () => (await look()).get('consumer:billing')?.status === 'parked');
  const checks = await look();
  expect(checks.get('bus')).toMatchObject({ status: 'ok', reason: 'Service Bus takes the events.' });
  expect(checks.get('consumer:billing')?.reason).toBe(
    '2 messages are dead letters: it could not read them. 3 messages wait, the oldest for 70 s.',
  );
  await beat({ ...report(), consumers: { billing: { waiting: 0, dead_letters: 0, processes: 1, parked: 0 } } });
  await until(async () => (await look()).get('consumer:billing')?.status === 'ok');
  await until(async () => (await look()).get('bus')?.status === 'warning');
});

test('a worker that is given the settings relays, and its heartbeat makes the checks of the bus and of the relay', async () => {
  await relay.stop();
  const { settings } = bus;
  const worker = await startSync({
    variables: {
      PLATFORM_DB_URL: platform.database.url('sync_app'),
      SERVICEBUS_CONNECTION_STRING: settings.connectionString,
      SERVICEBUS_TOPIC: settings.topic,
      SERVICEBUS_ADMIN_URL: settings.adminUrl,
    },
  });
  try {
    const customer = await newCustomer('Worked');
    await settled();
    expect((await take(customer.id, 1)).map(({ event }) => event.data.name)).toEqual(['Worked']);
    const ask = async (text: string, values?: unknown[]) => (await platform.sync.query(text, values)).rows as never;
    await until(async () => {
      const { checks } = await evaluateHealth(ask);
      const statusOf = (slug: string) => checks.find((check) => check.slug === slug)?.status;
      return statusOf('bus') === 'ok' && statusOf(`subscription:${relayName}`) === 'ok';
    });
  } finally {
    await worker.close();
  }
});
