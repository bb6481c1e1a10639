import type { AppEvent, Subscription } from '@aether/platform';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startTestPlatform, type TestPlatform, until } from '../testing.ts';
import { listCauses } from './causes.ts';
import { listParked, redrive, skip } from './parked.ts';
import { previewReplay, replay } from './replaying.ts';
import { confirmRun, freezeFailures, readRun } from './runs.ts';
import { listSubscriptions, pause, remove, resume } from './subscriptions.ts';

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

const newCustomer = () => platform.foundation.createCustomer({ email: `a${++unique}@example.com`, name: 'New' });

async function subscribe(fails: (event: AppEvent) => Error | undefined, options = {}) {
  const name = `support.acts${++unique}`;
  const subscription = platform.support.events.subscribe(
    'customer.created',
    async (event) => {
      const error = fails(event);
      if (error) throw error;
    },
    { name, attemptsMax: 2, retryFirstMs: 5, pollMs: 50, onError: () => {}, ...options },
  );
  running.push(subscription);
  await subscription.ready;
  const dead = async () => await listParked(platform.sync, { subscription: name, state: 'dead' });
  return { name, dead };
}

const lastOperation = async (on = platform.sync) =>
  (await on.query('select * from sync.operations order by id desc limit 1')).rows[0];

describe('an act', () => {
  test('leaves a record of the login, the scope, the reason and what came of it, and of no other', async () => {
    const { name, dead } = await subscribe(() => new Error('poison'));
    await newCustomer();
    await until(async () => (await dead()).length === 1);
    const position = (await dead())[0]?.position as number;
    await pause(platform.sync, name, 'a look');
    expect(await lastOperation()).toMatchObject({
      kind: 'subscription.pause',
      scope: { subscription: name },
      reason: 'a look',
      outcome: { was_paused: false },
      login: 'sync_app',
      app: 'sync',
      actor: null,
    });
    await redrive(platform.sync, { subscription: name, positions: [position, 999_999], reason: 'try it' });
    expect(await lastOperation()).toMatchObject({ kind: 'event.redrive', outcome: { redriven: 1, asked: 2 } });
    await resume(platform.sync, name);
    await until(async () => (await dead()).length === 1);
    await skip(platform.sync, { subscription: name, position, reason: 'not worth it' });
    expect(await lastOperation()).toMatchObject({
      kind: 'event.skip',
      scope: { subscription: name, position },
      reason: 'not worth it',
      outcome: { skipped: 1, state: 'dead', attempts: 2 },
    });
    const before = await lastOperation();
    await expect(skip(platform.sync, { subscription: name, position })).rejects.toThrow(/no dead event/);
    await expect(pause(platform.sync, name, ' ')).rejects.toThrow(/1 to 500 characters/);
    expect(await lastOperation()).toEqual(before);
    expect(await remove(platform.sync, name, 'no longer needed')).toMatchObject({ parked: 0, app: 'support' });
  });

  test('is refused to every login but those of the command and the console', async () => {
    const { name } = await subscribe(() => undefined);
    const calls = [
      `sync.pause_subscription('${name}', 'x')`,
      `sync.resume_subscription('${name}')`,
      `sync.drop_subscription('${name}')`,
      `sync.redrive_events('${name}')`,
      `sync.skip_event('${name}', 1)`,
      `sync.rewind_subscription('${name}', 1)`,
      `sync.replay_events('${name}', 0, 'x')`,
      `sync.freeze_failures('skip', '${name}', '{}')`,
      "sync.confirm_run(1, 'x')",
      "sync.steer_run(1, 'paused')",
      'sync.work_run()',
      `sync.record_operation('a', '{}', null, '{}')`,
    ];
    for (const login of ['foundation_app', 'support_app', 'observer_app', 'privacy_app'] as const) {
      const client = await platform.database.connect(login);
      for (const call of calls)
        await expect(client.query(`select ${call}`), `${login}: ${call}`).rejects.toMatchObject({ code: '42501' });
    }
    // Nor can an app reach the rows of another app's subscription.
    const foundation = await platform.database.connect('foundation_app');
    for (const change of [
      `update sync.subscriptions set is_paused = true, pause_reason = 'x' where name = '${name}'`,
      `update sync.parked set state = 'waiting' where subscription = '${name}'`,
    ])
      expect((await foundation.query(change)).rowCount).toBe(0);
    const record = `select sync.record_attempts($1, 'x', '{1}', '{1}', '{1}', $2, $2, $2, $2)`;
    await foundation.query(record, [name, ['a'.repeat(16)]]);
    expect((await platform.sync.query('select from sync.attempts where subscription = $1', [name])).rowCount).toBe(0);
  });

  test('of the console needs an administrator, also in the database', async () => {
    const { name } = await subscribe(() => undefined);
    const console = await platform.database.connect('console_app');
    const as = async (actor: string) => {
      await console.query('begin');
      try {
        await console.query(`select set_config('aether.actor', $1, true)`, [actor]);
        await pause(console, name, 'from the console');
        return await lastOperation(console);
      } finally {
        await console.query('rollback');
      }
    };
    await platform.superuser.query(
      `insert into platform.users (id, email, name, role)
       values ('boss', 'b@x.example', 'B', 'admin'), ('clerk', 'c@x.example', 'C', 'user')`,
    );
    expect(await as('boss')).toMatchObject({ actor: 'boss', login: 'console_app', app: 'console' });
    await expect(as('clerk')).rejects.toMatchObject({ refusal: 'not-allowed' });
    await expect(as('')).rejects.toMatchObject({ refusal: 'not-allowed' });
  });

  test('of any room needs an operator or a steward, if the console may call it', async () => {
    const { rows } = await platform.superuser.query<{ name: string; asks: boolean }>(
      `select p.proname as name,
         pg_get_functiondef(p.oid)
           ~ '(sync\\.(require_operator|hold_subscription|hold_run|find_webhook|hold_webhook)|platform\\.require_steward)\\(' as asks
       from pg_proc p where p.pronamespace = 'sync'::regnamespace and has_function_privilege('console_app', p.oid, 'execute')
         and pg_get_functiondef(p.oid) ~ 'sync\\.record_operation\\('`,
    );
    expect(rows.length).toBeGreaterThan(15);
    expect(rows.filter(({ asks }) => !asks)).toEqual([]);
  });

  test('that is recorded cannot be changed or removed by anybody', async () => {
    for (const [change, words] of [
      ['delete from sync.operations', /is kept for 730 days/],
      [`update sync.operations set reason = 'x'`, /not changed/],
      ['truncate sync.operations', /not changed/],
    ] as const) {
      await expect(platform.sync.query(change)).rejects.toMatchObject({ code: '42501' });
      await expect(platform.superuser.query(change)).rejects.toThrow(words);
    }
  });

  test('is kept as long as the limit says, for at least ninety days, and is then removed in parts', async () => {
    const days = async () =>
      (
        await platform.superuser.query(
          `select extract(day from clock_timestamp() - done_at)::integer as days from sync.operations
           where kind = 'test.age' order by id`,
        )
      ).rows.map((row) => row.days);
    const add = (age: number) =>
      platform.superuser.query(
        `insert into sync.operations (kind, scope, outcome, app, login, done_at)
         values ('test.age', '{}', '{}', 'sync', 'sync_app', clock_timestamp() - make_interval(days => $1))`,
        [age],
      );
    await platform.superuser.query('alter table sync.operations disable trigger keep_young');
    await platform.superuser.query('delete from sync.operations');
    await platform.superuser.query('alter table sync.operations enable trigger keep_young');
    for (const age of [800, 740, 720, 100, 80]) await add(age);
    const trim = (part = 20_000) => platform.sync.query('select sync.trim_operations($1)', [part]);
    await trim(1);
    expect(await days()).toEqual([740, 720, 100, 80]);
    await trim();
    expect(await days()).toEqual([720, 100, 80]);
    await platform.sync.query(`select sync.set_health_limit('operations_keep_days', 1, 'a test')`);
    await trim();
    expect(await days()).toEqual([80]);
    expect(await lastOperation()).toMatchObject({ kind: 'health.limit', scope: { limit: 'operations_keep_days' } });
  });
});

