import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { atEnd } from '@aether/database/testing';
import type { AppEvent } from '@aether/platform';
import { beforeAll, expect, test } from 'vitest';
import { startTestPlatform, type TestPlatform, until } from '../testing.ts';
import { startBulk } from '../worker/bulk.ts';
import { OperationRefused } from './acting.ts';
import { listCauses } from './causes.ts';
import { listParked, skip } from './parked.ts';
import { confirmRun, freezeFailures, listRuns, type Run, readRun, steerRun } from './runs.ts';
import { remove } from './subscriptions.ts';

let platform: TestPlatform;
let unique = 0;
beforeAll(async () => {
  platform = await startTestPlatform();
});

/** So many new customers, each with one event. */
const addCustomers = (count: number) =>
  platform.foundation.query(
    `insert into platform.customers (email, name) select 'r' || $1 || '-' || n || '@example.com', 'R' from generate_series(1, $2) n`,
    [++unique, count],
  );

/** A subscription that fails for every event, until `isBroken` says no. */
async function subscribe(types: 'customer.created'[] = ['customer.created']) {
  const name = `support.runs${++unique}`;
  const state = { isBroken: (_: AppEvent): boolean => true };
  const subscription = platform.support.events.subscribeBatch(
    { name, types, attemptsMax: 1, pollMs: 50, onError: () => {} },
    async (events) => {
      for (const event of events) if (state.isBroken(event)) throw new Error(`no mail server for ${event.key}`);
    },
  );
  atEnd(() => subscription.stop());
  await subscription.ready;
  const dead = async () =>
    (await listParked(platform.sync, { subscription: name, state: 'dead', limit: 1_000 })).length;
  return { name, state, dead };
}

const sumOf = (run: Run) =>
  run.handled + run.failed + run.held_back + run.skipped + run.gone + run.untouched + run.tried;
const ended = async (run: number) => (await readRun(platform.sync, run)).ended_at !== null;

function startWorker(): ChildProcess {
  const child = spawn(process.execPath, [join(import.meta.dirname, '..', 'main.ts')], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      PLATFORM_DB_URL: platform.database.url('sync_app'),
    },
    stdio: 'ignore',
  });
  atEnd(async () => void child.kill('SIGKILL'));
  return child;
}

/** A worker of runs in this process. Each test ends its own: the next one counts what it has done by hand. */
function workHere() {
  const bulk = startBulk({ url: platform.database.url('sync_app'), idleLookMs: 20, onError: () => {} });
  atEnd(() => bulk.stop());
  return bulk;
}

test('a frozen set is redriven through a kill -9 of the worker, and its numbers are exact', {
  timeout: 60_000,
}, async () => {
  const { name, state, dead } = await subscribe();
  await addCustomers(80);
  await until(async () => (await dead()) === 80);
  const [cause] = await listCauses(platform.sync, { subscription: name }, { limit: 10 });
  expect(cause).toMatchObject({
    events: 80,
    dead: 80,
    customers: 80,
    shape: 'no mail server for <id>',
    failures: 80,
  });
  const frozen = await freezeFailures(platform.sync, {
    kind: 'redrive',
    subscription: name,
    filter: { cause: cause?.cause },
  });
  expect(frozen.total).toBe(80);
  // What fails after the freezing is not in the set, and what is taken away from it is gone.
  await addCustomers(1);
  await until(async () => (await dead()) === 81);
  const parked = await listParked(platform.sync, { subscription: name, limit: 81 });
  const late = parked.at(-1)?.position;
  await skip(platform.sync, { subscription: name, position: parked[60]?.position as number });
  const poisoned = new Set(parked.slice(10, 15).map(({ key }) => key));
  state.isBroken = ({ key }) => poisoned.has(key);

  const first = startWorker();
  await confirmRun(platform.sync, { run: frozen.run, reason: 'the mail server is back', ratePerSecond: 40 });
  await until(async () => (await readRun(platform.sync, frozen.run)).handled > 0);
  first.kill('SIGKILL');
  const killed = await readRun(platform.sync, frozen.run);
  expect(killed.ended_at).toBeNull();
  expect(sumOf(killed)).toBe(80);
  const second = startWorker();
  await until(() => ended(frozen.run));
  // It would take batches of the run below, which counts those that it takes by hand.
  second.kill('SIGKILL');
  await once(second, 'exit');
  expect(await readRun(platform.sync, frozen.run)).toMatchObject({
    state: 'done',
    total: 80,
    handled: 74,
    failed: 5,
    gone: 1,
    skipped: 0,
    held_back: 0,
    untouched: 0,
    tried: 0,
  });
  const left = await listParked(platform.sync, { subscription: name });
  expect(left).toHaveLength(6);
  expect(left.at(-1)).toMatchObject({ position: late, state: 'dead' });
  expect(await operations(frozen.run)).toEqual([
    ['bulk.redrive', 'the mail server is back', { events: 80 }],
    ['bulk.end', 'the mail server is back', expect.objectContaining({ handled: 74, failed: 5, gone: 1, total: 80 })],
  ]);
});

