import { atEnd, createTestDatabase, type TestDatabase, untilSomebodyWaits } from '@aether/database/testing';
import { sample } from '@aether/database/testing.sample';
import fc from 'fast-check';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { type BulkChange, type BulkCustomer, insertCustomers, updateCustomers, writeInChunks } from './bulk.ts';
import { refuseConstraint } from './constraints.ts';
import { EmailTaken, NotFound, VersionConflict } from './errors.ts';
import { requireEmail } from './fields.ts';
import { type Connection, openConnection } from './log/connection.ts';
import { InvalidField, ReferenceNotFound } from './log/errors.ts';
import { readSettings } from './log/settings.ts';
import { phoneColumns } from './phone.ts';

/** One database is written row by row, by the apps; the other one in bulk, by the worker. */
let single: TestDatabase;
let bulk: TestDatabase;
let worker: Connection;
let superuser: Record<'single' | 'bulk', pg.Client>;
let app: Record<string, pg.Client>;
const acme = '00000000-0000-7000-8000-0000000000ac';

beforeAll(async () => {
  [single, bulk] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  superuser = { single: await single.connect('postgres'), bulk: await bulk.connect('postgres') };
  app = { foundation: await single.connect('foundation_app'), support: await single.connect('support_app') };
  worker = openConnection('sync', {
    ...readSettings({ PLATFORM_DB_URL: bulk.url('sync_app') }),
    searchPath: 'sync,platform',
    refuseConstraint,
  });
  atEnd(() => worker.close());
  for (const each of Object.values(superuser)) {
    await each.query(`
      insert into platform.companies (id, name, created_by_app) values ('${acme}', 'Acme', 'foundation');
      insert into platform.users (id, email, name) values ('maya', 'maya@example.com', 'Maya');
      update platform.tiers set is_retired = true where key = 'basic'`);
  }
});

const insert = (rows: BulkCustomer[]) => worker.transaction({}, (tx) => insertCustomers(tx, rows));
const update = (rows: BulkChange[]) => worker.transaction({}, (tx) => updateCustomers(tx, rows));
let count = 0;
const row = (more: Partial<BulkCustomer> = {}): BulkCustomer => ({
  ...{ email: `row-${++count}@example.com`, name: 'Ada', created_by_app: 'foundation' },
  ...more,
});
const one = async <Row>(sql: string, values: unknown[] = []) =>
  (await superuser.bulk.query(sql, values)).rows[0] as Row;

/** One of these, and rarely one that is refused. */
const oneOf = <Value>(good: Value[], ...bad: Value[]) =>
  fc.oneof(
    { weight: 40, arbitrary: fc.constantFrom(...good) },
    ...bad.map((value) => ({ weight: 1, arbitrary: fc.constant(value) })),
  );
const mailbox = fc
  .tuple(fc.constantFrom('A', 'b', 'Ü'), fc.noBias(fc.nat(99)), fc.constantFrom('Example.com', 'example.com'))
  .map(([name, n, domain]) => `${name}${n}@${domain}`);
const shared = {
  name: oneOf(['Ada', 'Jean-Pierre', 'Zoë', '王小明'], '  blank'),
  phone: oneOf([null, '+49 30 1234567', '+49 (30) 1234567', '+49 30 1234567 ext. 12', '+1 212 555 0100']),
  company_id: oneOf([null, acme], '00000000-0000-7000-8000-00000000dead'),
};
const ofFoundation = {
  account_tier: oneOf([null, 'standard', 'premium'], 'basic', 'gone'),
  account_manager_id: oneOf([null, 'maya'], 'nobody'),
  crm_id: fc.option(
    fc.oneof({ weight: 40, arbitrary: fc.noBias(fc.integer({ min: 1_000_001, max: 1_000_400 })) }, fc.constant(0)),
  ),
};
const ofSupport = {
  preferred_language: oneOf([null, 'de', 'de-CH'], '??'),
  timezone: oneOf([null, 'Europe/Berlin'], '1'),
  support_id: fc.option(fc.noBias(fc.integer({ min: 2_000_001, max: 2_000_400 }))),
};
const customer = fc.oneof(
  fc.record({ email: mailbox, created_by_app: fc.constant('foundation'), ...shared, ...ofFoundation }),
  fc.record({ email: mailbox, created_by_app: fc.constant('support'), ...shared, ...ofSupport }),
);
const change = fc.record({ email: mailbox, ...shared, ...ofFoundation, ...ofSupport }, { requiredKeys: [] });

