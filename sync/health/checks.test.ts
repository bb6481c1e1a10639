import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { atEnd, createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { requireUnderWay } from '@aether/database/testing.scope';
import { connectPlatform, type PlatformDb, TargetUnavailable } from '@aether/platform';
import { startTestLine } from '@aether/platform/testing.line';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { skip } from '../operations/parked.ts';
import { pause, resume } from '../operations/subscriptions.ts';
import { findPort, until } from '../testing.ts';
import { startMonitor } from '../worker/monitor.ts';
import { startSequencer } from '../worker/sequencer.ts';
import type { Check, Status } from './health.ts';

/** Longer than any limit here, and shorter than a test may take. */
const turnsWithinMs = 20_000;

/** A database whose limits are low, so that what is broken shows soon, and a way to look at its checks. */
async function startLook() {
  const database = await createTestDatabase();
  const [superuser, sync] = await Promise.all([database.connect('postgres'), database.connect('sync_app')]);
  const limits = {
    silent_seconds: 3,
    lag_seconds: 0.2,
    transaction_seconds: 0.2,
    adoption_seconds: 0.2,
    waiting_seconds: 0.5,
    worsens_seconds: 0.001,
  };
  for (const [name, value] of Object.entries(limits))
    await sync.query('select sync.set_health_limit($1, $2, $3)', [name, value, 'a test']);

  async function look(): Promise<Map<string, Check>> {
    await superuser.query(`update sync.health set evaluated_at = '-infinity'`);
    const { rows } = await sync.query<Check>('select * from sync.evaluate_checks()');
    return new Map(rows.map((check) => [check.slug, check]));
  }
  /** Looks until the check has this status. @throws with the status that it has instead */
  async function turned(slug: string, status: Status): Promise<Check> {
    for (const endsAt = performance.now() + turnsWithinMs; ; await wait(150)) {
      requireUnderWay();
      const check = (await look()).get(slug);
      if (check?.status === status) return check;
      if (performance.now() > endsAt)
        throw new Error(`${slug} is not ${status}, but ${check?.status}: ${check?.reason}`);
    }
  }
  const connect = async (app: string, url = database.url(`${app}_app` as 'support_app')): Promise<PlatformDb> => {
    const db = await connectPlatform({ app, variables: { PLATFORM_DB_URL: url }, heartbeatMs: 200 });
    atEnd(() => db.close(500).catch(() => {})); // a test may have closed it
    return db;
  };
  return { database, superuser, sync, look, turned, connect };
}

// Most of it is waiting for limits, so both stories go on at once. In each, a test follows the one before it.
const inTurn = { concurrent: false };

describe.concurrent('of a worker that is a process', () => {
  let database: TestDatabase;
  let turned: (slug: string, status: Status) => Promise<Check>;
  let connect: (app: string) => Promise<PlatformDb>;
  let child: ChildProcess;
  let port: number;
  let line: Awaited<ReturnType<typeof startTestLine>>;

  beforeAll(async () => {
    ({ database, turned, connect } = await startLook());
    line = await startTestLine(database.url('sync_app'));
    port = await findPort();
    child = spawn(process.execPath, [join(import.meta.dirname, '..', 'main.ts')], {
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        PLATFORM_DB_URL: line.url,
        SYNC_PORT: `${port}`,
      },
      stdio: 'ignore',
    });
    atEnd(async () => {
      child.kill('SIGKILL');
      await line.close();
    });
    await turned('process:sync', 'ok');
  });
  const probe = (path: string) =>
    fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(5_000) }).then(({ status }) => status);

  test('it is well while it reports, and says on its own port that it is alive and ready', inTurn, async () => {
    await turned('sequencer', 'ok');
    await turned('monitor', 'ok');
    await turned('retention', 'ok');
    expect(await turned('certificate:sync', 'ok')).toMatchObject({
      reason: 'Its connections to the database use no TLS.',
    });
    await until(async () => (await probe('/readyz')) === 200);
    expect(await Promise.all(['/healthz', '/metrics', '/'].map(probe))).toEqual([200, 404, 404]);
  });

  test('it is silent while kill -STOP holds it, and well again when it goes on', inTurn, async () => {
    child.kill('SIGSTOP');
    const stopped = await turned('process:sync', 'silent');
    expect(stopped.reason).toMatch(/^\S+ has been silent for \d+ s, and no other process of it reports\.$/);
    // Nobody else numbers: the lease has run out.
    const support = await connect('support');
    await support.findOrCreateCustomer({ email: 'waiting@example.com', name: 'Ada' });
    expect((await turned('sequencer', 'silent')).reason).toMatch(
      /silent for .* 1 events wait|silent for .* \d+ events wait/,
    );
    await turned('outbox', 'catching-up');
    child.kill('SIGCONT');
    await turned('process:sync', 'ok');
    await turned('sequencer', 'ok');
    await turned('outbox', 'ok');
    await support.close();
  });

  test('it is silent while its line is cut, is not ready, and is well again with a new line', inTurn, async () => {
    line.silence();
    await turned('process:sync', 'silent');
    await until(async () => (await probe('/readyz')) === 503);
    expect(await probe('/healthz')).toBe(200);
    line.restore();
    await turned('process:sync', 'ok');
    await turned('sequencer', 'ok');
    await until(async () => (await probe('/readyz')) === 200);
  });

  // The limits of production with one exception: silence counts after three seconds in place of seven, so that nobody waits for it.
  const shippedSeconds = 7;
  const withinSeconds = 10;
  test.each([
    ['kill -STOP', () => void child.kill('SIGSTOP'), () => void child.kill('SIGCONT')],
    ['a line that is cut', () => line.silence(), () => line.restore()],
  ])(
    '%s makes it silent within ten seconds, with the pace of production and by the clock of the database',
    inTurn,
    async (_, stop, mend) => {
      const clock = await database.connect('sync_app');
      const { rows } = await clock.query(`select value from sync.health_limits where name = 'silent_seconds'`);
      const monitor = startMonitor({ url: database.url('sync_app') });
      try {
        await until(
          async () =>
            (await clock.query(`select from sync.check_states where slug = 'process:sync' and status = 'ok'`))
              .rowCount === 1,
        );
        const [{ now }] = (await clock.query('select clock_timestamp() as now')).rows;
        stop();
        const since = async () =>
          (await clock.query(`select since from sync.check_states where slug = 'process:sync' and status = 'silent'`))
            .rows[0]?.since;
        await until(async () => (await since()) !== undefined);
        const tookSeconds = ((await since()) - now) / 1_000;
        expect(tookSeconds + shippedSeconds - rows[0].value).toBeLessThan(withinSeconds);
      } finally {
        mend();
        await monitor.stop();
      }
      await turned('process:sync', 'ok');
    },
  );

  test('a clean stop is told from silence', inTurn, async () => {
    child.kill('SIGTERM');
    await once(child, 'close');
    expect((await turned('process:sync', 'unknown')).reason).toMatch(
      /^No process runs: the last one was stopped \d+ s ago\.$/,
    );
    expect((await turned('sequencer', 'stalled')).reason).toMatch(/^No worker runs: the last one was stopped/);
  });
});

