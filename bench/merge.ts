import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { bootstrap, type LocalServer, migrate, startLocal } from '@aether/database';
import type pg from 'pg';
import {
  connect,
  type Measured,
  measureBeside,
  readSettings,
  tableOfCauses,
  tableOfLongest,
  tableOfWaits,
} from './beside.ts';
import { median } from './measure.ts';
import { printTable } from './tables.ts';

/*
 * Measures a merge of two customers with many children each, and its unmerge, beside the bare statements that move the same rows: an
 * update for each table, by a superuser, with row triggers and foreign keys switched off and with them on. Each way moves the rows of a
 * pair of its own, in turns. Beside each, writers of other customers say how long they wait, and for what (beside.ts): a bare update on two
 * cores delays them as well, so that only the difference is the merge's.
 *
 *   npm run bench:merge
 *   npm run bench:merge -- --children 10000 --rounds 5 --brief
 */
const { values: options } = parseArgs({
  options: {
    children: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    customers: { type: 'string', default: '5000' },
    /** Leaves out the previews, and the updates with row triggers. */
    brief: { type: 'boolean', default: false },
    /** Settings of PostgreSQL, such as wal_compression=lz4,wal_init_zero=off. */
    settings: { type: 'string', default: '' },
  },
});
const children = Number(options.children);
const rounds = Number(options.rounds);
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
      track_wal_io_timing: 'on',
      ...readSettings(options.settings),
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
    triggers: options.brief ? undefined : await makePair(superuser, 'triggers'),
    merge: await makePair(superuser, 'merge'),
  };
  await superuser.query('truncate sync.outbox');

  const watcher = await connect(server, 'postgres');
  const measured: Measured = new Map();
  const measure = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    await superuser.query(`vacuum analyze ${[...tables, 'platform.customers'].join(', ')}`);
    await superuser.query('checkpoint');
    await measureBeside(measured, name, { server, watcher, workers: [superuser, worker] }, work);
  };
  for (let round = 1; round <= rounds; round++) {
    await measure('nothing', () => wait(3000));
    await measure('bare updates', () => moveBare(superuser, pairs.bare, 'replica'));
    await measure('bare updates back', () => moveBareBack(superuser, pairs.bare, 'replica'));
    const { triggers } = pairs;
    if (triggers) {
      await measure('updates with row triggers', () => moveBare(superuser, triggers, 'origin'));
      await moveBareBack(superuser, triggers, 'replica');
    }
    await superuser.query('truncate sync.outbox');
    let merge = '';
    await measure('merge', async () => {
      const { rows } = await worker.query('select platform.merge_customers($1, array[$2]::uuid[]) as merged', [
        pairs.merge.survivor,
        pairs.merge.loser,
      ]);
      merge = rows[0].merged.merges[0].merge;
    });
    if (!options.brief)
      await measure('preview of the unmerge', () => worker.query('select platform.preview_unmerge($1)', [merge]));
    await measure('unmerge', () => worker.query('select platform.unmerge_customers($1)', [merge]));
    if (options.brief) continue;
    await measure('preview of the merge', () =>
      worker.query('select platform.preview_merge($1, $2)', [pairs.merge.survivor, pairs.merge.loser]),
    );
  }

  const bare: Record<string, string> = {
    merge: 'bare updates',
    unmerge: 'bare updates back',
    'updates with row triggers': 'bare updates',
  };
  const secondsOf = (name: string) => median((measured.get(name) ?? []).map(({ seconds }) => seconds));
  console.log(
    printTable({
      columns: ['', 'seconds', 'of the bare updates'],
      rows: [...measured.keys()].map((name) => {
        const of = bare[name];
        return [name, secondsOf(name).toFixed(2), of ? `${(secondsOf(name) / secondsOf(of)).toFixed(2)} ×` : ''];
      }),
    }),
  );
  console.log(printTable(tableOfWaits(measured)));
  console.log(printTable(tableOfCauses(measured)));
  console.log(printTable(tableOfLongest(measured)));
  const { rows } = await superuser.query(
    `select pg_total_relation_size('platform.merge_moves') / (select count(*) from platform.merge_moves) as bytes`,
  );
  console.log(`a row of the ledger takes ${rows[0].bytes} bytes with its index`);
  await Promise.all([superuser.end(), worker.end(), watcher.end()]);
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
      for (const { share, insert } of Object.values(shares)) {
        await superuser.query('begin; set local session_replication_role = replica');
        await superuser.query(insert, [id, Math.round((children * share) / 10)]);
        await superuser.query('commit');
      }
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