/** As createCustomer and updateCustomer send it. */
function columnsOf({ email, phone, ...rest }: Partial<BulkCustomer>): [string[], unknown[]] {
  const known = email === undefined ? undefined : requireEmail(email);
  const given = { ...rest, ...(known && { email: known.address, email_key: known.key }), ...phoneColumns(phone, 'DE') };
  return [Object.keys(given), Object.values(given)];
}

/** All tables and events that a customer is in, with what only one of the two databases can hold taken out. */
async function stateOf(client: pg.Client): Promise<unknown[][]> {
  const named = `named as (select customer_id as id, min(email_key) as who from platform.customer_emails group by 1)`;
  const read = (sql: string) => `with ${named} ${sql}`;
  const drawn = (column: string) => `case when ${column} < 1000000 then -1 else ${column} end`;
  const numberIn = (record: string, key: string) =>
    `'${key}', ${drawn(`(${record} ->> '${key}')::bigint`)}, '${key} is named', ${record} ? '${key}'`;
  const bare = (record: string) => `${record} - '{id,created_at,customer_id}'::text[]
    || jsonb_build_object(${numberIn(record, 'crm_id')}, ${numberIn(record, 'support_id')})`;
  const statements = [
    read(`select who, email, email_key, name, phone, phone_key, phone_extension, company_id, version, created_by_app,
        ${drawn('crm_id')} as crm_id, account_tier, account_manager_id, ${drawn('support_id')} as support_id, preferred_language, timezone,
        merged_into, erased_at from platform.customers c join named using (id) order by 1`),
    read(`select who, email, email_key, is_primary, verified_at, added_by from platform.customer_emails
      join named on named.id = customer_id order by 3`),
    read(`select who, phone, phone_key, phone_extension, is_primary, added_by from platform.customer_phones
      join named on named.id = customer_id order by 1, 3, 4`),
    read(`select who, app, ${drawn('external_id::bigint')} as number from platform.customer_external_ids
      join named on named.id = customer_id order by 1, 2, 3`),
    read(`select who, o.account_tier, o.updated_at = c.updated_at as is_fresh from crm.customer_order o
      join platform.customers c on c.id = customer_id join named on named.id = customer_id order by 1`),
    read(`select type, who, o.version, o.row_id = o.key as is_key, audience, actor, trace, ${bare('data')} as data,
        ${bare('previous')} as previous
      from sync.outbox o join named on named.id = o.customer order by who, o.type, o.id`),
  ];
  const tables: unknown[][] = [];
  for (const sql of statements) tables.push((await client.query(sql)).rows);
  return tables;
}

test('rows that are written at once leave the tables and events that they leave one by one', async () => {
  const isWritten = async (client: pg.Client, sql: string, values: unknown[]) =>
    client.query(sql, values).then(
      ({ rowCount }) => rowCount === 1,
      () => false,
    );
  await fc.assert(
    fc.asyncProperty(
      fc.array(customer, { minLength: 12, maxLength: 16 }),
      fc.array(change, { minLength: 10, maxLength: 14 }),
      async (rows, changes) => {
        const inserts: boolean[] = [];
        for (const each of rows) {
          const [columns, values] = columnsOf(each);
          const client = app[each.created_by_app] as pg.Client;
          const sql = `insert into platform.customers (${columns}) values (${columns.map((_, n) => `$${n + 1}`)})`;
          inserts.push(await isWritten(client, sql, values));
        }
        const { ids } = await insert(rows);
        expect(ids.map((id) => id !== null)).toEqual(inserts);

        // The customers of both databases, in the same order.
        const listed = `select customer_id as id, (array_agg(email order by email_key) filter (where not is_primary))[1] as second
          from platform.customer_emails group by 1 order by min(email_key)`;
        const [here, there] = await Promise.all([superuser.single.query(listed), superuser.bulk.query(listed)]);
        // Some have a second number, with which an update may exchange the first one, and some get a former address back.
        const addPhone = `select platform.add_phone($1, '+1 212 555 0100', '+12125550100', null)`;
        for (const n of here.rows.keys().filter((each) => each % 2 === 0)) {
          await superuser.single.query(addPhone, [here.rows[n].id]);
          await superuser.bulk.query(addPhone, [there.rows[n].id]);
        }
        const step = Math.max(1, Math.floor(here.rows.length / 14));
        const changed = changes.slice(0, here.rows.length).map((change, index) => {
          const n = (index * step) % here.rows.length;
          const { second } = here.rows[n];
          return { each: second && index % 2 ? { ...change, email: second.toUpperCase() } : change, n };
        });
        const updates: boolean[] = [];
        for (const { each, n } of changed) {
          const [columns, values] = columnsOf(each);
          const sql = `update platform.customers set ${columns.map((c, i) => `${c} = $${i + 2}`).join(', ') || 'id = id'} where id = $1`;
          updates.push(await isWritten(superuser.single, sql, [here.rows[n].id, ...values]));
        }
        const { versions } = await update(changed.map(({ each, n }) => ({ id: there.rows[n].id, change: each })));
        expect(versions.map((version) => version !== null)).toEqual(updates);
        expect(await stateOf(superuser.bulk)).toEqual(await stateOf(superuser.single));
      },
    ),
    { numRuns: sample(8, 3) },
  );
});