describe('a failure', () => {
  test('keeps every attempt with its process, its time and its error, and the one that handled the event', async () => {
    let isBroken = true;
    const { name, dead } = await subscribe(() =>
      isBroken ? Object.assign(new TypeError(`no box ${unique} for ada@example.com`), { code: 'EBOX' }) : undefined,
    );
    await newCustomer();
    await until(async () => (await dead()).length === 1);
    isBroken = false;
    await redrive(platform.sync, { subscription: name });
    await until(async () => (await listParked(platform.sync, { subscription: name })).length === 0);
    const { rows } = await platform.sync.query('select * from sync.attempts where subscription = $1 order by id', [
      name,
    ]);
    expect(rows.map(({ attempt, error }) => [attempt, error])).toEqual([
      [1, expect.stringMatching(/^TypeError: no box \d+ for ada@example\.com$/)],
      [2, expect.stringMatching(/^TypeError/)],
      [1, null],
    ]);
    expect(rows[0]).toMatchObject({
      process: expect.stringMatching(new RegExp(`:${process.pid}$`)),
      cause: rows[1].cause,
    });
    expect(rows[0].duration_ms).toBeGreaterThanOrEqual(0);
    // The cause says nothing of Ada, counts both failures, and is listed only while something is parked for it.
    const cause = await platform.sync.query('select * from sync.causes where subscription = $1', [name]);
    expect(cause.rows).toMatchObject([
      { error_class: 'TypeError EBOX', shape: 'no box <n> for <address>', failures: '2' },
    ]);
    expect(await listCauses(platform.sync, { subscription: name }, { limit: 5 })).toEqual([]);
  });

  test('is counted by the hour, and the hours move on', async () => {
    const { name, dead } = await subscribe(() => new Error('poison'), { attemptsMax: 1 });
    await newCustomer();
    await until(async () => (await dead()).length === 1);
    await platform.superuser.query(`update sync.causes set hour = hour - interval '3 hours' where subscription = $1`, [
      name,
    ]);
    const hours = async () => (await listCauses(platform.sync, { subscription: name }, { limit: 5 }))[0]?.by_hour;
    expect(await hours()).toEqual([...Array(20).fill(0), 1, 0, 0, 0]);
    await newCustomer();
    await until(async () => (await dead()).length === 2);
    expect(await hours()).toEqual([...Array(20).fill(0), 1, 0, 0, 1]);
    await platform.superuser.query(`update sync.causes set hour = hour - interval '40 hours' where subscription = $1`, [
      name,
    ]);
    expect(await hours()).toEqual(Array(24).fill(0));
    await newCustomer();
    await until(async () => (await dead()).length === 3);
    expect(await hours()).toEqual([...Array(23).fill(0), 1]);
  });
});

