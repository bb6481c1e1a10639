import {
  openEffects,
  openTestBus,
  startConsumer,
  type TestBus,
  type TestSubscription,
} from '@aether/servicebus/testing';
import { startTestPlatform, type TestPlatform, until } from '@aether/sync/testing';
import { beforeAll, expect, test } from 'vitest';
import { aetherHere, newHome } from './testing.ts';

let home: string;
let bus: TestBus;
let platform: TestPlatform;
let subscription: TestSubscription;
let handled: string[];
beforeAll(async () => {
  [home, bus, platform] = await Promise.all([newHome(), openTestBus(), startTestPlatform()]);
  subscription = await bus.subscribe();
  handled = [];
  await startConsumer(bus, await openEffects(), {
    subscription: subscription.name,
    handler: async ({ type }) => handled.push(type),
  });
});

const run = (...args: string[]) => {
  const { connectionString = '', adminUrl = '', topic } = bus.settings;
  return aetherHere(home, ['servicebus', ...args], {
    SERVICEBUS_CONNECTION_STRING: connectionString,
    ...(adminUrl && { SERVICEBUS_ADMIN_URL: adminUrl }),
    SERVICEBUS_TOPIC: topic,
    SYNC_APP_URL: platform.database.url('sync_app'),
  });
};

test('ensure makes a subscription with its rules, changes nothing the second time, and refuses the name of the reports', async () => {
  const args = ['ensure', 'billing', '--audiences', 'platform,billing', '--types', 'customer.updated'];
  expect((await run(...args)).output).toMatch(/subscription billing +created/);
  const again = await run(...args);
  expect([again.code, again.output]).toEqual([0, expect.stringMatching(/subscription billing +unchanged/)]);
  expect(again.output).not.toMatch(/created|corrected|removed/);
  const refused = await run('ensure', 'aether-reports');
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('choose another name')]);
});

test('without a namespace every command says what to set', async () => {
  const { code, output } = await aetherHere(home, ['servicebus', 'status'], {});
  expect([code, output]).toEqual([1, expect.stringContaining('SERVICEBUS_CONNECTION_STRING')]);
});

test('status ends with 1 while there are dead letters; they are listed, sent again, and removed only with --yes', async () => {
  const { name } = subscription;
  expect((await run('status')).code).toBe(0);
  await subscription.sendUnreadable('foreign');
  await until(async () => (await run('status')).code === 1);
  const [letter] = (await run('dead', name, '--json')).records();
  expect(letter).toMatchObject({ messageId: 'foreign', reason: 'unreadable', session: 'foreign' });
  expect((await run('resubmit', name, '--number', letter.number)).output).toContain('1 dead letters were sent again.');
  await until(
    async () => (await run('dead', name, '--json')).records()[0]?.messageId === `foreign.again.${letter.number}`,
  );
  expect(await run('drain', name)).toMatchObject({ code: 1, output: expect.stringContaining('add --yes') });
  expect((await run('drain', name, '--yes')).output).toContain('1 removed.');
  expect((await run('status')).code).toBe(0);
});

test('a replay sends the events of a customer to one subscription, and is refused without saying which events', async () => {
  const { id } = await platform.foundation.createCustomer({ name: 'Ada', email: 'ada@cli.example' });
  await until(
    async () => (await platform.sync.query('select from sync.events where customer = $1', [id])).rowCount === 1,
  );
  const refused = await run('replay', subscription.name);
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('Say what to replay')]);
  const { code, output } = await run('replay', subscription.name, '--customer', id);
  expect([code, output]).toEqual([0, expect.stringMatching(/^1 events were sent to app-\w+, as replay-/)]);
  await until(() => handled.includes('customer.created'));
});

test('lanes shows their number and changes it, and refuses what a topic cannot have', async () => {
  expect(await run('lanes')).toMatchObject({ code: 0, output: 'The topic has 32 lanes.\n' });
  expect(await run('lanes', '8', '--within', '5')).toMatchObject({
    code: 0,
    output: 'The topic has 8 lanes (before: 32 lanes).\n',
  });
  const refused = await run('lanes', '129');
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('lanes are 0 to 128')]);
  expect((await run('lanes', '--json')).records()).toEqual([{ lanes: 8 }]);
});

test('an order to a consumer waits for what came of it, and is refused where no process would do it', async () => {
  const dead = { event: '7', type: 'customer.updated', session: 's', state: 'dead', attempts: 12, error: 'TypeError' };
  await platform.sync.query(
    `insert into sync.consumers (name, parked, reported_at) values ('quiet', '[]', null), ('billing', $1, now())`,
    [JSON.stringify([{ ...dead, at: '2026-01-31T12:00:00Z' }])],
  );
  const parked = await run('parked', 'billing');
  expect([parked.code, parked.output]).toEqual([
    1,
    expect.stringMatching(/7 +customer.updated +s +dead +12 +TypeError/),
  ]);
  const refused = await run('pause', 'quiet', 'for a test');
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('No process of quiet reports')]);
  const [done] = await Promise.all([run('retry', 'billing', '--session', 's'), answer({ count: 1 }, 'done')]);
  expect(done).toMatchObject({ code: 0, output: 'billing: retry is done, 1 events.\n' });
  const skip = ['skip', 'billing', 's', '7', '--reason', 'gone for good'];
  const [failed] = await Promise.all([run(...skip), answer({ count: 0, refused: 'not the first' }, 'failed')]);
  expect(failed).toMatchObject({ code: 1, output: 'billing: not the first.\n' });
});

/** What the worker that relays writes down. */
const answer = (outcome: object, state: string) =>
  until(async () => {
    const { rowCount } = await platform.superuser.query(
      `update sync.consumer_orders set state = $2, outcome = $1, ended_at = now() where ended_at is null`,
      [JSON.stringify(outcome), state],
    );
    return rowCount === 1;
  });
