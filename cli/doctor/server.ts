import { changedCollations, changedCollationsRemedy } from '@aether/database';
import type pg from 'pg';
import { type Finding, some } from './findings.ts';

type Said = [check: string, state: Finding['state'], found: string, remedy?: string];

/** Seconds by which two clocks may differ before somebody should look, and before access tokens and sign-ins are refused. */
const skewToLook = 2;
const skewTooMuch = 30;
const clockRounds = 3;
/** The first version with uuidv7(). */
const versionMin = 180_000;

/** Examines what is the same for each login: version, clock, letters, extension, durability. @param now this machine's clock */
export async function examineServer(client: pg.Client, now: () => number): Promise<Finding[]> {
  const said: Said[] = [
    ...(await examineKind(client)),
    await examineClock(client, now),
    ...(await examineLetters(client)),
    await examineExtension(client),
    ...(await examineDurability(client)),
    await examineMemory(client),
  ];
  return said.map(([check, state, found, remedy]) => ({ check, logins: [], state, found, ...(remedy && { remedy }) }));
}

async function examineKind(client: pg.Client): Promise<Said[]> {
  const { rows } = await client.query<{ number: number; version: string; standby: boolean; read_only: boolean }>(
    `select current_setting('server_version_num')::integer as number, current_setting('server_version') as version,
       pg_is_in_recovery() as standby, current_setting('default_transaction_read_only') = 'on' as read_only`,
  );
  const { number, version, standby, read_only } = rows[0] as (typeof rows)[number];
  const said: Said[] = [
    number < versionMin
      ? ['version', 'wrong', `PostgreSQL ${version}`, 'Aether needs 18 or newer: it relies on uuidv7()']
      : ['version', 'ok', `PostgreSQL ${version}`],
  ];
  if (standby)
    said.push([
      'writable',
      'wrong',
      'the server is a standby: nothing can be written',
      'give the address of the primary',
    ]);
  else if (read_only)
    said.push([
      'writable',
      'wrong',
      'default_transaction_read_only = on: nothing can be written',
      'a full disk makes some hosted servers so: make room, then set it off',
    ]);
  else said.push(['writable', 'ok', 'the server takes writes']);
  return said;
}

async function examineClock(client: pg.Client, now: () => number): Promise<Said> {
  let closest = { difference: 0, within: Number.POSITIVE_INFINITY };
  for (let round = 0; round < clockRounds; round++) {
    const asked = now();
    const { rows } = await client.query<{ ms: number }>(
      'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
    );
    const answered = now();
    const within = (answered - asked) / 2;
    if (within < closest.within) closest = { difference: (rows[0]?.ms ?? 0) - (asked + answered) / 2, within };
  }
  const seconds = closest.difference / 1_000;
  const words = `the server's clock is ${Math.abs(seconds).toFixed(1)} s ${seconds < 0 ? 'behind' : 'ahead of'} this machine's`;
  const remedy = 'let both follow the same time servers (chrony, systemd-timesyncd)';
  if (Math.abs(seconds) > skewTooMuch)
    return ['clock', 'wrong', `${words}: sign-ins and access tokens are refused`, remedy];
  if (Math.abs(seconds) > skewToLook) return ['clock', 'warning', words, remedy];
  return ['clock', 'ok', 'the two clocks agree'];
}

async function examineLetters(client: pg.Client): Promise<Said[]> {
  const { rows } = await client.query<{ database: string; ctype: string; encoding: string; icu: boolean }>(
    `select datname as database, datctype as ctype, pg_encoding_to_char(encoding) as encoding,
       exists (select from pg_catalog.pg_collation where collprovider = 'i') as icu
     from pg_catalog.pg_database where datname = current_database()`,
  );
  const { database, ctype, encoding, icu } = rows[0] as (typeof rows)[number];
  const another = `create another database with \`template template0 encoding 'UTF8' lc_ctype 'C.UTF-8'\`, and move the data over`;
  const said: Said[] = [];
  if (encoding !== 'UTF8')
    said.push(['letters', 'wrong', `the database ${database} has the encoding ${encoding}`, another]);
  else if (ctype === 'C' || ctype === 'POSIX')
    said.push([
      'letters',
      'wrong',
      `the LC_CTYPE ${ctype} knows no letter beyond ASCII: searches find none by an index`,
      another,
    ]);
  else if (!icu)
    said.push(['letters', 'wrong', 'this server was built without ICU, which sorts names', 'use a build that has it']);
  else said.push(['letters', 'ok', `encoding ${encoding}, LC_CTYPE ${ctype}, ICU for sorting`]);
  const changed = (await client.query<{ object: string }>(changedCollations)).rows.map(({ object }) => object);
  if (changed.length > 0)
    said.push([
      'collations',
      'warning',
      `other rules than the indexes have: ${some(changed)}`,
      changedCollationsRemedy,
    ]);
  else said.push(['collations', 'ok', 'the indexes are in the order that the server uses']);
  return said;
}