test('a rewind says beforehand how many events it gives to which app, and is refused while the subscription runs', async () => {
  const { name } = await subscribe(() => undefined);
  for (let n = 0; n < 3; n++) await newCustomer();
  await platform.settled(name);
  const [status] = await listSubscriptions(platform.sync, name);
  const preview = await previewReplay(platform.sync, { subscription: name, fromPosition: 1 });
  expect(preview).toMatchObject({ app: 'support', from: 1, until: status?.position, is_paused: false, is_whole: true });
  await expect(replay(platform.sync, { subscription: name, fromPosition: 1 })).rejects.toMatchObject({
    refusal: 'not-possible',
    message: `Pause ${name} first.`,
  });
  await pause(platform.sync, name, 'a rewind');
  expect(await replay(platform.sync, { subscription: name, fromPosition: 1 })).toEqual({
    events: preview.events,
    is_whole: true,
  });
  await resume(platform.sync, name);
  await platform.settled(name);
});

test('a run whose subscription is at a long step keeps no other run from its turn, and loses nothing by it', async () => {
  const [busy, free] = await Promise.all([1, 2].map(() => subscribe(() => new Error('no'), { attemptsMax: 1 })));
  await Promise.all([newCustomer(), newCustomer()]);
  await until(async () => (await busy?.dead())?.length === 2 && (await free?.dead())?.length === 2);
  const runs: number[] = [];
  for (const { name } of [busy, free] as { name: string }[]) {
    const { run } = await freezeFailures(platform.sync, { kind: 'skip', subscription: name, filter: {} });
    await confirmRun(platform.sync, { run, reason: 'a test', ratePerSecond: 1 });
    runs.push(run);
  }
  const [held, other] = runs as [number, number];
  const work = async () => Number((await platform.sync.query('select sync.work_run() as run')).rows[0].run);
  await platform.superuser.query('begin');
  await platform.superuser.query('select from sync.subscriptions where name = $1 for update', [busy?.name]);
  expect([await work(), await work()]).toEqual([held, other]);
  await platform.superuser.query('rollback');
  expect(await readRun(platform.sync, held)).toMatchObject({ skipped: 0, gone: 0, untouched: 2, ended_at: null });
  expect(await readRun(platform.sync, other)).toMatchObject({ skipped: 1, untouched: 1 });
  await until(async () => (await work()) > 0 && (await readRun(platform.sync, held)).ended_at !== null);
  expect(await readRun(platform.sync, held)).toMatchObject({ skipped: 2, gone: 0, total: 2 });
  await until(async () => (await work()) === 0 && (await readRun(platform.sync, other)).ended_at !== null);
  // One event a second is one event a second: the end is found a second after the last one.
  const { confirmed_at, ended_at } = await readRun(platform.sync, other);
  expect(Number(ended_at) - Number(confirmed_at)).toBeGreaterThan(1_900);
});
