import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { bootstrap, type LocalServer, migrate, startLocal } from '@aether/database';
import pg from 'pg';
import { median, quantile } from './measure.ts';
import { printTable } from './tables.ts';

/*
 * Measures a merge of two customers with many children each, and its unmerge, beside the bare statements that move the same rows: an
 * update for each table, by a superuser, with row triggers and foreign keys switched off and with them on. Each way moves the rows of a
 * pair of its own, in turns. Beside each, writers change other customers and log activities for them, and say how long they wait. What
 * PostgreSQL says of late ones (`pg_stat_activity`, looked at all the time) tells why: what they wait for themselves, and what the merge or the
 * bare update does at that moment. The delays of this process are measured too, so that they are not taken for those of the database.
 *
 *   npm run bench:merge
 *   npm run bench:merge -- --children 10000 --rounds 5
 */
const { values: options } = parseArgs({
  options: {
    children: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    customers: { type: 'string', default: '20000' },
    /** Settings of PostgreSQL, such as wal_compression=lz4,wal_init_zero=off. */
    settings: { type: 'string', default: '' },
  },
});
const children = Number(options.children);
const rounds = Number(options.rounds);
/** A write later than this is late: the goal. */
const lateMs = 50;

/** How the children of a customer are divided among the tables, as with somebody who has chatted for years. */
const shares: Record<string, { share: number; insert: string }> = {
  'crm.activities': {
    share: 0.4,
    insert: `insert into crm.activities (customer_id, type, description, created_by_app)
      select $1, 'note', 'A note, the ' || n || 'th of them', 'foundation' from generate_series(1, $2::integer) n`,
  },
  'crm.changes': {
    share: 0.3,
    insert: `insert into crm.changes (event_id, customer_id, change, app, occurred_at, data, previous)
      select (select coalesce(max(event_id), 0) from crm.changes) + n, $1, 'edited', 'foundation', now() - n * interval '1 minute',
        '{"name": "Ada"}', '{"name": "Eve"}' from generate_series(1, $2::integer) n`,
  },
  'support.sessions': {
    share: 0.2,
    insert: `insert into support.sessions (widget_id, customer_id, visitor_email, token_hash, started_at)
      select w.id, $1, 'ada@example.com', sha256(uuid_send(gen_random_uuid())), now() - n * interval '1 minute'
      from support.widgets w, generate_series(1, $2::integer) n`,
  },
  'crm.deals': {
    share: 0.05,
    insert: `insert into crm.deals (customer_id, pipeline_id, stage_id, name)
      select $1, 1, 1, 'Deal ' || n from generate_series(1, $2::integer) n`,
  },
  'support.calls': {
    share: 0.05,
    insert: `insert into support.calls (customer_id, direction, number_e164, started_at)
      select $1, 'inbound', '+4930123456', now() - n * interval '1 minute' from generate_series(1, $2::integer) n`,
  },
};
const tables = Object.keys(shares);

const moved = (table: string): string => `moved_${table.replace('.', '_')}`;
const keyOf = (table: string): string => (table === 'crm.changes' ? 'event_id' : 'id');

const folder = await mkdtemp(join(tmpdir(), 'aether-bench-'));
await chmod(folder, 0o755);
let local: LocalServer | undefined;
try {
  local = await startLocal({
    folder,
    database: 'bench',
    port: 54540,
    settings: {
      ...{ shared_buffers: '1GB', max_wal_size: '16GB', checkpoint_timeout: '1h', autovacuum: 'off' },
      ...Object.fromEntries(
        options.settings
          .split(',')
          .filter(Boolean)
          .map((each) => each.split('=')),
      ),
    },
  });
  await run(local);
} finally {
  await local?.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
}

type Pair = { survivor: string; loser: string };

