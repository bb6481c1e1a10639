import type { AppEvent, Customer, Subscription } from '@aether/platform';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { replayPaused, startTestPlatform, type TestPlatform, until } from '../testing.ts';
import { readWaitingSeconds, showEvent } from './log.ts';
import { countDead, listParked, outcomes, redrive, skip } from './parked.ts';
import { readEvents, searchEvents } from './searching.ts';
import { listSubscriptions, pause, resume } from './subscriptions.ts';

let platform: TestPlatform;
let running: Subscription[] = [];
let unique = 0;
beforeAll(async () => {
  platform = await startTestPlatform();
});
afterEach(async () => {
  await Promise.all(running.map((subscription) => subscription.stop()));
  running = [];
});

const newCustomer = (): Promise<Customer> =>
  platform.foundation.createCustomer({ email: `o${++unique}@example.com`, name: 'Version 1' });
const change = (customer: Customer) => platform.foundation.updateCustomer(customer.id, { name: `Changed ${++unique}` });

type Seen = { key: string; version: number | null; isReplay: boolean };

/** A subscription that records what it handles and fails for the keys in `poison`. */
async function subscribe({ attemptsMax = 1 } = {}) {
  const name = `support.operations${++unique}`;
  const seen: Seen[] = [];
  const poison = new Set<string>();
  running.push(
    platform.support.events.subscribe(
      'customer.updated',
      async (event: AppEvent<'customer.updated'>) => {
        if (poison.has(event.key)) throw new Error('poison');
        seen.push({ key: event.key, version: event.version, isReplay: event.isReplay });
      },
      { name, attemptsMax, retryFirstMs: 5, pollMs: 50 },
    ),
  );
  await until(async () => (await listSubscriptions(platform.sync)).some((each) => each.name === name));
  return {
    name,
    seen,
    poison,
    status: async () => (await listSubscriptions(platform.sync)).find((each) => each.name === name),
  };
}

describe('a dead event', () => {
  test('is redriven in order with the events behind it, and the outcome of each is reported', async () => {
    const { name, seen, poison } = await subscribe();
    const customer = await newCustomer();
    poison.add(customer.id);
    for (let n = 0; n < 3; n++) await change(customer);
    await platform.settled(name);
    const parked = await listParked(platform.sync, { subscription: name });
    expect(parked.map((each) => each.state)).toEqual(['dead', 'waiting', 'waiting']);
    const positions = parked.map((each) => each.position);

    expect(await redrive(platform.sync, { subscription: name })).toEqual([positions[0]]);
    await until(async () => (await listParked(platform.sync, { subscription: name, state: 'dead' })).length === 1);
    expect((await outcomes(platform.sync, { subscription: name, positions }))[0]).toMatchObject({
      state: 'dead',
      attempts: 1,
      error: 'Error: poison',
    });

    poison.clear();
    await redrive(platform.sync, { subscription: name, positions });
    await until(async () => (await listParked(platform.sync, { subscription: name })).length === 0);
    expect(seen.map((each) => each.version)).toEqual([2, 3, 4]);
    expect((await outcomes(platform.sync, { subscription: name, positions })).map((each) => each.state)).toEqual([
      'handled',
      'handled',
      'handled',
    ]);
  });

  test('is redriven only if it is in the frozen set', async () => {
    const { name, seen, poison } = await subscribe();
    const [one, other] = [await newCustomer(), await newCustomer()];
    poison.add(one.id).add(other.id);
    await change(one);
    await change(other);
    await until(async () => (await listParked(platform.sync, { subscription: name, state: 'dead' })).length === 2);
    const [first] = await listParked(platform.sync, { subscription: name });
    poison.clear();
    await redrive(platform.sync, { subscription: name, positions: [first?.position as number] });
    await until(async () => (await listParked(platform.sync, { subscription: name })).length === 1);
    expect((await listParked(platform.sync, { subscription: name }))[0]?.key).toBe(other.id);
    expect(seen).toMatchObject([{ key: one.id }]);
  });

  test('is skipped by an operator and the events behind it continue; an event that is not dead cannot be skipped', async () => {
    const { name, seen, poison } = await subscribe();
    const customer = await newCustomer();
    poison.add(customer.id);
    await change(customer);
    await change(customer);
    await platform.settled(name);
    const [dead, waiting] = await listParked(platform.sync, { subscription: name });
    await expect(skip(platform.sync, { subscription: name, position: waiting?.position as number })).rejects.toThrow(
      /no dead event/,
    );
    poison.clear();
    await skip(platform.sync, { subscription: name, position: dead?.position as number });
    await until(() => seen.length === 1);
    expect(seen).toEqual([{ key: customer.id, version: 3, isReplay: false }]);
  });
});

test('a paused subscription makes no progress, shows the reason, and resumes at its position', async () => {
  const { name, seen, status } = await subscribe();
  const customer = await newCustomer();
  await pause(platform.sync, name, 'moving the mail server');
  await change(customer);
  await until(async () => ((await status())?.lag_events ?? 0) > 0);
  expect(await status()).toMatchObject({ is_paused: true, pause_reason: 'moving the mail server' });
  expect(seen).toEqual([]);
  await resume(platform.sync, name);
  await until(() => seen.length === 1);
  expect(await status()).toMatchObject({ is_paused: false, pause_reason: null });
  await expect(pause(platform.sync, 'support.nobody', 'x')).rejects.toThrow(/no subscription support.nobody/);
});