async function examineExtension(client: pg.Client): Promise<Said> {
  const { rows } = await client.query<{ schema: string | null; installed: string | null; available: string | null }>(
    `select n.nspname as schema, e.extversion as installed,
       (select default_version from pg_catalog.pg_available_extensions where name = 'pg_trgm') as available
     from (select) one left join pg_catalog.pg_extension e on e.extname = 'pg_trgm'
       left join pg_catalog.pg_namespace n on n.oid = e.extnamespace`,
  );
  const { schema, installed, available } = rows[0] as (typeof rows)[number];
  if (installed === null)
    return available === null
      ? [
          'extension',
          'wrong',
          'this server does not offer pg_trgm',
          'install the contrib package; on Azure name it in azure.extensions',
        ]
      : ['extension', 'wrong', 'pg_trgm is missing in this database', 'run `aether migrate bootstrap`'];
  if (schema !== 'ext')
    return ['extension', 'wrong', `pg_trgm is in the schema ${schema}`, 'alter extension pg_trgm set schema ext'];
  if (installed !== available && available !== null)
    return [
      'extension',
      'warning',
      `pg_trgm is ${installed}, and the server has ${available}`,
      'alter extension pg_trgm update',
    ];
  return ['extension', 'ok', `pg_trgm ${installed} in the schema ext`];
}

async function examineDurability(client: pg.Client): Promise<Said[]> {
  const { rows } = await client.query<{ off: string[]; relaxed: boolean; kept: string[] }>(
    `select array(select name from unnest(array['fsync', 'full_page_writes']) name where current_setting(name) = 'off') as off,
       current_setting('synchronous_commit') = 'off' as relaxed,
       array(select slot_name::text from pg_catalog.pg_replication_slots
         where not active and current_setting('max_slot_wal_keep_size') = '-1') as kept`,
  );
  const { off, relaxed, kept } = rows[0] as (typeof rows)[number];
  const said: Said[] = [];
  if (off.length > 0)
    said.push([
      'durability',
      'wrong',
      `${off.join(', ')} off: a crash of the machine can spoil the data`,
      `set ${off.join(', ')} = on`,
    ]);
  else if (relaxed)
    said.push(['durability', 'warning', 'synchronous_commit = off: a crash loses the last commits', 'set it on']);
  else said.push(['durability', 'ok', 'what is committed survives a crash']);
  const { rows: vacuum } = await client.query<{ on: string }>(`select current_setting('autovacuum') as on`);
  said.push(
    vacuum[0]?.on === 'on'
      ? ['autovacuum', 'ok', 'dead rows are cleared']
      : ['autovacuum', 'warning', 'autovacuum = off: tables and indexes grow for ever', 'set autovacuum = on'],
  );
  said.push(
    kept.length > 0
      ? [
          'slots',
          'warning',
          `nobody reads the replication slots ${some(kept)}, and max_slot_wal_keep_size = -1: the log grows until the disk is full`,
          'drop what nobody uses (pg_drop_replication_slot), or set max_slot_wal_keep_size',
        ]
      : ['slots', 'ok', 'no forgotten replication slot keeps the log'],
  );
  return said;
}

/** From so much memory on, the first touch of each of its small pages by each connection is felt. */
const memoryMuchMb = 1_024;

async function examineMemory(client: pg.Client): Promise<Said> {
  const { rows } = await client.query<{ mb: number; pages: string; wanted: string }>(
    `select (select setting::integer / 128 from pg_catalog.pg_settings where name = 'shared_buffers') as mb,
       current_setting('huge_pages_status') as pages, current_setting('shared_memory_size_in_huge_pages') as wanted`,
  );
  return judgeMemory(rows[0] as (typeof rows)[number]);
}

/** Pure. @param memory mb: shared_buffers; pages: huge_pages_status; wanted: how many it takes, -1 where the system has none */
export function judgeMemory({ mb, pages, wanted }: { mb: number; pages: string; wanted: string }): Said {
  if (pages === 'on') return ['memory', 'ok', 'the memory is in huge pages'];
  if (mb < memoryMuchMb || wanted === '-1') return ['memory', 'ok', `shared_buffers of ${mb} MB, without huge pages`];
  return [
    'memory',
    'warning',
    `shared_buffers of ${mb} MB without huge pages: lookups among millions of customers take up to three times as long`,
    `give the server's machine vm.nr_hugepages = ${wanted} or a little more, and start PostgreSQL again (huge_pages = try)`,
  ];
}
