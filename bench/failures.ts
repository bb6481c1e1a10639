import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type LocalServer, migrate, startLocal } from '@aether/database';
import { freezeFailures, listCauses, listFailed, listSubscriptions, readStopped, searchEvents } from '@aether/sync';
import pg from 'pg';
import { quantile } from './measure.ts';

/*
 * How soon the console's pages of failures answer with a million parked events: nine tenths of one cause, the rest of fifty others, and a
 * tenth as many events that wait behind them. The login is that of the command, which reads the same rows as the console.
 *
 *   npm run bench:failures
 *   npm run bench:failures -- --events 200000 --rounds 5
 *
 * Filling takes about a minute, without waiting for the disk.
 */
const { values: options } = parseArgs({
  options: { events: { type: 'string', default: '1000000' }, rounds: { type: 'string', default: '20' } },
});
const events = Number(options.events);
const rounds = Number(options.rounds);
const name = 'support.bench';

const folder = await mkdtemp(join(tmpdir(), 'aether-bench-'));
await chmod(folder, 0o755);
let local: LocalServer | undefined;
try {
  local = await startLocal({
    folder,
    database: 'failures',
    port: 54570,
    settings: { shared_buffers: '1GB', max_wal_size: '8GB', fsync: 'off' },
  });
  await migrate(local.urlOf('platform_migrator', 'failures'));
  const startedAt = performance.now();
  await fill(local.server.superuserUrl('failures'));
  console.log(
    `${events.toLocaleString('en')} parked events in ${Math.round((performance.now() - startedAt) / 1_000)} s`,
  );
  await measurePages(local.urlOf('sync_app', 'failures'));
} finally {
  await local?.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

/** As the sequencer and a failing subscription would have left it. */
async function fill(url: string): Promise<void> {
  const superuser = await connect(url);
  const waiting = Math.floor(events / 10);
  await superuser.query(
    `insert into sync.events (position, id, type, key, customer, row_id, version, audience, app, login, actor, data, previous, occurred_at)
     select n, n, 'customer.updated', u, u::uuid, u, 2, 'platform', 'foundation', 'foundation_app', 'user-' || n % 50,
       jsonb_build_object('name', 'Name ' || n), jsonb_build_object('name', 'Name'), clock_timestamp()
     from generate_series(1, least($1::bigint, 999999)) n cross join lateral (select md5(n::text)::uuid::text as u) k`,
    [events],
  );
  await superuser.query(`insert into sync.subscriptions (name, app, position) values ($1, 'support', $2)`, [
    name,
    2 * events,
  ]);
  await superuser.query(
    `insert into sync.causes (subscription, cause, error_class, shape, failures, first_at, last_at, hour, by_hour, sample_position)
     select $1, lpad(to_hex(n), 16, '0'), 'Error', 'cause ' || n, 1, clock_timestamp(), clock_timestamp() - make_interval(secs => n),
       date_trunc('hour', clock_timestamp()), '{1}', 1 from generate_series(0, 50) n`,
    [name],
  );
  const dead = `insert into sync.parked (subscription, position, key, customer, state, attempts, error, cause)
    select $1, n, md5(n::text)::uuid::text, md5(n::text)::uuid, 'dead', 12, 'Error: cause',
      lpad(to_hex(case when n % 10 > 0 then 0 else 1 + n / 10 % 50 end), 16, '0')
    from generate_series(1, $2::bigint) n`;
  await superuser.query(dead, [name, events]);
  await superuser.query(
    `insert into sync.parked (subscription, position, key, customer, state)
     select $1, $2 + n, md5((n % 1000 + 1)::text)::uuid::text, md5((n % 1000 + 1)::text)::uuid, 'waiting'
     from generate_series(1, $3::bigint) n`,
    [name, events, waiting],
  );
  await superuser.query('vacuum (analyze) sync.parked, sync.causes, sync.events');
  await superuser.end();
}

async function measurePages(url: string): Promise<void> {
  const client = await connect(url);
  const cause = '0'.repeat(16);
  const place = [String(events / 2), name] as [string, string];
  const pages: Record<string, () => Promise<unknown>> = {
    'causes, the first page': () => listCauses(client, {}, { limit: 26 }),
    'causes of a word': () => listCauses(client, { search: 'cause 4' }, { limit: 26 }),
    'failed events, the first page': () => listFailed(client, { subscription: name }, { limit: 26 }),
    'failed events, a page in the middle': () =>
      listFailed(client, { subscription: name }, { after: place, limit: 26 }),
    'failed events of a rare cause': () =>
      listFailed(client, { subscription: name, cause: '0000000000000007' }, { after: place, limit: 26 }),
    'failed events of the frequent cause': () => listFailed(client, { subscription: name, cause }, { limit: 26 }),
    'waiting events': () => listFailed(client, { subscription: name, state: 'waiting' }, { limit: 26 }),
    'one stopped event': () => readStopped(client, name, 1),
    subscriptions: () => listSubscriptions(client),
    'the log of one person': () => searchEvents(client, { actor: 'user-7' }, { direction: 'desc', limit: 50 }),
  };
  for (const [page, read] of Object.entries(pages)) {
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const startedAt = performance.now();
      await read();
      times.push(performance.now() - startedAt);
    }
    times.sort((a, b) => a - b);
    console.log(`${page.padEnd(40)} p50 ${quantile(times, 0.5).toFixed(1)} ms   max ${times.at(-1)?.toFixed(1)} ms`);
  }
  const startedAt = performance.now();
  const { total } = await freezeFailures(client, { kind: 'redrive', subscription: name, filter: {} });
  console.log(`freezing a set of ${total.toLocaleString('en')}: ${Math.round(performance.now() - startedAt)} ms`);
  await client.end();
}