async function run(server: LocalServer): Promise<void> {
  await bootstrap(server.adminUrl, { database: 'bench', passwords: {} });
  await migrate(server.urlOf('platform_migrator', 'bench'));
  const superuser = await connect(server, 'postgres');
  const worker = await connect(server, 'sync_app');
  await superuser.query(`
    insert into crm.pipelines (name) values ('Sales');
    insert into crm.pipeline_stages (pipeline_id, name, position) values (1, 'New', 1);
    insert into support.widgets (key, name) values ('widget-1', 'Shop')`);
  await superuser.query(
    `insert into platform.customers (email, name, created_by_app)
     select 'other' || n || '@example.com', 'Other ' || n, 'foundation' from generate_series(1, $1::integer) n`,
    [Number(options.customers)],
  );
  console.log(
    `two customers with ${children.toLocaleString('en')} children each, ${rounds} rounds; load ${loadavg()[0]?.toFixed(1)}`,
  );
  const pairs = {
    bare: await makePair(superuser, 'bare'),
    triggers: await makePair(superuser, 'triggers'),
    merge: await makePair(superuser, 'merge'),
  };
  await superuser.query('truncate sync.outbox');

  const watcher = await connect(server, 'postgres');
  const { rows: pids } = await superuser.query(
    `select pid from pg_stat_activity where usename in ('sync_app', 'postgres') and datname = 'bench' and pid <> $1`,
    [(watcher as unknown as { processID: number }).processID],
  );
  const workers = pids.map(({ pid }) => pid as number);
  const seconds: Record<string, number[]> = {};
  const waits: Record<string, number[]> = {};
  const lates: Record<string, Late[]> = {};
  const wal: Record<string, number[]> = {};
  const loops: Record<string, number> = {};
  const place = async () =>
    (await watcher.query(`select pg_current_wal_lsn() - '0/0' as bytes`)).rows[0].bytes as string;
  const measure = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    await superuser.query(`vacuum analyze ${[...tables, 'platform.customers'].join(', ')}`);
    await superuser.query('checkpoint');
    const loop = monitorEventLoopDelay({ resolution: 1 });
    const writers = await startWriters(server);
    await wait(500);
    const before = await place();
    const watch = startWatching(watcher, [...writers.pids, ...workers]);
    loop.enable();
    const startedAt = performance.now();
    await work();
    const endedAt = performance.now();
    loop.disable();
    const looks = await watch.stop();
    const latencies = await writers.stop();
    wal[name] = [...(wal[name] ?? []), (Number(await place()) - Number(before)) / 2 ** 20];
    loops[name] = Math.max(loops[name] ?? 0, loop.max / 1e6);
    lates[name] = [
      ...(lates[name] ?? []),
      ...latencies
        .filter(({ at, ms }) => ms > lateMs && at + ms > startedAt && at < endedAt)
        .map((write) => explain(write, looks, workers)),
    ];
    seconds[name] = [...(seconds[name] ?? []), (endedAt - startedAt) / 1000];
    waits[name] = [
      ...(waits[name] ?? []),
      ...latencies.filter(({ at, ms }) => at + ms > startedAt && at < endedAt).map(({ ms }) => ms),
    ];
  };
  for (let round = 1; round <= rounds; round++) {
    await measure('nothing', () => wait(3000));
    await measure('bare updates', () => moveBare(superuser, pairs.bare, 'replica'));
    await measure('bare updates back', () => moveBareBack(superuser, pairs.bare, 'replica'));
    await measure('updates with row triggers', () => moveBare(superuser, pairs.triggers, 'origin'));
    await moveBareBack(superuser, pairs.triggers, 'replica');
    await superuser.query('truncate sync.outbox');
    let merge = '';
    await measure('merge', async () => {
      const { rows } = await worker.query('select platform.merge_customers($1, array[$2]::uuid[]) as merged', [
        pairs.merge.survivor,
        pairs.merge.loser,
      ]);
      merge = rows[0].merged.merges[0].merge;
    });
    await measure('preview of the unmerge', () => worker.query('select platform.preview_unmerge($1)', [merge]));
    await measure('unmerge', () => worker.query('select platform.unmerge_customers($1)', [merge]));
    await measure('preview of the merge', () =>
      worker.query('select platform.preview_merge($1, $2)', [pairs.merge.survivor, pairs.merge.loser]),
    );
  }

  const bare: Record<string, string> = {
    merge: 'bare updates',
    unmerge: 'bare updates back',
    'updates with row triggers': 'bare updates',
  };
  console.log(
    printTable({
      columns: ['', 'seconds', 'of the bare updates', 'writers beside it: p50', 'p99', 'longest'],
      rows: Object.keys(seconds).map((name) => {
        const sorted = (waits[name] as number[]).toSorted((a, b) => a - b);
        const of = bare[name];
        return [
          name,
          median(seconds[name] as number[]).toFixed(2),
          of ? `${(median(seconds[name] as number[]) / median(seconds[of] as number[])).toFixed(2)} ×` : '',
          `${quantile(sorted, 0.5).toFixed(1)} ms`,
          `${quantile(sorted, 0.99).toFixed(1)} ms`,
          `${(sorted.at(-1) ?? Number.NaN).toFixed(1)} ms`,
        ];
      }),
    }),
  );
  console.log(
    printTable({
      columns: [
        '',
        `writes later than ${lateMs} ms`,
        'they waited for',
        'meanwhile the work did',
        'WAL',
        'longest delay of this process',
      ],
      rows: Object.keys(seconds).map((name) => [
        name,
        String((lates[name] as Late[]).length),
        sayMost((lates[name] as Late[]).flatMap(({ waited }) => waited)),
        sayMost((lates[name] as Late[]).flatMap(({ beside }) => beside)),
        `${median(wal[name] as number[]).toFixed(0)} MB`,
        `${(loops[name] as number).toFixed(1)} ms`,
      ]),
    }),
  );
  const { rows } = await superuser.query(
    `select pg_total_relation_size('platform.merge_moves') / (select count(*) from platform.merge_moves) as bytes`,
  );
  console.log(`a row of the ledger takes ${rows[0].bytes} bytes with its index`);
  await Promise.all([superuser.end(), worker.end(), watcher.end()]);
}

async function connect(server: LocalServer, login: string): Promise<pg.Client> {
  const connectionString =
    login === 'postgres' ? server.server.superuserUrl('bench') : server.urlOf(login as 'sync_app', 'bench');
  const client = new pg.Client({ connectionString });
  client.on('error', () => {}); // the running query fails with the same error
  await client.connect();
  return client;
}