test('a search that no index helps goes through the log stretch by stretch, and finds the same as a look at every event', async () => {
  const { name } = await subscribe();
  for (let n = 0; n < 4; n++) await change(await newCustomer());
  await platform.settled(name);
  const every = await readEvents(platform.sync, { limit: 10_000 });
  const filter = { types: ['customer.created'], app: 'foundation' };
  const wanted = every.filter(({ type, app }) => type === 'customer.created' && app === 'foundation');
  expect(wanted.length).toBeGreaterThan(3);
  for (const direction of ['asc', 'desc'] as const) {
    for (const [stretch, limit] of [
      [1, 5],
      [3, 1],
      [4, 50],
      [10_000, 2],
    ] as const) {
      const found: number[] = [];
      for (let after: number | undefined, isOver = false; !isOver; ) {
        const { events, searchedTo } = await searchEvents(platform.sync, filter, { direction, after, limit, stretch });
        found.push(...events.map(({ position }) => position));
        after = searchedTo;
        isOver = searchedTo === undefined;
      }
      const expected = wanted.map(({ position }) => position);
      expect(found, `${direction} ${stretch} ${limit}`).toEqual(direction === 'asc' ? expected : expected.reverse());
    }
  }
  const since = new Date(Date.now() + 60_000);
  expect(await searchEvents(platform.sync, { since }, { direction: 'desc', limit: 5, stretch: 2 })).toEqual({
    events: [],
  });
});

describe('a replay', () => {
  test('from a position handles every event from there again, marked as a replay, and then continues unmarked', async () => {
    const { name, seen } = await subscribe();
    const customer = await newCustomer();
    await change(customer);
    await change(customer);
    await platform.settled(name);
    const events = await readEvents(platform.sync, { key: customer.id, types: ['customer.updated'], limit: 10 });
    expect(await replayPaused(platform.sync, { subscription: name, fromPosition: events[1]?.position })).toEqual({
      events: 1,
    });
    await until(() => seen.length === 3);
    await change(customer);
    await until(() => seen.length === 4);
    expect(seen.map(({ version, isReplay }) => [version, isReplay])).toEqual([
      [2, false],
      [3, false],
      [3, true],
      [4, false],
    ]);
  });

  test('from a time begins with the first event at or after it', async () => {
    const { name, seen } = await subscribe();
    const customer = await newCustomer();
    await change(customer);
    await platform.settled(name);
    const [event] = await readEvents(platform.sync, { key: customer.id, types: ['customer.updated'], limit: 1 });
    expect(await replayPaused(platform.sync, { subscription: name, since: event?.occurred_at })).toEqual({ events: 1 });
    await until(() => seen.length === 2);
    expect(await replayPaused(platform.sync, { subscription: name, since: new Date(Date.now() + 60_000) })).toEqual({
      events: 0,
    });
  });

  test('of one customer leaves the others alone and keeps the order', async () => {
    const { name, seen } = await subscribe();
    const [one, other] = [await newCustomer(), await newCustomer()];
    for (let n = 0; n < 3; n++) {
      await change(one);
      await change(other);
    }
    await platform.settled(name);
    seen.length = 0;
    expect(await replayPaused(platform.sync, { subscription: name, key: one.id })).toEqual({ events: 3 });
    await until(async () => (await listParked(platform.sync, { subscription: name })).length === 0);
    expect(seen).toEqual([2, 3, 4].map((version) => ({ key: one.id, version, isReplay: true })));
  });
});

test('one event is shown whole, and an unknown position shows none', async () => {
  const customer = await newCustomer();
  await until(async () => (await readEvents(platform.sync, { key: customer.id, limit: 1 })).length === 1);
  const [listed] = await readEvents(platform.sync, { key: customer.id, limit: 1 });
  expect(await showEvent(platform.sync, listed?.position as number)).toEqual(listed);
  expect(listed).toMatchObject({
    type: 'customer.created',
    app: 'foundation',
    login: 'foundation_app',
    data: { email: customer.email },
  });
  expect(await showEvent(platform.sync, 999_999_999)).toBeUndefined();
});

test('the lag of unnumbered events is reported, and so are dead events beyond the length of a list', async () => {
  const { name, poison } = await subscribe();
  const customers = await Promise.all([newCustomer(), newCustomer()]);
  for (const { id } of customers) poison.add(id);
  for (const customer of customers) await change(customer);
  await until(async () => (await countDead(platform.sync, name)) === 2);
  expect(await listParked(platform.sync, { subscription: name, limit: 1 })).toHaveLength(1);
  expect(await countDead(platform.sync, 'support.nobody')).toBe(0);
  await until(async () => (await readWaitingSeconds(platform.sync)) === 0);
  await platform.sequencer.stop();
  await newCustomer();
  await until(async () => (await readWaitingSeconds(platform.sync)) > 0.05);
});
