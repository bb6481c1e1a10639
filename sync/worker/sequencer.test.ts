import { setTimeout as wait } from 'node:timers/promises';
import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { sample } from '@aether/database/testing.sample';
import { isUnderWay, requireUnderWay } from '@aether/database/testing.scope';
import type pg from 'pg';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startQualityScans } from '../quality/scanning.ts';
import { until } from '../testing.ts';
import { type Sequencer, type SequencerNews, type SequencerOptions, startSequencer } from './sequencer.ts';

let database: TestDatabase;
let superuser: pg.Client;
let app: pg.Client;
let reader: pg.Client;
let running: Sequencer[] = [];
const customers: string[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = await database.connect('postgres');
  app = await database.connect('foundation_app');
  reader = await database.connect('sync_app');
});
beforeEach(async () => {
  if (customers.length > 0) return;
  const { rows } = await app.query(
    `insert into platform.customers (email, name) select 'hot' || n || '@example.com', 'Hot' from generate_series(1, 20) n returning id`,
  );
  customers.push(...rows.map((row) => row.id));
});
afterEach(async () => {
  await Promise.all(running.map((sequencer) => sequencer.stop()));
  running = [];
});

function start(options: Partial<SequencerOptions> = {}): Sequencer {
  const sequencer = startSequencer({ url: database.url('sync_app'), ...options });
  running.push(sequencer);
  return sequencer;
}

const headPosition = async () =>
  Number((await reader.query('select coalesce(max(position), 0) as head from sync.events')).rows[0].head);
const readLeadership = async (): Promise<{ term: number; leader: string }> =>
  (await reader.query('select term::integer, leader from sync.sequencer')).rows[0];
const isEmpty = async () => (await reader.query('select sync.outbox_age() is null as empty')).rows[0].empty;

/** Follows the log and records everything that must never happen. */
function follow(client: pg.Client) {
  let position = 0;
  const versions = new Map<string, number>();
  const wrong: string[] = [];
  let seen = 0;
  return {
    wrong,
    versions,
    seen: () => seen,
    async read() {
      const { rows } = await client.query(
        'select position, key, version, type from sync.events where position > $1 order by position limit 1000',
        [position],
      );
      for (const row of rows) {
        if (Number(row.position) !== position + 1) wrong.push(`position ${row.position} after ${position}`);
        position = Number(row.position);
        seen++;
        if (!row.type.startsWith('customer.')) continue;
        const before = versions.get(row.key) ?? 0;
        if (Number(row.version) !== before + 1) wrong.push(`${row.key}: version ${row.version} after ${before}`);
        versions.set(row.key, Number(row.version));
      }
      return rows.length;
    },
  };
}

/** A writer with its own habits: how early it takes a transaction id, how long it pauses, what it rolls back. */
async function write(
  client: pg.Client,
  habit: number,
  isOver: () => boolean,
  onCommitted: (changed: number) => void,
): Promise<void> {
  while (!isOver()) {
    await client.query('begin');
    if (habit % 3 === 0) await client.query('select pg_current_xact_id()'); // long before a row is touched
    if (habit % 5 === 0) await wait(Math.random() * 30);
    const picked = [
      ...new Set(
        Array.from({ length: 1 + (habit % 3) }, () => customers[Math.floor(Math.random() * customers.length)]),
      ),
    ].sort();
    let changed = 0;
    for (const id of picked) {
      await client.query('savepoint s');
      await client.query('update platform.customers set name = $2 where id = $1', [id, `Hot ${Math.random()}`]);
      if (Math.random() < 0.1) await client.query('rollback to savepoint s');
      else changed++;
    }
    if (habit % 7 === 0) await wait(Math.random() * 60);
    if (Math.random() < 0.1) await client.query('rollback');
    else {
      await client.query('commit');
      onCommitted(changed);
    }
    if (habit >= 4) await wait(Math.random() * 40);
  }
}

