import { readSettings } from '@aether/platform/log';
import { listConsumers, orderOfConsumer } from '@aether/sync';
import { startTestPlatform, type TestPlatform, until } from '@aether/sync/testing';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import type { Consumer } from '../consumer/consumer.ts';
import {
  type Effects,
  openEffects,
  openTestBus,
  startConsumer,
  type TestBus,
  type TestSubscription,
} from '../testing.ts';
import { startRelay } from './relay.ts';

// A relay on the platform's database, and a consumer of its events whose handler fails for some customers until it is mended.
let platform: TestPlatform;
let bus: TestBus;
let effects: Effects;
let subscription: TestSubscription;
let name: string;
let consumer: Consumer;
let foundation: pg.Client;
/** The handler takes no customer of these names. */
const poison = new Set<unknown>();

beforeAll(async () => {
  [platform, bus] = await Promise.all([startTestPlatform(), openTestBus()]);
  effects = await openEffects();
  foundation = await platform.database.connect('foundation_app');
  subscription = await bus.subscribe({ audiences: ['platform'], types: ['customer.created', 'customer.updated'] });
  name = subscription.name;
  const url = platform.database.url('sync_app');
  const relay = startRelay({
    settings: bus.settings,
    database: { ...readSettings({ PLATFORM_DB_URL: url }), directUrl: url },
    watchEveryMs: 200,
  });
  const record = effects.record(name);
  consumer = await startConsumer(bus, effects, {
    subscription: name,
    attemptsMax: 2,
    reports: true,
    async handler(event, context) {
      if (poison.has(event.data.name)) throw new TypeError('cannot take it');
      await record(event, context);
    },
  });
  await until(async () => (await known()).reported_at !== null);
  return () => relay.stop();
});

const known = async () =>
  (await listConsumers(platform.sync, name))[0] ?? {
    reported_at: null,
    is_paused: false,
    parked: [],
    letters: [],
    orders: [],
  };
const newCustomer = async (name = 'Ada'): Promise<string> => {
  const { rows } = await foundation.query('insert into platform.customers (email, name) values ($1, $2) returning id', [
    `${crypto.randomUUID()}@example.com`,
    name,
  ]);
  return rows[0].id;
};
/** A customer whose event is dead: each test has its own, whatever another one has left. */
async function newDead(name: string): Promise<string> {
  poison.add(name);
  const customer = await newCustomer(name);
  await until(async () => (await parkedOf(customer))?.state === 'dead');
  return customer;
}
const parkedOf = async (customer: string) => (await known()).parked.find(({ session }) => session === customer);
const effectOf = async (customer: string) => {
  const { rows } = await platform.sync.query(
    `select k.state, k.attempt, k.lag_ms from sync.consumer_effects k join sync.events e on e.id = k.event
     where e.customer = $1 and k.consumer = $2 order by e.position`,
    [customer, name],
  );
  return rows;
};
const order = async (act: Parameters<typeof orderOfConsumer>[1]['act'], scope = {}) => {
  const { order: id } = await orderOfConsumer(platform.sync, { consumer: name, act, scope, reason: 'a test' });
  let found: Awaited<ReturnType<typeof known>>['orders'][number] | undefined;
  await until(async () => {
    found = (await known()).orders.find((each) => each.id === id);
    return found?.ended_at !== null;
  });
  return found;
};

test('an event is traced to its effect in the consumer, with the attempt and the time that it took', async () => {
  const customer = await newCustomer();
  await until(async () => (await effectOf(customer)).length === 1);
  expect(await effectOf(customer)).toEqual([{ state: 'handled', attempt: 1, lag_ms: expect.any(Number) }]);
});

test('a dead event is reported with the class of its error alone, and an order to try it again handles it and says so', async () => {
  const customer = await newDead('Tried again');
  expect(await parkedOf(customer)).toMatchObject({ type: 'customer.created', attempts: 2, error: 'TypeError' });
  expect(JSON.stringify(await known())).not.toContain('cannot take it');
  poison.delete('Tried again');
  expect(await order('retry', { session: customer })).toMatchObject({ state: 'done', outcome: { count: 1 } });
  await until(async () => (await effectOf(customer))[0]?.state === 'handled');
  await until(async () => !(await parkedOf(customer)));
});

test('an order to skip gives up the event that it names, and no other one', async () => {
  const customer = await newDead('Given up');
  const event = (await parkedOf(customer))?.event as string;
  expect(await order('skip', { session: customer, event: '1' })).toMatchObject({
    state: 'failed',
    outcome: { refused: 'not the first of its customer any more' },
  });
  expect(await order('skip', { session: customer, event })).toMatchObject({ state: 'done', outcome: { count: 1 } });
  await until(async () => !(await parkedOf(customer)));
});

test('a consumer that is paused by an order handles nothing, still hears the order to resume, and then goes on', async () => {
  expect(await order('pause')).toMatchObject({ state: 'done' });
  await until(() => consumer.state().isPaused);
  await until(async () => (await known()).is_paused);
  const customer = await newCustomer();
  await platform.settled('sync.servicebus');
  expect(await effects.list(name)).not.toContain(`${customer}:1`);
  expect(await order('resume')).toMatchObject({ state: 'done' });
  await until(async () => !(await known()).is_paused);
  await until(async () => (await effects.list(name)).includes(`${customer}:1`));
});

test('dead letters are listed without their text, and an order sends them again', async () => {
  await subscription.sendUnreadable('foreign');
  const letter = async () => (await known()).letters.find(({ id }) => id === 'foreign');
  await until(letter);
  expect(await letter()).toMatchObject({ session: 'foreign', reason: 'unreadable' });
  const { number } = (await letter()) ?? {};
  expect(await order('resubmit', { numbers: [number] })).toMatchObject({ state: 'done', outcome: { count: 1 } });
  // It still cannot be read, and is a dead letter again, under its new id.
  await until(async () => (await known()).letters.some(({ id, session }) => session === 'foreign' && id !== 'foreign'));
});

test('a dead letter whose id no database stores is listed with other characters, and hides no other letter and no count', async () => {
  await subscription.sendUnreadable('plain');
  await subscription.sendUnreadable(`a\0b\u0001${'é'.repeat(60)}`);
  await until(async () => (await known()).letters.some(({ id }) => id === `a?b?${'é'.repeat(60)}`));
  await until(async () => (await known()).letters.some(({ id }) => id === 'plain'));
});

test('an order is refused to whoever may not, without a reason, without a consumer, and where nobody would do it', async () => {
  const wish = { consumer: name, act: 'pause', reason: 'a test' } as const;
  await expect(orderOfConsumer(foundation, wish)).rejects.toThrow(/permission denied/i);
  await expect(orderOfConsumer(platform.sync, { ...wish, reason: ' ' })).rejects.toThrow('A reason has 1 to 500');
  await expect(orderOfConsumer(platform.sync, { ...wish, consumer: 'nobody' })).rejects.toThrow('no consumer nobody');
  await expect(orderOfConsumer(platform.sync, { ...wish, act: 'skip' })).rejects.toThrow('names the session');
  await platform.sync.query(`insert into sync.consumers (name) values ('silent')`);
  await expect(orderOfConsumer(platform.sync, { ...wish, consumer: 'silent' })).rejects.toThrow('No process of silent');
});