async function makePair(superuser: pg.Client, name: string): Promise<Pair> {
  const ids: string[] = [];
  for (const side of ['survivor', 'loser']) {
    const { rows } = await superuser.query(
      `insert into platform.customers (email, name, created_by_app) values ($1, $2, 'foundation') returning id`,
      [`${name}.${side}@example.com`, `${name} ${side}`],
    );
    ids.push(rows[0].id);
  }
  // The rows of the two lie among each other, as they come in over the years.
  for (let part = 0; part < 10; part++)
    for (const id of ids)
      for (const { share, insert } of Object.values(shares))
        await superuser.query(insert, [id, Math.round((children * share) / 10)]);
  const [survivor, loser] = ids as [string, string];
  // What the bare way back needs to know: the rows that came from the loser.
  for (const table of tables) {
    await superuser.query(`create table if not exists public.${moved(table)} (pair text, id text)`);
    await superuser.query(
      `insert into public.${moved(table)} select $1, ${keyOf(table)}::text from ${table} where customer_id = $2`,
      [name, loser],
    );
    await superuser.query(`analyze public.${moved(table)}`);
  }
  return { survivor, loser };
}

async function moveBare(superuser: pg.Client, { survivor, loser }: Pair, role: 'replica' | 'origin'): Promise<void> {
  await superuser.query(`begin; set local session_replication_role = ${role}`);
  for (const table of tables)
    await superuser.query(`update ${table} set customer_id = $1 where customer_id = $2`, [survivor, loser]);
  await superuser.query('commit');
}

async function moveBareBack(
  superuser: pg.Client,
  { survivor, loser }: Pair,
  role: 'replica' | 'origin',
): Promise<void> {
  await superuser.query(`begin; set local session_replication_role = ${role}`);
  for (const table of tables)
    await superuser.query(
      `update ${table} t set customer_id = $2 from public.${moved(table)} m where t.customer_id = $1 and m.id = t.${keyOf(table)}::text`,
      [survivor, loser],
    );
  await superuser.query('commit');
}

type Written = { at: number; ms: number; pid: number };
type Look = { at: number; doing: Map<number, string> };
type Late = { waited: string[]; beside: string[] };

/** Looks all the time at what these processes of the server do. */
function startWatching(watcher: pg.Client, pids: number[]): { stop(): Promise<Look[]> } {
  const looks: Look[] = [];
  let isOver = false;
  const looking = (async () => {
    while (!isOver) {
      const { rows } = await watcher.query({
        name: 'look',
        text: `select pid, coalesce(wait_event_type || ' ' || wait_event, 'the processor') as doing from pg_stat_activity
          where pid = any ($1) and state = 'active'`,
        values: [pids],
      });
      looks.push({ at: performance.now(), doing: new Map(rows.map(({ pid, doing }) => [pid, doing])) });
      await wait(3);
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
function explain({ at, ms, pid }: Written, looks: Look[], workers: number[]): Late {
  const during = looks.filter((look) => look.at >= at && look.at <= at + ms);
  return {
    waited: during.map(({ doing }) => doing.get(pid) ?? 'the client'),
    beside: during.flatMap(({ doing }) => workers.flatMap((each) => doing.get(each) ?? [])),
  };
}

/** The two that were seen most, with their shares. */
function sayMost(seen: string[]): string {
  const counted = [...Map.groupBy(seen, (each) => each)].map(([what, each]) => ({
    what,
    share: each.length / seen.length,
  }));
  return counted
    .sort((one, other) => other.share - one.share)
    .slice(0, 2)
    .map(({ what, share }) => `${what} ${(share * 100).toFixed(0)} %`)
    .join(', ');
}

/** Two writers of other customers: one changes them, the other logs activities. Each rests 5 ms after a write. */
async function startWriters(server: LocalServer): Promise<{ pids: number[]; stop(): Promise<Written[]> }> {
  const client = await connect(server, 'foundation_app');
  const other = await connect(server, 'foundation_app');
  const { rows } = await client.query(`select id from platform.customers where name like 'Other %' limit 2000`);
  const ids = rows.map(({ id }) => id as string);
  const latencies: Written[] = [];
  const pidOf = (on: pg.Client) => (on as unknown as { processID: number }).processID;
  let isOver = false;
  const write = async (on: pg.Client, sql: string) => {
    for (let n = 0; !isOver; n++) {
      const at = performance.now();
      await on.query(sql, [ids[n % ids.length]]);
      latencies.push({ at, ms: performance.now() - at, pid: pidOf(on) });
      await wait(5);
    }
  };
  const writing = [
    write(
      client,
      `update platform.customers set account_tier = case account_tier when 'basic' then 'free' else 'basic' end where id = $1`,
    ),
    write(other, `insert into crm.activities (customer_id, type, description) values ($1, 'note', 'Hello')`),
  ];
  return {
    pids: [pidOf(client), pidOf(other)],
    async stop() {
      isOver = true;
      await Promise.all(writing);
      await Promise.all([client.end(), other.end()]);
      return latencies;
    },
  };
}