describe.concurrent('of apps and subscriptions', () => {
  let database: TestDatabase;
  let superuser: pg.Client;
  let sync: pg.Client;
  let look: () => Promise<Map<string, Check>>;
  let turned: (slug: string, status: Status) => Promise<Check>;
  let connect: (app: string, url?: string) => Promise<PlatformDb>;
  let foundation: PlatformDb;
  let support: PlatformDb;
  beforeAll(async () => {
    ({ database, superuser, sync, look, turned, connect } = await startLook());
    [foundation, support] = await Promise.all([connect('foundation'), connect('support')]);
    const sequencer = startSequencer({ url: database.url('sync_app') });
    atEnd(() => sequencer.stop());
    for (const slug of ['process:foundation', 'process:support', 'sequencer']) await turned(slug, 'ok');
  });
  let people = 0;
  const addCustomer = () => support.findOrCreateCustomer({ email: `person-${++people}@example.com`, name: 'Ada' });

  test('a subscription is paused, goes on, is read by nobody, and is gone', inTurn, async () => {
    const subscription = support.events.subscribe('customer.created', async () => {}, { name: 'support.reads' });
    await subscription.ready;
    await turned('subscription:support.reads', 'ok');
    await pause(sync, 'support.reads', 'a new printer');
    expect((await turned('subscription:support.reads', 'paused')).reason).toBe('It is paused: a new printer');
    await resume(sync, 'support.reads');
    await turned('subscription:support.reads', 'ok');
    await subscription.stop();
    expect((await turned('subscription:support.reads', 'unknown')).reason).toBe('No process reports that it reads it.');
    await addCustomer();
    expect(await turned('subscription:support.reads', 'stalled')).toMatchObject({
      reason: expect.stringMatching(/^No process reads it\. It is|^No process reads it\./),
      measures: { readers: 0 },
    });
    await support.events.unsubscribe('support.reads');
    await until(async () => !(await look()).has('subscription:support.reads'));
  });

  test('a handler that fails warns, then needs a person, and is well when its event is skipped', inTurn, async () => {
    const subscription = support.events.subscribe(
      'customer.created',
      async () => {
        throw new Error('no printer');
      },
      { name: 'support.fails', attemptsMax: 2, retryFirstMs: 700, retryMaxMs: 700, onError: () => {} },
    );
    await subscription.ready;
    await addCustomer();
    expect(await turned('subscription:support.fails', 'warning')).toMatchObject({ measures: { retrying: 1, dead: 0 } });
    const dead = await turned('subscription:support.fails', 'parked');
    expect(dead).toMatchObject({
      reason: expect.stringMatching(/^1 events are dead and wait for a person\./),
      measures: { dead: 1 },
    });
    const { rows } = await sync.query(`select position::integer as position from sync.parked`);
    await skip(sync, { subscription: 'support.fails', position: rows[0].position });
    await turned('subscription:support.fails', 'ok');
    await subscription.remove();
  });

  test('a subscription whose target is out of reach fails, stalls what it reads, and catches up', inTurn, async () => {
    let isReachable = false;
    const subscription = support.events.subscribe(
      'customer.created',
      async () => {
        if (!isReachable) throw new TargetUnavailable('the printer is off', { retryAfterMs: 20 });
      },
      { name: 'support.prints', onError: () => {} },
    );
    await subscription.ready;
    await addCustomer();
    expect((await turned('subscription:support.prints', 'failing')).reason).toMatch(
      /^Its last \d+ steps failed \(TargetUnavailable\)\. It is|^Its last \d+ steps failed \(TargetUnavailable\)\./,
    );
    isReachable = true;
    await turned('subscription:support.prints', 'ok');
    await subscription.remove();
  });

  test('a reader that has been at one step for long is stalled, although its process reports', inTurn, async () => {
    const released = Promise.withResolvers<void>();
    const subscription = support.events.subscribe('customer.created', () => released.promise, {
      name: 'support.hangs',
    });
    await subscription.ready;
    await turned('subscription:support.hangs', 'ok');
    // It moved ten seconds ago, by the clock of the database.
    await superuser.query(
      `update sync.subscriptions set moved_at = moved_at - interval '10 seconds' where name = 'support.hangs'`,
    );
    await addCustomer();
    expect((await turned('subscription:support.hangs', 'stalled')).reason).toMatch(/^It has not moved for \d+ s\./);
    // Three quarters of a minute later, by the clock of the database.
    const age = () =>
      superuser.query(
        `update sync.heartbeats set turns = jsonb_set(turns, '{subscription:support.hangs,1}', to_jsonb(extract(epoch from now()) - 45))
         where turns ? 'subscription:support.hangs'`,
      );
    await age();
    await until(async () => {
      const check = (await look()).get('subscription:support.hangs');
      return /^Its reader has been at one step for 4\d s\./.test(check?.reason ?? '');
    });
    released.resolve();
    await turned('subscription:support.hangs', 'ok');
    await subscription.remove();
  });

  test(
    'a process whose line is cut is silent, a new one replaces it, and nobody counts it any more',
    inTurn,
    async () => {
      const line = await startTestLine(database.url('support_app'));
      const cut = await connect('support', line.url);
      await until(async () => (await look()).get('process:support')?.measures.live === 2);
      line.silence();
      expect((await turned('process:support', 'silent')).reason).toMatch(
        /^\S+ has been silent for \d+ s; 1 of its other processes report\.$/,
      );
      // A minute later another process has started in its place.
      await superuser.query(
        `update sync.heartbeats set beat_at = beat_at - interval '61 seconds' where beat_at < now() - interval '2 seconds'`,
      );
      await connect('support');
      await turned('process:support', 'ok');
      await Promise.all([cut.close(200), line.close()]);
    },
  );

  test(
    'the live feed of a process that may open no new connection is cut, and live again when it may',
    inTurn,
    async () => {
      const stopping = new AbortController();
      const seen: string[] = [];
      const following = (async () => {
        for await (const { key } of support.events.follow({ types: ['customer.created'], signal: stopping.signal }))
          seen.push(key);
      })();
      await turned('feed:support', 'ok');
      const limit = (connections: number) =>
        superuser.query(`alter database ${database.name} connection limit ${connections}`);
      // The heartbeat goes on over the connections that are open.
      await limit(0);
      await superuser.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name = 'aether-listener' and usename = 'support_app'`,
      );
      await turned('feed:support', 'failing');
      await turned('process:support', 'ok');
      const { customer } = await addCustomer();
      await limit(-1);
      await turned('feed:support', 'ok');
      await until(() => seen.includes(customer.id));
      stopping.abort();
      await following.catch(() => {});
    },
  );

  test('a customer that a chat made waits for its number, and gets it', inTurn, async () => {
    const { customer } = await addCustomer();
    expect((await turned('adoption', 'stalled')).reason).toMatch(
      /customers that a chat made have no number in Foundation/,
    );
    for (const { id } of (await superuser.query('select id from platform.customers where crm_id is null')).rows)
      await foundation.adoptCustomer(id);
    expect((await foundation.getCustomerById(customer.id))?.crm_id).not.toBeNull();
    await turned('adoption', 'ok');
  });

  test(
    'a transaction that is open for long is found without looking into its session, and is over',
    inTurn,
    async () => {
      const open = await database.connect('foundation_app');
      await open.query('begin');
      await open.query('select pg_current_xact_id()');
      expect((await turned('transactions', 'warning')).reason).toMatch(/has been open for/);
      await open.query('rollback');
      await turned('transactions', 'ok');
    },
  );

  test('a full pool is seen, because the heartbeat does not wait for it', inTurn, async () => {
    const small = await connectPlatform({
      app: 'foundation',
      variables: { PLATFORM_DB_URL: database.url('foundation_app'), PLATFORM_DB_POOL_MAX: '1' },
      heartbeatMs: 100,
    });
    const full = Promise.withResolvers<void>();
    const held = small.transaction({}, () => full.promise);
    const waiting = small.query('select 1');
    expect((await turned('pool:foundation', 'warning')).reason).toMatch(
      /connections are in use, and 1 calls wait for one\.$/,
    );
    full.resolve();
    await Promise.all([held, waiting]);
    await turned('pool:foundation', 'ok');
    await small.close();
  });

  test(
    'the disk of the log and the connections are judged by limits that an operator sets, with a record',
    inTurn,
    async () => {
      await superuser.query('select sync.roll_up()');
      await turned('disk', 'ok');
      await sync.query(`select sync.set_health_limit('log_bytes', 1, 'a small disk')`);
      await turned('disk', 'failing');
      await sync.query(`select sync.set_health_limit('log_bytes', 5e10)`);
      await turned('disk', 'ok');
      await sync.query(`select sync.set_health_limit('connections_percent', 0.1)`);
      await turned('database', 'warning');
      await sync.query(`select sync.set_health_limit('connections_percent', 80)`);
      await turned('database', 'ok');
      const { rows } = await sync.query(
        `select scope, reason, outcome from sync.operations where reason = 'a small disk'`,
      );
      expect(rows).toEqual([
        { scope: { limit: 'log_bytes' }, reason: 'a small disk', outcome: { before: 53_687_091_200, after: 1 } },
      ]);
      await expect(sync.query(`select sync.set_health_limit('nonsense', 1)`)).rejects.toThrow(
        'there is no limit nonsense',
      );
      await expect(sync.query(`select sync.set_health_limit('log_bytes', 0)`)).rejects.toThrow(/check constraint/);
      const app = await database.connect('support_app');
      await expect(app.query(`select sync.set_health_limit('log_bytes', 1)`)).rejects.toThrow(/permission denied/);
      await expect(app.query('select sync.evaluate_checks()')).rejects.toThrow(/permission denied/);
    },
  );

  // What a process says of itself, as it says it.
  const day = 86_400;
  const seconds = () => Date.now() / 1_000;
  test.each<[what: string, slug: string, bad: () => object, status: Status, good: () => object]>([
    ['a cut feed', 'feed:console', () => ({ feed: { state: 'cut' } }), 'failing', () => ({ feed: { state: 'live' } })],
    [
      'a late feed',
      'feed:console',
      () => ({ feed: { state: 'late' } }),
      'catching-up',
      () => ({ feed: { state: 'live' } }),
    ],
    [
      'a cache that is bypassed',
      'cache:console',
      () => ({ cache: { mode: 'bypassed', reason: 'the feed is cut' } }),
      'warning',
      () => ({ cache: { mode: 'serving' }, counters: { cache_hits: 9, cache_misses: 1 } }),
    ],
    [
      'a replica out of reach',
      'replica:console',
      () => ({ replica: { state: 'down', kind: 'out of reach', age_max_seconds: 5 } }),
      'warning',
      () => ({ replica: { state: 'up', age_seconds: 0.2, age_max_seconds: 5 } }),
    ],
    [
      'a replica that is too old',
      'replica:console',
      () => ({ replica: { state: 'up', age_seconds: 90, age_max_seconds: 5 } }),
      'warning',
      () => ({ replica: { state: 'up', age_seconds: 0.2, age_max_seconds: 5 } }),
    ],
    [
      'a certificate that ends soon',
      'certificate:console',
      () => ({ tls: true, certificate_until: seconds() + 10 * day }),
      'warning',
      () => ({ tls: true, certificate_until: seconds() + 90 * day }),
    ],
    [
      'a certificate that has ended',
      'certificate:console',
      () => ({ tls: true, certificate_until: seconds() - day }),
      'failing',
      () => ({ tls: false }),
    ],
    [
      'an identity provider out of reach',
      'sign-in:console',
      () => ({ sign_in: { state: 'unreachable', error: 'OperationProcessingError' }, turns: { sign_in: 1 } }),
      'failing',
      () => ({ sign_in: { state: 'reachable' }, turns: { sign_in: 2 } }),
    ],
    [
      'old events that are held',
      'retention',
      () => ({ retention: { keep_days: 9, stays: 'held', holders: ['support.slow'] }, turns: { retention: 1 } }),
      'warning',
      () => ({ retention: { keep_days: 9, stays: 'young', holders: [] }, turns: { retention: 2 } }),
    ],
  ])('%s turns its check, and turns it back', inTurn, async (_what, slug, bad, status, good) => {
    const by = await database.connect(slug === 'retention' ? 'sync_app' : 'console_app');
    const say = (report: object, clockMs = Date.now()) =>
      by.query('select sync.beat($1, $2, $3)', ['sayer', clockMs, JSON.stringify(report)]);
    await say(bad());
    await turned(slug, status);
    await say(good());
    await turned(slug, 'ok');
  });

  test('a clock that is set apart is seen at the second beat, and when it is right again', inTurn, async () => {
    const by = await database.connect('console_app');
    const say = (offMs: number) => by.query('select sync.beat($1, $2, $3)', ['clock', Date.now() + offMs, '{}']);
    await say(0);
    await turned('clock:console', 'ok');
    await say(-60_000);
    // One beat that comes late looks like a slow clock.
    await turned('clock:console', 'ok');
    await say(-60_000);
    expect((await turned('clock:console', 'failing')).reason).toBe(
      'The clock of clock and that of the database are 60 s apart.',
    );
    await say(0);
    await turned('clock:console', 'ok');
    await say(5_000);
    await turned('clock:console', 'warning');
    for (const _ of [1, 2]) await say(0);
    await turned('clock:console', 'ok');
  });

  test(
    'a worse or another bad state that is seen once turns nothing, unless a fact proves it; what lasts turns the check as of when it began',
    inTurn,
    async () => {
      const by = await database.connect('console_app');
      const say = (report: object) =>
        by.query('select sync.beat($1, $2, $3)', ['flicker', Date.now(), JSON.stringify(report)]);
      const live = { feed: { state: 'live' }, sign_in: { state: 'reachable' }, turns: { sign_in: 1 } };
      const statusOf = async (slug: string) => (await look()).get(slug)?.status;
      await say(live);
      await turned('feed:console', 'ok');
      await sync.query(`select sync.set_health_limit('worsens_seconds', 3600)`);
      try {
        await say({ ...live, feed: { state: 'cut' } });
        const first = await statusOf('feed:console');
        expect([first, await statusOf('feed:console')]).toEqual(['ok', 'ok']);
        await say(live);
        expect(await statusOf('feed:console')).toBe('ok');
        // A person's pause is a fact.
        const subscription = support.events.subscribe('customer.created', async () => {}, { name: 'support.fact' });
        await subscription.ready;
        await turned('subscription:support.fact', 'ok');
        await pause(sync, 'support.fact', 'a fact');
        expect(await statusOf('subscription:support.fact')).toBe('paused');
        await subscription.remove();

        await say({ ...live, feed: { state: 'cut' } });
        await look();
        const began = Date.now();
        await sync.query(`select sync.set_health_limit('worsens_seconds', 0.001)`);
        await wait(2);
        const check = (await look()).get('feed:console') as Check;
        expect(check.status).toBe('failing');
        expect(check.since.getTime()).toBeLessThanOrEqual(began);
        // A step from one trouble to another on the way back is no change either.
        await sync.query(`select sync.set_health_limit('worsens_seconds', 3600)`);
        await say({ ...live, feed: { state: 'late' } });
        expect(await statusOf('feed:console')).toBe('failing');
        await sync.query(`select sync.set_health_limit('worsens_seconds', 0.001)`);
        await turned('feed:console', 'catching-up');
        await say(live);
        expect(await statusOf('feed:console')).toBe('ok');
      } finally {
        await sync.query(`select sync.set_health_limit('worsens_seconds', 0.001)`);
      }
    },
  );

  test('a change of state is written once, whoever evaluates, and keeps its time while it lasts', inTurn, async () => {
    await superuser.query(`
      create table sync.seen (slug text, status text);
      create function sync.see() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
        begin insert into sync.seen values (new.slug, new.status); return null; end $$;
      create trigger see after update of status on sync.check_states for each row when (old.status is distinct from new.status)
        execute function sync.see()`);
    const viewers = await Promise.all(Array.from({ length: 5 }, () => database.connect('console_app')));
    const say = (state: string) =>
      viewers[0]?.query('select sync.beat($1, $2, $3)', ['once', Date.now(), JSON.stringify({ feed: { state } })]);
    await say('live');
    await turned('feed:console', 'ok');
    await superuser.query('truncate sync.seen');
    await say('cut');
    for (let round = 0; round < 3; round++) {
      await superuser.query(`update sync.health set evaluated_at = '-infinity'`);
      await Promise.all(viewers.map((viewer) => viewer.query('select * from sync.evaluate_checks()')));
    }
    const { rows } = await superuser.query(`select * from sync.seen where slug = 'feed:console'`);
    expect(rows).toEqual([{ slug: 'feed:console', status: 'failing' }]);
    const { since } = (await look()).get('feed:console') as Check;
    await wait(5);
    expect((await look()).get('feed:console')?.since).toEqual(since);
    await superuser.query('drop trigger see on sync.check_states');
  });

  test('a contributed check that fails is unknown and leaves the others alone', inTurn, async () => {
    await superuser.query(`
      create function sync.check_broken() returns setof sync.check_row language sql volatile
        return row('broken', 'broken', 'ok', 'It works.', '{}')::sync.check_row;
      insert into sync.health_sources values ('sync.check_broken', 'checks')`);
    await turned('broken', 'ok');
    await superuser.query(`
      create or replace function sync.check_broken() returns setof sync.check_row language sql volatile
        return row('broken', 'broken', 'ok', (1 / (random() * 0)::integer)::text, '{}')::sync.check_row`);
    expect((await turned('broken', 'unknown')).reason).toBe('This check could not be made (SQLSTATE 22012).');
    await turned('database', 'ok');
    await superuser.query(`delete from sync.health_sources where function_name = 'sync.check_broken'`);
    await until(async () => !(await look()).has('broken'));
  });
});