test('a run that skips is paused, goes on, is cancelled, and says how many events it left untouched', async () => {
  const { name, dead } = await subscribe();
  await addCustomers(40);
  await until(async () => (await dead()) === 40);
  const { run } = await freezeFailures(platform.sync, { kind: 'skip', subscription: name, filter: {} });
  await expect(steerRun(platform.sync, { run, to: 'paused' })).rejects.toThrow(/is frozen/);
  await confirmRun(platform.sync, { run, reason: 'a test', ratePerSecond: 40 });
  await expect(confirmRun(platform.sync, { run, reason: 'again' })).rejects.toThrow(/confirmed already/);
  // One batch by hand: a run is due again a quarter of a second later.
  const { rows } = await platform.sync.query('select sync.work_run() as run');
  expect(Number(rows[0].run)).toBe(run);
  expect(await readRun(platform.sync, run)).toMatchObject({ skipped: 10, untouched: 30, ended_at: null });
  await steerRun(platform.sync, { run, to: 'paused', reason: 'a look' });
  expect((await platform.sync.query('select sync.work_run() as run')).rows[0].run).toBeNull();
  await steerRun(platform.sync, { run, to: 'running' });
  await platform.sync.query('select sync.work_run()');
  await steerRun(platform.sync, { run, to: 'cancelled', reason: 'enough' });
  const bulk = workHere();
  await until(() => ended(run));
  await bulk.stop();
  const over = await readRun(platform.sync, run);
  expect(over).toMatchObject({ state: 'cancelled', skipped: 20, untouched: 20, total: 40 });
  expect(await dead()).toBe(20);
  expect((await listRuns(platform.sync)).map((each) => each.id)).toContain(run);
  await expect(steerRun(platform.sync, { run, to: 'running' })).rejects.toThrow(OperationRefused);
});

test('a set whose subscription is removed ends with all of its events gone', async () => {
  const { name, dead } = await subscribe();
  await addCustomers(3);
  await until(async () => (await dead()) === 3);
  const { run } = await freezeFailures(platform.sync, {
    kind: 'redrive',
    subscription: name,
    filter: { state: 'dead' },
  });
  await remove(platform.sync, name);
  await confirmRun(platform.sync, { run, reason: 'too late' });
  const bulk = workHere();
  await until(() => ended(run));
  await bulk.stop();
  expect(await readRun(platform.sync, run)).toMatchObject({ state: 'done', gone: 3, total: 3 });
  await expect(
    freezeFailures(platform.sync, { kind: 'redrive', subscription: 'support.nobody', filter: {} }),
  ).rejects.toThrow(/no subscription support.nobody/);
});

test('a run whose batches end in an error keeps no other from its turn, says why, and goes on when the cause is gone', async () => {
  const [poisoned, other] = [await subscribe(), await subscribe()];
  await addCustomers(2);
  await until(async () => (await poisoned.dead()) === 2 && (await other.dead()) === 2);
  const superuser = await platform.database.connect('postgres');
  await superuser.query(
    `alter table sync.parked add constraint nobody_touches_it check (subscription <> '${poisoned.name}' or state = 'dead') not valid`,
  );
  const confirm = async (subscription: string) => {
    const { run } = await freezeFailures(platform.sync, { kind: 'redrive', subscription, filter: {} });
    await confirmRun(platform.sync, { run, reason: 'a test' });
    return run;
  };
  const bulk = workHere();
  other.state.isBroken = () => false;
  const first = await confirm(poisoned.name);
  await until(async () => (await readRun(platform.sync, first)).hindrance !== null);
  const second = await confirm(other.name);
  await until(() => ended(second));
  expect(await readRun(platform.sync, second)).toMatchObject({ handled: 2, hindrance: null });
  expect(await readRun(platform.sync, first)).toMatchObject({
    tried: 0,
    untouched: 2,
    hindrance: expect.stringMatching(/undone by an error \(23514 nobody_touches_it\)/),
  });
  await superuser.query('alter table sync.parked drop constraint nobody_touches_it');
  poisoned.state.isBroken = () => false;
  await until(() => ended(first));
  await bulk.stop();
  expect(await readRun(platform.sync, first)).toMatchObject({ handled: 2, hindrance: null });
});

test('a set that nobody confirmed within an hour is refused, and removed part by part', async () => {
  const { name, dead } = await subscribe();
  await addCustomers(3);
  await until(async () => (await dead()) === 3);
  const { run } = await freezeFailures(platform.sync, { kind: 'skip', subscription: name, filter: {} });
  const superuser = await platform.database.connect('postgres');
  await superuser.query(`update sync.bulk_runs set frozen_at = now() - interval '2 hours' where id = $1`, [run]);
  await expect(confirmRun(platform.sync, { run, reason: 'too late' })).rejects.toThrow(/freeze it again/);
  const itemsLeft = async () => {
    await platform.sync.query('select sync.trim_operations(2)');
    const { rows } = await platform.sync.query(
      `select (select count(*)::integer from sync.bulk_items where run = $1) as items,
         (select count(*)::integer from sync.bulk_runs where id = $1) as runs`,
      [run],
    );
    return rows[0];
  };
  expect(await itemsLeft()).toEqual({ items: 1, runs: 1 });
  expect(await itemsLeft()).toEqual({ items: 0, runs: 0 });
});

async function operations(run: number): Promise<[string, string, object][]> {
  const { rows } = await platform.sync.query(
    `select kind, reason, outcome from sync.operations where (scope ->> 'run')::bigint = $1 order by id`,
    [run],
  );
  return rows.map(({ kind, reason, outcome }) => [kind, reason, outcome]);
}