test('under every interleaving no event is lost, invented, doubled or reordered, and positions are dense', {
  timeout: 60_000,
}, async () => {
  const rivals = [start(), start()];
  const writers = await Promise.all(Array.from({ length: 12 }, () => database.connect('foundation_app')));
  const dump = await database.connect('postgres');
  await dump.query('begin isolation level repeatable read; select count(*) from sync.outbox');
  await until(isEmpty);
  const log = follow(reader);
  while ((await log.read()) > 0) requireUnderWay();
  const before = log.seen();

  let [committed, killed] = [0, 0];
  const isOver = () => !isUnderWay() || (committed >= sample(400, 150) && killed >= sample(6, 3));
  const written = Promise.all(
    writers.map((client, habit) => write(client, habit, isOver, (changed) => (committed += changed))),
  );
  const killing = (async () => {
    while (!isOver()) {
      await wait(150);
      killed +=
        (
          await superuser.query(
            `select pg_terminate_backend(pid) from pg_stat_activity
              where application_name = 'aether-sequencer' and datname = current_database() order by random() limit 1`,
          )
        ).rowCount ?? 0;
    }
  })();
  while (!isOver()) if ((await log.read()) === 0) await wait(1);
  await Promise.all([written, killing]);
  await until(isEmpty);
  while ((await log.read()) > 0) requireUnderWay();
  await dump.query('rollback');

  expect(log.wrong).toEqual([]);
  expect(log.seen() - before).toBe(committed);
  const { rows } = await app.query('select id, version::integer from platform.customers');
  expect(Object.fromEntries(log.versions)).toEqual(Object.fromEntries(rows.map((row) => [row.id, row.version])));
  expect(rivals.length).toBe(2);
});

test('no wake-up is lost: each lone change is numbered without any polling', { timeout: 60_000 }, async () => {
  const sequencer = start({ pollMs: undefined });
  const rounds = sample(200, 60);
  for (let round = 0; round < rounds; round++) {
    const before = await headPosition();
    // As the sequencer falls asleep, and at every moment around that.
    await wait(Math.random() * 12);
    await app.query('update platform.customers set name = $2 where id = $1', [customers[0], `Round ${round}`]);
    await until(async () => (await headPosition()) === before + 1);
  }
  expect(sequencer.state().naps).toBeGreaterThan(rounds / 8);
});

test('a busy system sends no NOTIFY per write', async () => {
  const sequencer = start();
  await until(() => sequencer.state().naps > 0);
  const { rings } = sequencer.state();
  // Twenty events at a time: on a slow machine, one event a write is less than two hundred a second, among which the sequencer sleeps.
  for (let n = 0; n < 200; n++)
    await app.query('update platform.customers set name = $2 where id = any($1)', [customers, `Busy ${n}`]);
  await until(isEmpty);
  expect(sequencer.state().rings - rings).toBeLessThan(20);
});

