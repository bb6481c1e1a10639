import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import type { LocalServer } from '@aether/database';
import pg from 'pg';
import { quantile } from './measure.ts';
import type { Table } from './tables.ts';

/*
 * Measures how long writers of other customers wait beside some work, and what they wait for.
 *
 * Two writers change other customers and log activities for them, with a rest of 5 ms after each write. For each write the kernel says how long
 * the writer's process of PostgreSQL was on a processor, and how long it and this process waited for one (/proc/PID/schedstat): the machine
 * is too small then, whatever the work is. The rest is blocked: by the disk or by a lock. PostgreSQL says by what (pg_stat_activity, looked at
 * every millisecond), and what the work did at that moment.
 */

/** A write later than this is late: the goal. */
export const lateMs = 50;

type Written = {
  at: number;
  ms: number;
  pid: number;
  onProcessorMs: number;
  forProcessorMs: number;
  blockedMs: number;
};
type Look = { at: number; doing: Map<number, string> };
type Late = Written & { waited: string[]; beside: string[] };
type Beside = {
  seconds: number;
  writes: Written[];
  lates: Late[];
  slowest: Late[];
  walMb: number;
  fsyncs: number;
  fsyncMs: number;
  segments: number;
  segmentMs: number;
};

export type Measured = Map<string, Beside[]>;

/** Settings of PostgreSQL from the command line, such as `wal_init_zero=off,min_wal_size=1GB`. */
export const readSettings = (text: string): Record<string, string> =>
  Object.fromEntries(
    text
      .split(',')
      .filter(Boolean)
      .map((each) => each.split('=')),
  );

/** Opens a login of the bench's database. */
export async function connect(server: LocalServer, login: string): Promise<pg.Client> {
  const connectionString =
    login === 'postgres' ? server.server.superuserUrl('bench') : server.urlOf(login as 'sync_app', 'bench');
  const client = new pg.Client({ connectionString });
  client.on('error', () => {}); // the running query fails with the same error
  await client.connect();
  return client;
}

const pidOf = (client: pg.Client) => (client as unknown as { processID: number }).processID;

/**
 * Runs work beside the writers, and adds what was seen to `measured`.
 *
 * @param workers the connections on which the work runs
 */
export async function measureBeside(
  measured: Measured,
  name: string,
  { server, watcher, workers }: { server: LocalServer; watcher: pg.Client; workers: pg.Client[] },
  work: () => Promise<unknown>,
): Promise<void> {
  const writers = await startWriters(server);
  await wait(500);
  const before = await readDisk(watcher);
  const pids = workers.map(pidOf);
  const watch = startWatching(watcher, [...writers.pids, ...pids]);
  const startedAt = performance.now();
  let looks: Look[] = [];
  let written: Written[] = [];
  let endedAt = startedAt;
  try {
    await work();
    endedAt = performance.now();
  } finally {
    looks = await watch.stop();
    written = await writers.stop();
  }
  const writes = written.filter(({ at, ms }) => at + ms > startedAt && at < endedAt);
  const after = await readDisk(watcher);
  measured.set(name, [
    ...(measured.get(name) ?? []),
    {
      seconds: (endedAt - startedAt) / 1000,
      writes,
      lates: writes.filter(({ ms }) => ms > lateMs).map((write) => explain(write, looks, pids)),
      slowest: writes
        .toSorted((one, other) => other.blockedMs - one.blockedMs)
        .slice(0, 1)
        .map((write) => explain(write, looks, pids)),
      walMb: (after.wal - before.wal) / 2 ** 20,
      fsyncs: after.fsyncs - before.fsyncs,
      fsyncMs: after.ms - before.ms,
      segments: after.segments - before.segments,
      segmentMs: after.segmentMs - before.segmentMs,
    },
  ]);
}

