import { setTimeout as wait } from 'node:timers/promises';
import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { startTestLine, type TestLine } from '@aether/platform/testing.line';
import type pg from 'pg';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../testing.ts';
import { startRetention } from './retention.ts';
import { type Sequencer, type SequencerNews, type SequencerOptions, startSequencer } from './sequencer.ts';

let database: TestDatabase;
let app: pg.Client;
let reader: pg.Client;
let customer: string;
let line: TestLine;
let running: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  app = await database.connect('foundation_app');
  reader = await database.connect('sync_app');
  const { rows } = await app.query(
    `insert into platform.customers (email, name) values ('silent@example.com', 'Silent') returning id`,
  );
  customer = rows[0].id;
});
beforeEach(async () => {
  line = await startTestLine(database.url('sync_app'));
});
afterEach(async () => {
  await Promise.all(running.map((each) => each.stop()));
  running = [];
  await line.close();
});

function start(url: string, options: Partial<SequencerOptions> = {}): Sequencer {
  const sequencer = startSequencer({ url, ...options });
  running.push(sequencer);
  return sequencer;
}
const through = (options?: Partial<SequencerOptions>) => start(line.url, options);
const direct = (options?: Partial<SequencerOptions>) => start(database.url('sync_app'), options);

const change = () => app.query('update platform.customers set name = $2 where id = $1', [customer, `${Math.random()}`]);
const headPosition = async () => Number((await reader.query('select sync.head() as head')).rows[0].head);

/** How long after its commit a change gets its number. */
async function measure(): Promise<number> {
  const before = await headPosition();
  await change();
  const committedAt = performance.now();
  await until(async () => (await headPosition()) > before);
  return performance.now() - committedAt;
}
const middle = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
async function measureMany(): Promise<number> {
  const waits: number[] = [];
  for (let n = 0; n < 15; n++) {
    waits.push(await measure());
    await wait(20);
  }
  return middle(waits);
}

describe('when the line of the leader goes silent', () => {
  test('a rival leads at the end of the lease, whether or not an answer comes, and events are numbered as quickly as before', async () => {
    // It waits for no answer: only the end of its lease lets the rival lead, or else this test takes too long.
    const cut = through({ answerMs: 600_000 });
    await until(() => cut.state().role === 'leader');
    const rival = direct();
    await until(() => rival.state().role === 'standby');
    const before = await measureMany();
    line.silence();
    await change();
    await until(() => rival.state().role === 'leader');
    // It learns this by its own clock, without an answer: two workers that believe that they lead are one too many.
    expect(cut.state().role).toBe('disconnected');
    // While the server still keeps the silent session with its locks, and afterwards.
    expect(await measureMany()).toBeLessThan(before + 100);
    await until(async () => (await silentSessions()) === 0);
    expect(await measureMany()).toBeLessThan(before + 100);
  }, 30_000);

  test('and there is no rival, the same worker leads again over a new line', async () => {
    const news: SequencerNews[] = [];
    const alone = through({ answerMs: 300, onNews: (each) => news.push(each) });
    await until(() => alone.state().role === 'leader');
    line.silence();
    await change();
    await until(() => alone.state().role === 'disconnected');
    await until(() => news.some(({ kind }) => kind === 'disconnected'));
    line.restore();
    await until(() => alone.state().role === 'leader');
    await until(async () => (await reader.query('select sync.outbox_age() is null as empty')).rows[0].empty);
    // Where a connection takes long to open, its first attempt may be news as well.
    const since = news.slice(news.findIndex(({ kind }) => kind === 'leads'));
    expect(since.map(({ kind }) => kind)).toEqual(['leads', 'yields', 'disconnected', 'leads']);
    expect(since[1]).toMatchObject({ reason: 'disconnected' });
  });

  test('stopping the worker ends all the same', async () => {
    const alone = through({ answerMs: 600_000 });
    await until(() => alone.state().role === 'leader');
    line.silence();
    await change();
    await until(() => line.taken().sent > 0); // an answer or a question: it waits in vain
    await alone.stop(); // the answer may take longer than this test
  });

  test('stopping a standby whose line goes silent, or that cannot even connect, ends too', async () => {
    const leader = direct();
    await until(() => leader.state().role === 'leader');
    const standby = through({ answerMs: 600_000 });
    await until(() => standby.state().role === 'standby');
    line.silence();
    const connecting = through({ answerMs: 600_000 });
    await until(() => line.taken().sent > 0 && line.taken().begun > 0);
    await Promise.all([standby.stop(), connecting.stop()]);
    expect(connecting.state().role).toBe('disconnected');
  });
});

const silentSessions = async () =>
  Number(
    (
      await reader.query(
        `select count(*) as sessions from pg_stat_activity
         where application_name = 'aether-sequencer' and datname = current_database()
           and state_change < clock_timestamp() - interval '2 seconds'`,
      )
    ).rows[0].sessions,
  );

test('a batch that exceeds a statement’s time limit is tried again with more time', async () => {
  await reader.query('select 1');
  const superuser = await database.connect('postgres');
  await superuser.query(`
    create function public.slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.4); return null; end $$;
    create trigger slow after insert on sync.events for each statement execute function public.slow()`);
  const errors: unknown[] = [];
  const sequencer = direct({
    answerMs: 200,
    onNews: (news) => {
      if (news.kind === 'disconnected') errors.push(news.error);
    },
  });
  try {
    const before = await headPosition();
    await change();
    await until(async () => (await headPosition()) > before);
    await until(() => sequencer.state().role === 'leader');
    expect(errors.length).toBeGreaterThan(0);
  } finally {
    await superuser.query('drop trigger slow on sync.events; drop function public.slow()');
  }
});

describe('retention over a line that goes silent', () => {
  test('gives the look up, and the next look works', async () => {
    const errors: unknown[] = [];
    let reports = 0;
    const worker = startRetention({
      url: line.url,
      keepDays: 7,
      everyMs: 20,
      answerMs: 300,
      onReport: () => reports++,
      onError: (error) => errors.push(error),
    });
    running.push(worker);
    await until(() => reports > 0);
    line.silence();
    await until(() => errors.length > 1);
    line.restore();
    const before = reports;
    await until(() => reports > before);
  });

  test('stopping it ends all the same', async () => {
    line.silence();
    const worker = startRetention({ url: line.url, keepDays: 7, answerMs: 600_000, onReport() {}, onError() {} });
    await until(() => line.taken().begun > 0);
    await worker.stop();
  });
});
