import { userInfo } from 'node:os';
import { atEnd, createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { until as untilFact } from '@aether/database/testing.scope';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import { startSync } from '@aether/sync';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { eventsCommand } from './events.ts';
import { actorOf } from './syncclient.ts';
import { aether, aetherHere, newHome } from './testing.ts';

let home: string;
let database: TestDatabase;
let sync: pg.Client;
let support: PlatformDb;
beforeAll(async () => {
  home = await newHome();
  database = await createTestDatabase();
  sync = await database.connect('sync_app');
  const worker = await startSync({ variables: { PLATFORM_DB_URL: database.url('sync_app') } });
  support = await connectPlatform({ app: 'support', variables: { PLATFORM_DB_URL: database.url('support_app') } });
  atEnd(async () => {
    await support.close();
    await worker.close();
  });
});

const run = (...args: string[]) => aetherHere(home, ['events', ...args], { SYNC_APP_URL: database.url('sync_app') });

/** Waits for a fact in the database: each call of the command opens a connection, which costs ten times as much. */
const until = (fact: string) => untilFact(async () => (await sync.query(`select where ${fact}`)).rowCount);

test('aether events alone is enough to find a poisoned event, redrive it and see that it is handled', {
  timeout: 60_000,
}, async () => {
  let isBroken = true;
  support.events.subscribe(
    'customer.created',
    async () => {
      if (isBroken) throw new Error('poison');
    },
    { name: 'support.poisoned', attemptsMax: 1, from: 'beginning', pollMs: 50 },
  );
  const tail = aether(home, ['events', 'tail', '--json'], { SYNC_APP_URL: database.url('sync_app') });
  const { customer } = await support.findOrCreateCustomer({ email: 'ada@example.com', name: 'Ada' });
  await tail.prints(new RegExp(customer.id));
  tail.child.kill('SIGINT');

  await until(`exists (select from sync.parked where state = 'dead')`);
  expect((await run('parked', '--state', 'dead')).code).toBe(1);
  const parked = await run('parked', '--json');
  expect(parked.records()).toMatchObject([
    { subscription: 'support.poisoned', key: customer.id, state: 'dead', error: 'Error: poison' },
  ]);
  expect(await run('redrive', 'support.poisoned', '--wait', '5')).toMatchObject({
    code: 1,
    output: expect.stringMatching(/^\d+: dead \(Error: poison\)\n$/),
  });
  isBroken = false;
  expect(await run('redrive', 'support.poisoned')).toMatchObject({
    code: 0,
    output: expect.stringMatching(/^\d+: handled\n$/),
  });
  expect(await run('parked')).toMatchObject({ code: 0, output: 'Nothing is parked.\n' });

  expect((await run('pause', 'support.poisoned', 'for a look')).code).toBe(0);
  expect((await run('subscriptions')).output).toMatch(/support\.poisoned\s+support\s+\d+.*for a look/);
  await support.findOrCreateCustomer({ email: 'bob@example.com', name: 'Bob' });
  const position = `(select position from sync.subscriptions where name = 'support.poisoned')`;
  await until(`sync.outbox_age() is null and ${position} < sync.head()`);
  expect((await run('lag', '--max-events', '0')).code).toBe(1);
  expect((await run('resume', 'support.poisoned')).code).toBe(0);
  // All of them: the look for duplicates lets changes gather.
  await until('not exists (select from sync.subscriptions where position < sync.head())');
  expect((await run('lag', '--max-events', '0')).code).toBe(0);
  const again = ['replay', 'support.poisoned', '--key', customer.id, '--json'];
  expect(await run(...again)).toMatchObject({
    code: 1,
    output: expect.stringMatching(/Pause support\.poisoned first/),
  });
  await run('pause', 'support.poisoned', 'a replay');
  expect((await run(...again)).records()).toEqual([{ subscription: 'support.poisoned', events: 1, is_whole: true }]);
  await run('resume', 'support.poisoned');
  const [event] = (
    await run('tail', '--no-follow', '--key', customer.id, '--types', 'customer.created', '--json')
  ).records();
  expect(JSON.parse((await run('show', String(event.position))).output)).toEqual(event);
});

test.each([
  [['show', 'x'], /whole number/],
  [['show', '999999'], /no event 999999/],
  [['pause', 'support.nobody', 'x'], /no subscription support\.nobody/],
  [['replay', 'support.poisoned'], /Say what to replay/],
  [['skip-all', 'support.nobody'], /Say why: --reason/],
  [['skip-all', 'support.nobody', '--dry-run'], /no subscription support\.nobody/],
  [['redrive-all', 'support.poisoned', '--state', 'lost', '--dry-run'], /dead or retrying/],
  [['run', '7', '--pause', '--cancel'], /one of --pause/],
  [['run', '999999'], /no run 999999/],
  [['tail', '--since', 'yesterday'], /must be such as 10m/],
  [['parked', '--state', 'lost'], /retrying, waiting or dead/],
])('aether events %j is refused with an explanation', async (args, sentence) => {
  const command = eventsCommand();
  for (const each of command.commands) each.exitOverride().configureOutput({ writeErr() {} });
  const refused = command.parseAsync([...args, '--url', database.url('sync_app')], { from: 'user' });
  await expect(refused).rejects.toThrow(sentence);
});

test('all failures of a cause are counted, then tried again as a fixed set, and the record names who did it', {
  timeout: 60_000,
}, async () => {
  let isBroken = true;
  const subscription = support.events.subscribeBatch(
    { name: 'support.bulk', types: ['customer.created'], attemptsMax: 1, pollMs: 50, onError: () => {} },
    async (events) => {
      for (const { key } of events) if (isBroken) throw new Error(`no mail server for ${key}`);
    },
  );
  atEnd(() => subscription.stop());
  await subscription.ready;
  for (let n = 0; n < 3; n++) await support.createCustomer({ email: `bulk${n}@example.com`, name: 'B' });
  await until(`(select count(*) from sync.parked where subscription = 'support.bulk' and state = 'dead') = 3`);
  const [cause] = (await run('causes', '--subscription', 'support.bulk', '--json')).records();
  expect(cause).toMatchObject({ events: 3, shape: 'no mail server for <id>' });
  const of = ['support.bulk', '--cause', cause.cause, '--json'];
  const [counted] = (await run('redrive-all', ...of, '--dry-run')).records();
  expect(counted).toMatchObject({ dry_run: true, total: 3 });
  await until('not exists (select from sync.bulk_runs)');
  isBroken = false;
  const { code, records } = await run(
    'redrive-all',
    ...of,
    '--reason',
    'it is back',
    '--actor',
    'Ada of the night shift',
  );
  expect(code).toBe(0);
  expect(records().at(-1)).toMatchObject({
    state: 'done',
    total: 3,
    handled: 3,
    failed: 0,
    actor: 'command:Ada of the night shift',
  });
  const { rows } = await sync.query(
    `select kind, actor, login from sync.operations where kind like 'bulk.%' order by id`,
  );
  expect(rows).toEqual(
    ['bulk.redrive', 'bulk.end'].map((kind) => ({ kind, actor: 'command:Ada of the night shift', login: 'sync_app' })),
  );
});

test('who uses the command is the user of the machine, unless it is said otherwise in 1 to 100 characters', () => {
  expect(actorOf({}, {})).toBe(`command:${userInfo().username}`);
  expect(actorOf({}, { AETHER_ACTOR: 'deploy bot' })).toBe('command:deploy bot');
  expect(actorOf({ actor: ' Ada ' }, { AETHER_ACTOR: 'deploy bot' })).toBe('command:Ada');
  for (const actor of [' ', 'a\nb', 'x'.repeat(101)]) expect(() => actorOf({ actor }, {})).toThrow(/1 to 100/);
});

test('a refused aether events ends with 1, and prints the explanation', async () => {
  expect(await run('pause', 'support.nobody', 'x')).toMatchObject({
    code: 1,
    output: expect.stringMatching(/no subscription support\.nobody/),
  });
});