describe('a write of many customers', () => {
  test('creates each with its number, address, telephone number and one event of the worker', async () => {
    const rows = [row({ phone: '+49 30 7654321' }), row({ created_by_app: 'support' })];
    const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { ids, refused } = await worker.transaction({ actor: 'maya', trace }, (tx) => insertCustomers(tx, rows));
    expect(refused).toEqual([]);
    const { rows: events } = await superuser.bulk.query(
      'select type, key, version, app, login, actor, trace, data from sync.outbox where customer = any ($1) order by id',
      [ids],
    );
    expect(events).toMatchObject(
      ids.map((id, n) => ({
        ...{ type: 'customer.created', key: id, version: '1', app: 'sync', login: 'sync_app', actor: 'maya', trace },
        data: { email: rows[n]?.email, [n ? 'support_id' : 'crm_id']: expect.any(Number) },
      })),
    );
    expect(
      await one('select phone_key, is_primary from platform.customer_phones where customer_id = $1', [ids[0]]),
    ).toEqual({
      phone_key: '+49307654321',
      is_primary: true,
    });
  });

  test('keeps the id and the time that are given', async () => {
    const given = { id: '00000000-0000-7000-8000-000000000001', created_at: new Date('2019-02-03T04:05:06Z') };
    expect((await insert([row(given)])).ids).toEqual([given.id]);
    expect(await one('select id, created_at from platform.customers where id = $1', [given.id])).toEqual(given);
    expect((await insert([row({ id: given.id })])).refused).toMatchObject([
      { row: 0, error: { code: 'already-exists' } },
    ]);
  });

  test('refuses a row alone, with the error of a single write, and writes the others', async () => {
    const known = row();
    await insert([known]);
    const { ids, refused } = await insert([
      ...[row(), row({ email: known.email.toUpperCase() }), row({ account_tier: 'gone' }), row({ name: 'nul\0' })],
      ...[
        row({ company_id: '00000000-0000-7000-8000-00000000dead' }),
        row({ email: 'nobody' }),
        row({ created_by_app: 'sync' }),
      ],
      row({ created_at: new Date('1815-12-10') }),
    ]);
    expect(ids.map(Boolean)).toEqual([true, ...Array(7).fill(false)]);
    const errors = Object.fromEntries(refused.map((each) => [each.row, each.error]));
    expect(errors[1]).toBeInstanceOf(EmailTaken);
    expect(errors[1]).toMatchObject({ taken: { by: 'email', value: known.email } });
    expect(errors[2]).toMatchObject({
      fields: [{ field: 'account_tier', message: expect.stringMatching(/^must be one of free,/) }],
    });
    for (const [at, field] of Object.entries({ 3: 'name', 6: 'created_by_app', 7: 'created_at' })) {
      expect(errors[at]).toBeInstanceOf(InvalidField);
      expect(errors[at]).toMatchObject({ fields: [{ field }] });
    }
    expect(errors[4]).toBeInstanceOf(ReferenceNotFound);
    expect(errors[5]).toMatchObject({ code: 'invalid-email' });
  });

  // The tables of addresses and numbers check what a row says of them; the function itself asks only for the rest (platform.is_doubtful).
  test('refuses a row alone whichever rule it breaks, also one that only the table of addresses or numbers knows', async () => {
    const long = 'x'.repeat(10_000);
    const phone = { phone: '+49 30 1234567', phone_key: '+49301234567' };
    const broken: Record<string, object[]> = {
      customers_name_check: [{ name: ' blank' }, { name: 'x'.repeat(201) }, { name: '' }],
      customers_email_well_formed: [
        { email: ' a@example.com', email_key: 'a@example.com' },
        { email: long, email_key: 'b@example.com' },
      ],
      customers_email_key_canonical: [
        { email: 'c@example.com', email_key: 'd@example.com' },
        { email: 'c@example.com', email_key: `${long}@example.com` },
        { email: 'nobody' },
        { email: '//e@example.com' },
      ],
      customers_phone_check: [
        { ...phone, phone: ' +49 30 1234567' },
        { ...phone, phone: `${long}4567` },
      ],
      customers_phone_canonical: [
        { ...phone, phone_key: '+49307654321' },
        { ...phone, phone_key: '49301234567' },
        { ...phone, phone_key: `+${'1'.repeat(5_000)}4567` },
        { ...phone, phone_extension: 'x' },
        { ...phone, phone_extension: '1'.repeat(10_000) },
        { phone_key: phone.phone_key },
        { phone_extension: '12' },
      ],
      customers_created_by_app_check: [{ created_by_app: 'sync' }, { created_by_app: null }],
      customers_crm_id_check: [{ crm_id: 0 }, { crm_id: Number.MAX_SAFE_INTEGER + 1 }],
      customers_support_id_check: [{ support_id: -1 }],
      customers_preferred_language_check: [{ preferred_language: '??' }],
      customers_timezone_check: [{ timezone: '1' }],
      customers_merged_into_check: [{ merged_into: acme }],
    };
    const elsewhere = {
      customers_erased_at_check: [{ erased_at: new Date() }],
      customers_created_at_time: [{ created_at: '1815-12-10' }],
    };
    const { rules } = await one<{ rules: string[] }>(
      `select array_agg(distinct r[1] order by r[1]) as rules
       from pg_proc, regexp_matches(prosrc, 'then ''(\\w+)''', 'g') r where oid = 'platform.customer_violation'::regproc`,
    );
    expect(Object.keys(broken).sort()).toEqual(rules); // a new rule needs its rows here

    type Answer = { ids: (string | null)[]; refusals: { row: number; code: string; constraint?: string }[] };
    const sync = await bulk.connect('sync_app');
    const write = async (rows: object[]) => {
      const given = 'array(select r from json_populate_recordset(null::platform.customers, $1) r)';
      const sql = `select ids, refusals from platform.insert_customers(${given})`;
      return (await sync.query<Answer>(sql, [JSON.stringify(rows)])).rows[0] as Answer;
    };
    for (const [rule, changes] of Object.entries({ ...broken, ...elsewhere }))
      for (const change of changes) {
        const { ids, refusals } = await write([row(), { ...row(), ...change }, row({ created_by_app: 'support' })]);
        expect(refusals.map((each) => [each.row, each.code, each.constraint])).toEqual([[2, '23514', rule]]);
        expect(ids.map(Boolean)).toEqual([true, false, true]);
        const counted = 'select count(*)::integer as n from sync.outbox where customer = any ($1)';
        expect(await one(counted, [ids])).toEqual({ n: 2 });
      }
    const known = row();
    await insert([known]);
    const { ids, refusals } = await write([
      ...[row(), { ...row(), email: 'nobody' }, known, { ...row(), name: null }, { ...row(), crm_id: 0 }, row()],
    ]);
    expect(refusals.map((each) => [each.row, each.constraint])).toEqual([
      ...[
        [2, 'customers_email_key_canonical'],
        [4, undefined],
        [5, 'customers_crm_id_check'],
        [3, 'customer_emails_pkey'],
      ],
    ]);
    expect(ids.map(Boolean)).toEqual([true, false, false, false, false, true]);
  });

  test('a change of a customer that has changed, was merged or erased, is missing or comes twice is refused alone', async () => {
    const { ids } = await insert([row(), row(), row(), row()]);
    const [first, second, merged, erased] = ids as [string, string, string, string];
    await superuser.bulk.query('update platform.customers set merged_into = $2 where id = $1', [merged, first]);
    await superuser.bulk.query('update platform.customers set erased_at = now() where id = $1', [erased]);
    const { versions, refused } = await update([
      ...[
        { id: first, change: { name: 'New' }, expectedVersion: 1 },
        { id: second, change: { name: 'New' }, expectedVersion: 2 },
      ],
      ...[merged, erased, '00000000-0000-7000-8000-00000000dead', first].map((id) => ({
        id,
        change: { name: 'Newer' },
      })),
    ]);
    expect(versions).toEqual([2, null, null, null, null, null]);
    expect(refused.map(({ error }) => error.code)).toEqual([
      ...['customer-version-conflict', 'customer-merged', 'customer-erased', 'not-found', 'invalid-field'],
    ]);
    expect(refused[0]?.error).toBeInstanceOf(VersionConflict);
    expect(refused[0]?.error).toMatchObject({ expected: 2, actual: 1 });
    expect(refused[1]?.error).toMatchObject({ survivor: first });
    expect(refused[3]?.error).toBeInstanceOf(NotFound);
  });

  test('a change names only columns that may be written', async () => {
    const { ids } = await insert([row()]);
    const sql = `select refusals from platform.update_customers($1, '{null}', array['{"version": 9}'::jsonb])`;
    expect((await one<{ refusals: object[] }>(sql, [ids])).refusals).toMatchObject([{ row: 1, column: 'version' }]);
    await expect(update([{ id: ids[0] as string, change: { erased_at: null } as object }])).resolves.toMatchObject({
      refused: [{ row: 0, error: { code: 'invalid-field' } }],
    });
  });

  test('an address that an app takes meanwhile stays with the app’s customer, and the other rows are written', async () => {
    const contested = row();
    const foundation = await bulk.connect('foundation_app');
    await foundation.query('begin');
    const rival = await foundation.query(
      `insert into platform.customers (email, name) values ($1, 'Rival') returning id`,
      [contested.email],
    );
    const written = insert([row(), contested, row()]);
    await untilSomebodyWaits(foundation);
    await foundation.query('commit');
    const { ids, refused } = await written;
    expect(ids.map(Boolean)).toEqual([true, false, true]);
    expect(refused).toMatchObject([{ row: 1, error: { code: 'email-taken' } }]);
    expect(
      await one('select customer_id from platform.customer_emails where email_key = $1', [contested.email]),
    ).toEqual({
      customer_id: rival.rows[0].id,
    });
  });

  test.each(['insert', 'update'] as const)(
    'an %s that waits for the erasure of its address refuses that row alone, because the person is kept away',
    async (kind) => {
      const [erased, other] = [row(), row()];
      const { ids } = kind === 'update' ? await insert([row(), row()]) : { ids: [] };
      const rival = await bulk.connect('postgres');
      await rival.query('begin');
      await rival.query(
        `insert into platform.customers (email, name, created_by_app) values ($1, 'Rival', 'foundation')`,
        [erased.email],
      );
      const written =
        kind === 'insert'
          ? insert([erased, other])
          : update([erased, other].map(({ email }, n) => ({ id: ids[n] as string, change: { email } })));
      await untilSomebodyWaits(rival);
      await rival.query(
        `with taken as (delete from platform.customer_emails where email_key = $1 returning customer_id)
        insert into platform.suppressions (hash, kind, erasure)
        select platform.suppression_hash('email', $1), 'email', customer_id from taken`,
        [erased.email],
      );
      await rival.query('commit');
      expect((await written).refused).toMatchObject([{ row: 0, error: { code: 'person-erased' } }]);
      const known = `select array_agg(email order by email) as emails from platform.customer_emails where email = any ($1)`;
      expect(await one(known, [[erased.email, other.email]])).toEqual({ emails: [other.email] });
      await superuser.bulk.query('delete from platform.suppressions');
    },
  );

  test('an address is kept away as an address, and not because the id of an erased person in a source reads like it', async () => {
    const [first, second] = [row(), row()];
    for (const { email } of [first, second])
      await superuser.bulk.query(
        `insert into platform.suppressions (hash, kind, erasure) values (platform.suppression_hash('source', $1), 'source', uuidv7())`,
        [email],
      );
    expect((await insert([first])).refused).toEqual([]);
    const foundation = await bulk.connect('foundation_app');
    await foundation.query('insert into platform.customers (email, name) values ($1, $2)', [second.email, 'Ada']);
    const { ids } = await insert([row()]);
    await superuser.bulk.query(
      `update platform.suppressions set hash = platform.suppression_hash('email', $1), kind = 'email'
      where hash = platform.suppression_hash('source', $2)`,
      ['kept@example.com', first.email],
    );
    expect((await update([{ id: ids[0] as string, change: { email: 'kept@example.com' } }])).refused).toMatchObject([
      { row: 0, error: { code: 'person-erased' } },
    ]);
    await superuser.bulk.query('delete from platform.suppressions');
  });

  test('planned while its tables were known to be empty, reads no table from end to end later', async () => {
    const fresh = await createTestDatabase();
    const tables = `platform.customers, platform.customer_emails, platform.customer_external_ids, platform.customer_phones`;
    await (await fresh.connect('postgres')).query(`vacuum analyze ${tables}, crm.customer_order`);
    const sync = await fresh.connect('sync_app');
    const write = async (from: number) => {
      const insert = `select i.ids from platform.insert_customers(array(select json_populate_record(null::platform.customers,
        json_build_object('email', n || '@example.com', 'name', 'Ada', 'phone', '+4930' || n, 'phone_key', '+4930' || n,
          'created_by_app', 'foundation')) from generate_series($1::integer, $1 + 99) n)) i`;
      const { rows } = await sync.query(insert, [from]);
      const change = `select u.refusals from platform.update_customers($1, array_fill(null::bigint, '{100}'),
        array(select jsonb_build_object('email', 'new-' || n || '@example.com', 'crm_id', n, 'phone', '+4940' || n, 'phone_key',
          '+4940' || n) from generate_series($2::integer, $2 + 99) n)) u`;
      expect((await sync.query(change, [rows[0].ids, from])).rows).toEqual([{ refusals: [] }]);
    };
    await sync.query('begin');
    await write(1_000_000);
    await write(2_000_000);
    const { rows: readFromEndToEnd } = await sync.query(`select relname from pg_stat_xact_user_tables
      where relname like 'customer%' and seq_tup_read > 0 order by 1`);
    expect(readFromEndToEnd).toEqual([]);
    await sync.query('commit');
  });

  test('is bounded, so that its locks are short', async () => {
    await expect(
      one(`select platform.insert_customers(array_fill(null::platform.customers, array[10001]))`),
    ).rejects.toMatchObject({ code: '54000' });
  });

  test('leaves hardly any words for the next writer to sort into the search, whether or not it has committed', async () => {
    const words = `select gin_clean_pending_list('platform.customers_words')::integer as pages`;
    await one(words);
    await worker.transaction({}, async (tx) => {
      await insertCustomers(
        tx,
        Array.from({ length: 1_000 }, () => row()),
      );
      const { pages } = await one<{ pages: number }>(words);
      expect(pages).toBeLessThanOrEqual(17); // of 8 kB; all their words take more than sixty
    });
  });

  test('in chunks, writes each chunk with what belongs to it or not at all, and sorts the search', async () => {
    const rows = Array.from({ length: 7 }, () => row());
    const chunks: number[] = [];
    const failing = writeInChunks(
      worker,
      rows,
      async (tx, chunk) => {
        await insertCustomers(tx, chunk);
        chunks.push(chunk.length);
        if (chunks.length === 3) throw new Error('the ledger is full');
      },
      { size: 3 },
    );
    await expect(failing).rejects.toThrow('the ledger is full');
    expect(chunks).toEqual([3, 3, 1]);
    const found = await one<{ n: string }>('select count(*) as n from platform.customers where email = any ($1)', [
      rows.map(({ email }) => email),
    ]);
    expect(found.n).toBe('6');
    await writeInChunks(worker, rows.slice(6), async (tx, chunk) => void (await insertCustomers(tx, chunk)));
    const pending = `select gin_clean_pending_list('platform.customers_words') as pages`;
    expect(await one(pending)).toEqual({ pages: '0' });
  });
});

