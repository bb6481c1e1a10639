import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalServer } from '@aether/database';
import { atEnd } from '@aether/database/testing';
import { newTestFolder } from '@aether/database/testing.folder';
import { startMigrated } from '@aether/database/testing.local';
import { type AppEvent, connectPlatform, type Handled, type PlatformDb } from '@aether/platform';
import pg from 'pg';
import { expect, test } from 'vitest';
import { startTestPlatform, until } from '../testing.ts';
import { startSequencer } from '../worker/sequencer.ts';

const subscription = { name: 'support.restored', from: 'beginning' } as const;
const poison = 'Poison';
let isMended = false;

/** Records each version it handles, in the subscription's own transaction; a poisoned key fails until it is mended. */
async function note(event: AppEvent<'customer.updated'>, { tx }: Handled): Promise<void> {
  if (event.data.name.startsWith(poison) && !isMended) throw new Error('poisoned');
  await tx.query('insert into support.handled (key, version) values ($1, $2)', [event.key, event.version]);
}
const makeNotes = `create table support.handled (n bigint generated always as identity, key text, version bigint);
  grant select, insert on support.handled to support_role`;

const tablesOfAether = `
  select c.oid::regclass::text as name, string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
  where c.relnamespace::regnamespace::text in ('platform', 'crm', 'support', 'sync') and c.relkind in ('r', 'p') and not c.relispartition
  group by c.oid order by 1`;

/** As pg_dump does it: every table in one snapshot, and the sequences at their current values. */
async function dump(source: pg.Client, folder: string): Promise<{ name: string; value: string }[]> {
  await source.query('begin isolation level repeatable read read only');
  const { rows: tables } = await source.query(tablesOfAether);
  for (const { name, columns } of tables)
    await source.query(`copy (select ${columns} from ${name}) to '${join(folder, name)}'`);
  const { rows: sequences } = await source.query(
    `select format('%I.%I', schemaname, sequencename) as name, last_value::text as value from pg_sequences
     where schemaname in ('platform', 'crm', 'support', 'sync') and last_value is not null`,
  );
  await source.query('commit');
  return sequences;
}

/** As pg_restore does it with --data-only --disable-triggers, into a server with the same migrations. */
async function restore(target: pg.Client, folder: string, sequences: { name: string; value: string }[]): Promise<void> {
  await target.query('set session_replication_role = replica');
  const { rows: tables } = await target.query(tablesOfAether);
  await target.query(`truncate ${tables.map((table) => table.name).join(', ')}`);
  for (const { name, columns } of tables) await target.query(`copy ${name} (${columns}) from '${join(folder, name)}'`);
  for (const { name, value } of sequences) await target.query('select setval($1, $2)', [name, value]);
}

async function startElsewhere(folder: string): Promise<LocalServer> {
  const local = await startMigrated({ folder: join(folder, 'server'), database: 'restored' });
  atEnd(() => local.server.stop('immediate'));
  return local;
}

async function open(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  atEnd(() => client.end());
  return client;
}

async function connect(local: LocalServer, app: 'foundation' | 'support'): Promise<PlatformDb> {
  const db = await connectPlatform({ app, variables: { PLATFORM_DB_URL: local.urlOf(`${app}_app`) } });
  atEnd(() => db.close());
  return db;
}

test('a backup taken under load continues in a new server, with no event lost or doubled', async () => {
  const folder = await newTestFolder('restore');
  await chmod(folder, 0o777); // the servers may run as another system user
  atEnd(() => rm(folder, { recursive: true, force: true }));
  const before = await startTestPlatform();
  await before.superuser.query(makeNotes);
  const customers = await Promise.all(
    Array.from({ length: 8 }, (_, n) =>
      before.foundation.createCustomer({ email: `restored${n}@example.com`, name: 'Version 1' }),
    ),
  );
  const rename = (db: PlatformDb, n: number, name: string) =>
    db.updateCustomer((customers[n] as { id: string }).id, { name });
  const subscribed = before.support.events.subscribe('customer.updated', note, subscription);
  for (let round = 0; round < 5; round++) for (let n = 0; n < 8; n++) await rename(before.foundation, n, `At ${round}`);
  await rename(before.foundation, 7, poison);
  await until(
    async () =>
      (await before.sync.query(`select from sync.parked where subscription = $1`, [subscription.name])).rowCount === 1,
  );

  // The backup contains events without a number, a parked event, and open writers.
  await before.sequencer.stop();
  for (let n = 0; n < 8; n++) await rename(before.foundation, n, 'Not numbered');
  const underWay = await before.database.connect('foundation_app');
  await underWay.query('begin');
  await underWay.query(`update platform.customers set name = 'Never committed'`);
  const sequences = await dump(before.superuser, folder);
  await underWay.query('rollback');
  await subscribed.stop();

  const local = await startElsewhere(folder);
  const superuser = await open(local.server.superuserUrl('restored'));
  await superuser.query(makeNotes);
  await restore(superuser, folder, sequences);
  const sequencer = startSequencer({ url: local.urlOf('sync_app') });
  atEnd(() => sequencer.stop());
  const [foundation, support] = [await connect(local, 'foundation'), await connect(local, 'support')];
  isMended = true;
  support.events.subscribe('customer.updated', note, { ...subscription, retryFirstMs: 10 });
  for (let n = 0; n < 8; n++) await rename(foundation, n, 'After the restore');
  const added = await foundation.createCustomer({ email: 'new@example.com', name: 'New' });
  await foundation.updateCustomer(added.id, { name: 'Newer' });

  const { rows: changes } = await superuser.query(
    'select id::text as key, v as version from platform.customers, generate_series(2, version) v order by 1, 2',
  );
  const handled = async () => (await superuser.query('select key, version from support.handled order by key, n')).rows;
  await superuser.query(`update sync.parked set attempt_at = clock_timestamp() where state = 'retrying'`);
  await until(async () => (await handled()).length >= changes.length);
  expect(await handled()).toEqual(changes);
  const { rows } = await superuser.query(
    `select count(*) = max(position) as dense, count(distinct id) = count(*) as single,
       (select count(*) from sync.outbox)::integer as waiting, (select count(*) from sync.parked)::integer as parked from sync.events`,
  );
  expect(rows).toEqual([{ dense: true, single: true, waiting: 0, parked: 0 }]);
});