describe('one of several sequencers', () => {
  test('leads, and when its connection is killed it leads again in a new term', async () => {
    const one = start();
    await until(() => one.state().role === 'leader');
    const other = start();
    await until(() => other.state().role === 'standby');
    const { term } = await readLeadership();
    await superuser.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = 'aether-sequencer' and datname = current_database() order by backend_start limit 1`,
    );
    await app.query('update platform.customers set name = $2 where id = $1', [customers[2], 'After the kill']);
    await until(isEmpty);
    await until(async () => (await readLeadership()).term > term);
    await until(() => [one, other].filter((each) => each.state().role === 'leader').length === 1);
  });

  test('releases its lease when it is stopped, and another leads at once', async () => {
    const one = start();
    await until(() => one.state().role === 'leader');
    const other = start({ leaseMs: 9_000 });
    await until(() => other.state().role === 'standby');
    await one.stop();
    const freeMs = (await reader.query('select sync.lease_left_ms() as left')).rows[0].left;
    expect(freeMs < 0 || other.state().role === 'leader').toBe(true);
    await until(() => other.state().role === 'leader');
  });
});

describe('the lease', () => {
  const take = async (by: string, forMs: number) =>
    (await reader.query('select term::integer, free_in_ms from sync.take_lease($1, $2)', [by, forMs])).rows[0];
  const renew = async (term: number, forMs: number) =>
    (await reader.query('select sync.renew_lease($1, $2) as renewed', [term, forMs])).rows[0].renewed;
  const number = async (client: pg.Client, term: number, leaseMs = 0) =>
    (
      (await client.query(
        `begin; select from sync.sequencer for update; select moved from sync.sequence(100, 0, ${term}, ${leaseMs}); commit`,
      )) as unknown as pg.QueryResult[]
    )[2]?.rows[0].moved;
  beforeEach(async () => {
    await superuser.query(`select setval('sync.lease_ends_ms', 0)`);
  });

  test('is held by one worker, which may take it again in a new term; no other worker may before it ends', async () => {
    const { term } = await take('one', 9_000);
    const refused = await take('other', 9_000);
    expect(refused.term).toBeNull();
    expect(refused.free_in_ms).toBeGreaterThan(0);
    expect(await take('one', 30)).toMatchObject({ term: term + 1 });
    await until(async () => (await take('other', 9_000)).term === term + 2);
    expect((await take('one', 9_000)).term).toBeNull();
  });

  test('of a term that is over can neither be renewed nor number an event', async () => {
    const { term } = await take('one', 1);
    await until(async () => (await take('other', 9_000)).term !== null);
    await app.query('update platform.customers set name = $2 where id = $1', [customers[6], `Stale ${Math.random()}`]);
    const before = await headPosition();
    expect(await renew(term, 9_000)).toBe(false);
    expect(await number(reader, term)).toBeNull();
    expect(await headPosition()).toBe(before);
    expect(await number(reader, term + 1)).toBe(1);
  });

  test('cannot be taken while a batch is under way, and the batch renews it at its end', async () => {
    const { term } = await take('one', 1);
    const leader = await database.connect('sync_app');
    await leader.query(`begin; select from sync.sequencer for update`);
    await until(async () => (await reader.query('select sync.lease_left_ms() <= 0 as over')).rows[0].over);
    expect((await take('other', 9_000)).term).toBeNull();
    await leader.query(`select sync.sequence(100, 0, ${term}, 9000); commit`);
    expect((await take('other', 9_000)).term).toBeNull();
    expect(await renew(term, 9_000)).toBe(true);
  });

  test('that ends in the far future, because the clock was set back, is free', async () => {
    const { term } = await take('one', 9_000);
    await superuser.query(
      `select setval('sync.lease_ends_ms', (extract(epoch from clock_timestamp()) * 1000)::bigint + 3600000)`,
    );
    expect(await take('other', 9_000)).toMatchObject({ term: term + 1 });
  });

  test('without a holder or a length is refused', async () => {
    for (const [by, forMs] of [
      ['', 900],
      [null, 900],
      ['one', 0],
      ['one', 10_001],
      ['one', null],
    ])
      await expect(reader.query('select sync.take_lease($1, $2)', [by, forMs])).rejects.toMatchObject({
        code: '22023',
      });
  });

  test.each(['foundation_app', 'support_app', 'observer_app', 'privacy_app'] as const)(
    'is closed to %s',
    async (login) => {
      const client = await database.connect(login);
      for (const call of [
        `sync.take_lease('mine', 900)`,
        'sync.renew_lease(1, 900)',
        'sync.release_lease(1)',
        'sync.extend_lease(900)',
        'sync.lease_left_ms()',
        `setval('sync.lease_ends_ms', 0)`,
        'sync.await_doorbell(1)',
      ])
        await expect(client.query(`select ${call}`), call).rejects.toMatchObject({ code: '42501' });
    },
  );
  test('cannot be extended by its workers without a term', async () => {
    await expect(reader.query('select sync.extend_lease(900)')).rejects.toMatchObject({ code: '42501' });
    await expect(reader.query(`select setval('sync.lease_ends_ms', 0)`)).rejects.toMatchObject({ code: '42501' });
    await expect(reader.query('update sync.sequencer set term = term + 1')).rejects.toMatchObject({ code: '42501' });
  });
});

describe('a sequencer that is stopped in its sleep', () => {
  /** Counts the transactions that ring. */
  async function countRings() {
    const ear = await database.connect('postgres');
    let heard = 0;
    ear.on('notification', () => heard++);
    await ear.query('listen sync_outbox');
    return async () => {
      await ear.query('select 1'); // what was sent before arrives before the answer
      return heard;
    };
  }
  /** As it left the doorbell. */
  async function holdDoorbell(): Promise<pg.Client> {
    const stopped = await database.connect('sync_app');
    await stopped.query('select pg_advisory_lock(7271, 1)');
    return stopped;
  }
  const endLease = () => superuser.query(`select setval('sync.lease_ends_ms', 0)`);
  const write = (client: pg.Client, customer = customers[8]) =>
    client.query('update platform.customers set name = $2 where id = $1', [customer, `Stopped ${Math.random()}`]);

  test('is rung for as long as its lease holds, by everybody who commits', async () => {
    const stopped = await holdDoorbell();
    await endLease();
    await stopped.query(`select sync.take_lease('stopped', 10000)`);
    const rings = await countRings();
    for (let n = 0; n < 3; n++) await write(app);
    expect(await rings()).toBe(3);
    await endLease();
    await stopped.end();
  });

  test('makes none of the writers ring when its lease is over, and the next one numbers what they wrote', async () => {
    const stopped = await holdDoorbell();
    await endLease();
    const rings = await countRings();
    const before = await headPosition();
    const writers = await Promise.all(Array.from({ length: 16 }, () => database.connect('foundation_app')));
    await Promise.all(
      writers.map(async (writer, n) => {
        for (let m = 0; m < 5; m++) await write(writer, customers[n]);
      }),
    );
    expect(await rings()).toBe(0);
    await stopped.end();
    start();
    await until(async () => (await headPosition()) >= before + 16 * 5);
  });

  test('and one that leads next does not sleep past what was written in silence and commits later', async () => {
    const stopped = await holdDoorbell();
    await endLease();
    const silent = await database.connect('foundation_app');
    await silent.query('begin');
    await write(silent);
    await stopped.end();
    const sequencer = start({ pollMs: undefined });
    await until(() => sequencer.state().naps > 0);
    const before = await headPosition();
    await silent.query('commit');
    await until(async () => (await headPosition()) === before + 1);
  });

  test('between taking the doorbell and its last look, for longer than its lease, does not sleep past what was written in silence', async () => {
    // Its look stops at a gate of the test, if it holds the doorbell by then: so it is always stopped at this moment.
    const gate = '7272, 1';
    const { rows } = await superuser.query<{ definition: string }>(
      `select pg_get_functiondef('sync.sequence(integer, bigint, bigint, integer)'::regprocedure) as definition`,
    );
    const definition = rows[0]?.definition as string;
    const hasDoorbell = `exists (select from pg_locks l where l.pid = pg_backend_pid() and l.classid = 7271 and l.objid = 1 and l.granted
      and l.mode = 'ExclusiveLock')`;
    const gated = definition.replace(
      /\nbegin\n/,
      `\nbegin\n  if ${hasDoorbell} then perform pg_advisory_xact_lock_shared(${gate}); end if;\n`,
    );
    expect(gated).not.toBe(definition);
    await superuser.query(gated);
    const holder = await database.connect('postgres');
    try {
      await holder.query(`select pg_advisory_lock(${gate})`);
      const news: SequencerNews[] = [];
      // Nothing but a ring, or that it knows of its lapse, ends its sleep; and its look may take as long as the test does.
      const sequencer = start({
        ...{ pollMs: undefined, leaseMs: 200, answerMs: 30_000 },
        onNews: (each) => news.push(each),
      });
      const isTrue = async (sql: string) =>
        (await superuser.query<{ is: boolean }>(`select ${sql} as is`)).rows[0]?.is === true;
      await until(async () =>
        isTrue(`exists (select from pg_locks l join pg_database d on d.oid = l.database
          where d.datname = current_database() and l.classid = 7272 and l.objid = 1 and not l.granted)`),
      );
      await until(async () => isTrue('sync.lease_left_ms() <= 0'));
      const rings = await countRings();
      const silent = await database.connect('foundation_app');
      await silent.query('begin');
      await write(silent);
      const before = await headPosition();
      const { looks } = sequencer.state();
      await holder.query(`select pg_advisory_unlock(${gate})`);
      await until(() => sequencer.state().looks > looks); // it has found nothing
      await silent.query('commit');
      await until(async () => (await headPosition()) === before + 1);
      expect(await rings()).toBe(0);
      expect(news.map(({ kind }) => kind)).toEqual(['leads']);
    } finally {
      await holder.query('select pg_advisory_unlock_all()');
      await superuser.query(definition);
    }
  });

  test('numbers what was written in silence when it goes on', async () => {
    const sequencer = start({ pollMs: undefined });
    await until(() => sequencer.state().naps > 0);
    const rings = await countRings();
    const before = await headPosition();
    const written = app.query(
      `do $$ begin perform pg_sleep(1.2); update platform.customers set name = 'Silent ' || random() where id = '${customers[9]}'; end $$`,
    );
    await wait(20);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_000); // the whole process stands still
    await written;
    await until(async () => (await headPosition()) === before + 1);
    expect(await rings()).toBe(0);
  });
});

describe('while a transaction that has written stays open', () => {
  let slow: pg.Client;
  beforeEach(async () => {
    slow = await database.connect('foundation_app');
    await slow.query('begin');
    await slow.query('update platform.customers set name = $2 where id = $1', [customers[4], `Slow ${Math.random()}`]);
  });
  afterEach(async () => {
    await slow.query('rollback');
  });

  test('the events of other transactions are numbered, and its own when it commits', async () => {
    start();
    const before = await headPosition();
    await app.query('update platform.customers set name = $2 where id = $1', [customers[5], `Quick ${Math.random()}`]);
    await until(async () => (await headPosition()) === before + 1);
    await slow.query('commit');
    await until(async () => (await headPosition()) === before + 2);
  });

  test('a leader with nothing to do looks at most four times a second', async () => {
    const sequencer = start();
    await until(() => sequencer.state().naps > 1);
    const { looks } = sequencer.state();
    const beganAt = performance.now();
    await wait(1_000);
    const seconds = (performance.now() - beganAt) / 1_000;
    expect(sequencer.state().looks - looks).toBeLessThanOrEqual(Math.ceil(seconds * 4));
  });

  test('a writer rings a sleeping leader, and the end of the transaction wakes it, without waiting for a poll', async () => {
    const quick = await database.connect('foundation_app');
    const measure = async (sequencer: Sequencer, commit: () => Promise<unknown>) => {
      const { naps } = sequencer.state();
      await until(() => sequencer.state().naps > naps); // it has just fallen asleep again
      const before = await headPosition();
      await commit();
      const committedAt = performance.now();
      await until(async () => (await headPosition()) === before + 1);
      return performance.now() - committedAt;
    };
    const middle = (waits: number[]) => waits.sort((a, b) => a - b)[Math.floor(waits.length / 2)];
    const [rung, woken]: [number[], number[]] = [[], []];
    for (let n = 0; n < 5; n++) {
      // A writer that writes while the sequencer sleeps rings when it commits: the long transaction must write before that.
      const sequencer = start({ pollMs: undefined });
      for (let m = 0; m < 2; m++)
        rung.push(
          await measure(sequencer, () =>
            quick.query('update platform.customers set name = $2 where id = $1', [customers[5], `${Math.random()}`]),
          ),
        );
      woken.push(await measure(sequencer, () => slow.query('commit')));
      await sequencer.stop();
      await slow.query('begin');
      await slow.query('update platform.customers set name = $2 where id = $1', [customers[4], `${Math.random()}`]);
    }
    // The median: the next poll is 400 ms away.
    expect(middle(rung)).toBeLessThan(250);
    expect(middle(woken)).toBeLessThan(250);
  });

  test('no wake-up is lost', { timeout: 60_000 }, async () => {
    start({ pollMs: undefined });
    for (let round = 0; round < 100; round++) {
      const before = await headPosition();
      await wait(Math.random() * 12);
      await app.query('update platform.customers set name = $2 where id = $1', [
        customers[0],
        `Round ${Math.random()}`,
      ]);
      await until(async () => (await headPosition()) === before + 1);
    }
  });
});

test('a foreign session that holds the doorbell for itself delays no event', async () => {
  const stranger = await database.connect('support_app');
  await stranger.query('select pg_advisory_lock(7271, 1)');
  const sequencer = start();
  await until(() => sequencer.state().naps > 0);
  const before = await headPosition();
  await app.query('update platform.customers set name = $2 where id = $1', [customers[7], `Stranger ${Math.random()}`]);
  await until(async () => (await headPosition()) === before + 1);
  await stranger.query('select pg_advisory_unlock(7271, 1)');
});

test('a backlog is numbered in batches that grow to four times their usual size', async () => {
  for (let n = 0; n < 3; n++)
    await app.query('update platform.customers set name = $2 where id = any ($1)', [customers, `Backlog ${n}`]);
  const { rows } = await superuser.query('select count(*)::integer as backlog from sync.outbox');
  const leader = start({ batchMax: 2 });
  // The outbox is empty a moment before the leader hears that its last batch was numbered.
  await until(() => leader.state().numbered === rows[0].backlog);
  // Of 2, of 4, and then of 8; by two, there would be thirty and more.
  expect(leader.state().batches).toBe(2 + Math.ceil((rows[0].backlog - 6) / 8));
});

describe('while a backlog is numbered', () => {
  const writeBacklog = (events: number) =>
    app.query(`select sync.publish('foundation.late', 'one', '{}') from generate_series(1, $1)`, [events]);

  test('what may be late rests from the start of the worker, and begins when every event has its position', async () => {
    await writeBacklog(500);
    const leader = start({ batchMax: 1 });
    const errors: unknown[] = [];
    const scans = startQualityScans({
      url: database.url('sync_app'),
      waitFor: leader.caughtUp,
      onError: (error) => errors.push(error),
    });
    let seen = { works: false, numbered: 0 };
    await until(async () => {
      const { rows } = await superuser.query(
        `select exists (select from pg_stat_activity
           where datname = current_database() and application_name = 'aether-quality') as works`,
      );
      seen = { works: rows[0].works, numbered: leader.state().numbered };
      return seen.works;
    });
    await scans.stop();
    expect([seen.numbered, errors]).toEqual([500, []]);
  });

  test('what may be late begins after two seconds if that never ends, and at once in a worker that stands by', async () => {
    await writeBacklog(5_000);
    const leader = start({ batchMax: 1, answerMs: 60_000 });
    await until(() => leader.state().batches > 0);
    const standby = start();
    await until(() => standby.state().role === 'standby');
    await superuser.query('begin');
    await superuser.query('select from sync.sequencer for update'); // no batch ends now
    const beganAt = performance.now();
    const late = leader.caughtUp().then(() => 'the leader');
    expect(await Promise.race([late, standby.caughtUp().then(() => 'who stands by')])).toBe('who stands by');
    await late;
    expect(performance.now() - beganAt).toBeGreaterThanOrEqual(2_000);
    expect(await isEmpty()).toBe(false);
    await superuser.query('commit');
    await until(isEmpty);
  });
});

test('many events within a second are a stream, for the worker that numbers them and until they end', async () => {
  const leader = start();
  await until(() => leader.state().role === 'leader');
  const standby = start();
  await until(() => standby.state().role === 'standby');
  expect(leader.isStream()).toBe(false);
  await until(async () => {
    await app.query(`select sync.publish('foundation.late', 'one', '{}') from generate_series(1, 300)`);
    return leader.isStream();
  });
  expect(standby.isStream()).toBe(false);
  await until(() => !leader.isStream());
});

test('a leader reports that it leads, that it falls behind and catches up, and why it yields', async () => {
  const news: SequencerNews[] = [];
  const kinds = () => news.map(({ kind }) => kind);
  // Every batch of one event is full.
  const one = start({ batchMax: 1, pacingMs: 0, behindMs: 100, onNews: (each) => news.push(each) });
  await until(() => kinds().includes('leads'));
  // Thousands of events that come at once take it longer.
  await app.query(
    `do $$ begin for n in 1..150 loop
       update platform.customers set name = 'Many ' || n where id = any ('{${customers}}'); end loop; end $$`,
  );
  await until(() => kinds().includes('catches up'));
  await one.stop();
  expect(kinds()).toEqual(['leads', 'falls behind', 'catches up', 'yields']);
  expect(news.at(-1)).toMatchObject({ reason: 'stopped' });
}, 60_000);
