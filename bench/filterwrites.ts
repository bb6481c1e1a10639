import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type LocalServer, startLocal } from '@aether/database';
import pg from 'pg';
import { fillFilters } from './filters.fill.ts';
import { fillLists } from './lists.fill.ts';
import { median } from './measure.ts';

/*
 * Measures what the filters of the customer list cost those who write: activities with and without the triggers that keep the last one, and
 * custom values with and without the indexes of their order and their words. One writer, a transaction for each row, in turns on one server.
 * What the index of words puts off is done within the time.
 *
 *   npm run bench:filterwrites                     50,000 customers, 5 rounds of 2,000 rows
 */
const { values: options } = parseArgs({
  options: {
    customers: { type: 'string', default: '50000' },
    rows: { type: 'string', default: '2000' },
    rounds: { type: 'string', default: '5' },
  },
});
const customers = Number(options.customers);
const rows = Number(options.rows);
const indexNames = ['custom_values_by_text', 'custom_values_by_number', 'custom_values_words'];

type Turn = { ms: number; walBytes: number };
type Kind = { name: string; set(isOn: boolean): Promise<void>; write(client: pg.Client, n: number): Promise<unknown> };

const folder = await mkdtemp(join(tmpdir(), 'aether-bench-'));
await chmod(folder, 0o755);
let local: LocalServer | undefined;
try {
  local = await startLocal({
    folder,
    database: 'bench',
    port: 54523,
    // No checkpoint between the rounds: images of whole pages depend on it.
    settings: { shared_buffers: '1GB', max_wal_size: '8GB', checkpoint_timeout: '1h' },
  });
  await fillLists(local, { customers, deals: 1_000, entries: 2_000 });
  await fillFilters(local, { activities: customers * 5 });
  const [superuser, app] = [local.server.superuserUrl('bench'), local.urlOf('foundation_app')].map(
    (connectionString) => new pg.Client({ connectionString }),
  ) as [pg.Client, pg.Client];
  await superuser.connect();
  await app.connect();
  // A filled database comes with triggers switched off; the writers meet them all, but those that a turn leaves out.
  for (const table of ['crm.activities', 'crm.custom_field_values'])
    await superuser.query(`alter table ${table} enable trigger user`);
  const { rows: people } = await superuser.query<{ id: string }>('select id from platform.customers order by random()');
  const idOf = (n: number) => people[n % people.length]?.id;
  const { rows: defined } = await superuser.query<{ definition: string }>(
    'select pg_get_indexdef(i::regclass) as definition from unnest($1::text[]) i',
    [indexNames.map((name) => `crm.${name}`)],
  );
  const { rows: fields } = await superuser.query<{ id: string; key: string }>(
    `insert into crm.custom_fields (record, key, label, type) values ('customer', 'seats', 'Seats', 'number'),
       ('customer', 'interest', 'Interest', 'text') returning id, key`,
  );
  const fieldOf = (key: string) => fields.find((field) => field.key === key)?.id;
  const setIndexes = async (isOn: boolean) => {
    await superuser.query(`drop index if exists ${indexNames.map((name) => `crm.${name}`).join(', ')}`);
    if (isOn) for (const { definition } of defined) await superuser.query(definition);
    await superuser.query('vacuum analyze crm.custom_field_values');
  };
  const writeValue = (client: pg.Client, key: string, n: number, value: unknown) =>
    client.query({
      name: 'value',
      text: 'insert into crm.custom_field_values (field_id, customer_id, value) values ($1, $2, $3)',
      values: [fieldOf(key), idOf(n), JSON.stringify(value)],
    });
  const kinds: Kind[] = [
    {
      name: 'an activity, of a customer of its own each',
      set: setTriggers,
      write: (client, n) => writeActivity(client, idOf(n)),
    },
    {
      name: 'an activity, all of ten customers',
      set: setTriggers,
      write: (client, n) => writeActivity(client, idOf(n % 10)),
    },
    { name: 'a number', set: setIndexes, write: (client, n) => writeValue(client, 'seats', n, n % 997) },
    {
      name: 'a text of 60 characters',
      set: setIndexes,
      write: (client, n) =>
        writeValue(
          client,
          'interest',
          n,
          `Asked for ${(n * 7919).toString(36)} ${(n * 104729).toString(36)} and a visit next spring`.padEnd(60, ' .'),
        ),
    },
  ];

  async function setTriggers(isOn: boolean): Promise<void> {
    for (const trigger of ['note_activity', 'note_changed_activity', 'note_moved_activities'])
      await superuser.query(`alter table crm.activities ${isOn ? 'enable' : 'disable'} trigger ${trigger}`);
    await superuser.query('vacuum analyze crm.activities, crm.customer_activity');
  }
  function writeActivity(client: pg.Client, id: string | undefined): Promise<unknown> {
    return client.query({
      name: 'activity',
      text: `insert into crm.activities (customer_id, type, description) values ($1, 'note', 'Spoken about the renewal of the contract')`,
      values: [id],
    });
  }
  const readWal = async () =>
    (await superuser.query<{ at: string }>('select pg_current_wal_insert_lsn()::text as at')).rows[0]?.at;

  let place = 0;
  async function takeTurn({ set, write }: Kind, isOn: boolean): Promise<Turn> {
    await set(isOn);
    const before = await readWal();
    const beganAt = performance.now();
    for (let n = 0; n < rows; n++) await write(app, place++);
    if (isOn && set === setIndexes) await superuser.query(`select gin_clean_pending_list('crm.custom_values_words')`);
    const ms = performance.now() - beganAt;
    const { rows: wal } = await superuser.query<{ bytes: string }>('select pg_wal_lsn_diff($1, $2) as bytes', [
      await readWal(),
      before,
    ]);
    await superuser.query('truncate sync.outbox');
    return { ms: ms / rows, walBytes: Number(wal[0]?.bytes) / rows };
  }

  console.log(`${customers.toLocaleString('en')} customers, ${options.rounds} rounds of ${rows} rows\n`);
  console.log(
    '| one row and its commit | without: ms | with: ms | with ÷ without, of each round | WAL bytes |\n|---|--:|--:|---|--:|',
  );
  for (const kind of kinds) {
    place = 0;
    await takeTurn(kind, true); // of warm-up
    const turns: { off: Turn; on: Turn }[] = [];
    for (let round = 0; round < Number(options.rounds); round++) {
      const first = round % 2 === 0;
      const one = await takeTurn(kind, first);
      const other = await takeTurn(kind, !first);
      turns.push(first ? { on: one, off: other } : { on: other, off: one });
    }
    const of = (pick: (turn: { off: Turn; on: Turn }) => number) => median(turns.map(pick));
    const ratios = turns.map(({ on, off }) => on.ms / off.ms).toSorted((a, b) => a - b);
    const [off, on] = [of((t) => t.off.ms), of((t) => t.on.ms)].map((ms) => ms.toFixed(2));
    const range = `${median(ratios).toFixed(2)} (${ratios[0]?.toFixed(2)} to ${ratios.at(-1)?.toFixed(2)})`;
    const bytes = `${Math.round(of((t) => t.off.walBytes))} → ${Math.round(of((t) => t.on.walBytes))}`;
    console.log(`| ${kind.name} | ${off} | ${on} | ${range} | ${bytes} |`);
  }
  await app.end();
  await superuser.end();
} finally {
  await local?.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
}