/** How long writers waited: one row for each kind of work. */
export function tableOfWaits(measured: Measured): Table {
  return {
    columns: ['beside', 'writes', 'p50', 'p99', 'longest', 'blocked: p99', 'longest', `later than ${lateMs} ms`],
    rows: [...measured].map(([name, runs]) => {
      const writes = runs.flatMap((run) => run.writes);
      const [all, blocked] = [writes.map(({ ms }) => ms), writes.map(({ blockedMs }) => blockedMs)].map((each) =>
        each.toSorted((one, other) => one - other),
      ) as [number[], number[]];
      return [
        name,
        String(all.length),
        say(quantile(all, 0.5)),
        say(quantile(all, 0.99)),
        say(all.at(-1)),
        say(quantile(blocked, 0.99)),
        say(blocked.at(-1)),
        String(runs.reduce((sum, { lates }) => sum + lates.length, 0)),
      ];
    }),
  };
}

const say = (ms = Number.NaN) => `${ms.toFixed(1)} ms`;

/** Where the time of late writes went. */
export function tableOfCauses(measured: Measured): Table {
  return {
    columns: ['beside', 'late writes: on a processor', 'waiting for one', 'they waited for', 'meanwhile the work did'],
    rows: [...measured].map(([name, runs]) => {
      const lates = runs.flatMap((run) => run.lates);
      const total = lates.reduce((sum, { ms }) => sum + ms, 0);
      const share = (of: (late: Late) => number) =>
        total === 0 ? '' : `${((lates.reduce((sum, late) => sum + of(late), 0) / total) * 100).toFixed(0)} %`;
      return [
        name,
        share(({ onProcessorMs }) => onProcessorMs),
        share(({ forProcessorMs }) => forProcessorMs),
        sayMost(lates.flatMap(({ waited }) => waited)),
        sayMost(lates.flatMap(({ beside }) => beside)),
      ];
    }),
  };
}

/** The write that was blocked for the longest time, beside each kind of work, and what the disk had to do. */
export function tableOfLongest(measured: Measured): Table {
  return {
    columns: [
      'beside',
      'the one blocked longest',
      'it waited for',
      'meanwhile the work did',
      'WAL',
      'flushes',
      'a flush',
      'new WAL files',
      'a file',
    ],
    rows: [...measured].map(([name, runs]) => {
      const [longest] = runs.flatMap(({ slowest }) => slowest).sort((one, other) => other.blockedMs - one.blockedMs);
      const sum = (of: (run: Beside) => number) => runs.reduce((total, run) => total + of(run), 0);
      const [fsyncs, segments] = [sum((run) => run.fsyncs), sum((run) => run.segments)];
      return [
        name,
        `${say(longest?.blockedMs)} of ${say(longest?.ms)}`,
        sayMost(longest?.waited ?? []),
        sayMost(longest?.beside ?? []),
        `${(sum((run) => run.walMb) / runs.length).toFixed(0)} MB`,
        String(Math.round(fsyncs / runs.length)),
        fsyncs === 0 ? '' : say(sum((run) => run.fsyncMs) / fsyncs),
        String(segments),
        segments === 0 ? '' : say(sum((run) => run.segmentMs) / segments),
      ];
    }),
  };
}

type Disk = { wal: number; fsyncs: number; ms: number; segments: number; segmentMs: number };

/** The server's place in its log, how often and how long that was flushed, and the files that were made for it. */
async function readDisk(watcher: pg.Client): Promise<Disk> {
  await watcher.query('select pg_stat_clear_snapshot(), pg_stat_force_next_flush()');
  const { rows } = await watcher.query(
    `select (pg_current_wal_lsn() - '0/0')::float8 as wal,
       sum(fsyncs) filter (where context = 'normal')::float8 as fsyncs,
       sum(fsync_time) filter (where context = 'normal')::float8 as ms,
       sum(fsyncs) filter (where context = 'init')::float8 as segments,
       sum(fsync_time + write_time) filter (where context = 'init')::float8 as "segmentMs"
     from pg_stat_io where object = 'wal'`,
  );
  return rows[0];
}