describe.each(['foundation_app', 'support_app', 'privacy_app', 'observer_app'] as const)('%s', (login) => {
  test('cannot write many customers past the triggers', async () => {
    const client = await bulk.connect(login);
    for (const [attack, message] of [
      [`select platform.insert_customers('{}')`, /permission denied for (function insert_customers|schema platform)/],
      [
        `select platform.update_customers('{}', '{}', '{}')`,
        /permission denied for (function update_customers|schema platform)/,
      ],
      [`select sync.capture_set(null, '{}')`, /permission denied for (function capture_set|schema sync)/],
      [
        `select platform.sort_customer_search()`,
        /permission denied for (function sort_customer_search|schema platform)/,
      ],
      ['set role bulk_role', 'permission denied to set role "bulk_role"'],
      ['set session authorization bulk_role', 'permission denied to set session authorization "bulk_role"'],
    ] as const)
      await expect(client.query(attack)).rejects.toThrow(message);
  });
});

test('the worker itself writes no customer but by these functions', async () => {
  const sync = await bulk.connect('sync_app');
  for (const attack of [
    `insert into platform.customers (email, name, created_by_app) values ('x@example.com', 'X', 'foundation')`,
    `update platform.customers set name = 'X'`,
    'set role bulk_role',
    `select sync.capture_set(null, '{}')`,
  ])
    await expect(sync.query(attack)).rejects.toMatchObject({ code: '42501' });
});