/** Looks all the time at what these processes of the server do. */
function startWatching(watcher: pg.Client, pids: number[]): { stop(): Promise<Look[]> } {
  const looks: Look[] = [];
  let isOver = false;
  const looking = (async () => {
    while (!isOver) {
      const { rows } = await watcher.query({
        name: 'look',
        text: `select a.pid, coalesce(a.wait_event_type || ' ' || a.wait_event, 'the processor')
            || case a.wait_event_type when 'Lock' then coalesce((select ' of: ' || left(b.query, 40) from pg_stat_activity b
              where b.pid = (pg_blocking_pids(a.pid))[1]), '') else '' end as doing
          from pg_stat_activity a where a.pid = any ($1) and a.state = 'active'`,
        values: [pids],
      });
      looks.push({ at: performance.now(), doing: new Map(rows.map(({ pid, doing }) => [pid, doing])) });
      await wait(1);
    }
  })();
  return {
    async stop() {
      isOver = true;
      await looking;
      return looks;
    },
  };
}

/** What a late write waited for, and what those did who were at work beside it, look by look. */
function explain(write: Written, looks: Look[], workers: number[]): Late {
  const during = looks.filter((look) => look.at >= write.at && look.at <= write.at + write.ms);
  return {
    ...write,
    waited: during.map(({ doing }) => doing.get(write.pid) ?? 'the client'),
    beside: during.flatMap(({ doing }) => workers.flatMap((each) => doing.get(each) ?? [])),
  };
}

/** The four that were seen most, with their shares. */
function sayMost(seen: string[]): string {
  return [...Map.groupBy(seen, (each) => each)]
    .map(([what, each]) => ({ what, share: each.length / seen.length }))
    .sort((one, other) => other.share - one.share)
    .slice(0, 4)
    .map(({ what, share }) => `${what} ${(share * 100).toFixed(0)} %`)
    .join(', ');
}

/** Milliseconds that a process was on a processor, and that it waited for one. */
function readSchedule(pid: number): [on: number, waiting: number] {
  const [on = 0, waiting = 0] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ').map(Number);
  return [on / 1e6, waiting / 1e6];
}

/** Two writers of other customers: one changes them, the other logs activities. Each rests 5 ms after a write. */
async function startWriters(server: LocalServer): Promise<{ pids: number[]; stop(): Promise<Written[]> }> {
  const [one, other] = await Promise.all([connect(server, 'foundation_app'), connect(server, 'foundation_app')]);
  const { rows } = await one.query(`select id from platform.customers where name like 'Other %' limit 2000`);
  const ids = rows.map(({ id }) => id as string);
  const written: Written[] = [];
  let isOver = false;
  const write = async (on: pg.Client, name: string, text: string) => {
    const pid = pidOf(on);
    for (let n = 0; !isOver; n++) {
      const [[wasOn, wasWaiting], [, wasAway]] = [readSchedule(pid), readSchedule(process.pid)];
      const at = performance.now();
      await on.query({ name, text, values: [ids[n % ids.length]] });
      const ms = performance.now() - at;
      const [[isOn, isWaiting], [, isAway]] = [readSchedule(pid), readSchedule(process.pid)];
      const onProcessorMs = isOn - wasOn;
      const forProcessorMs = isWaiting - wasWaiting + isAway - wasAway;
      written.push({
        at,
        ms,
        pid,
        onProcessorMs,
        forProcessorMs,
        blockedMs: Math.max(0, ms - onProcessorMs - forProcessorMs),
      });
      await wait(5);
    }
  };
  const writing = [
    write(
      one,
      'change',
      `update platform.customers set account_tier = case account_tier when 'basic' then 'free' else 'basic' end where id = $1`,
    ),
    write(other, 'log', `insert into crm.activities (customer_id, type, description) values ($1, 'note', 'Hello')`),
  ];
  return {
    pids: [pidOf(one), pidOf(other)],
    async stop() {
      isOver = true;
      await Promise.all(writing);
      await Promise.all([one.end(), other.end()]);
      return written;
    },
  };
}
