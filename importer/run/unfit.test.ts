import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { applyImport } from './apply.ts';
import { listRows } from './runs.ts';
import { person, planRows } from './testing.run.ts';
import { undoImport } from './undo.ts';
import { verifyImport } from './verify.ts';

let database: TestDatabase;
let sync: pg.Client;
let superuser: pg.Client;
let foundation: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  sync = await database.connect('sync_app');
  superuser = await database.connect('postgres');
  foundation = await database.connect('foundation_app');
});

let count = 0;
const address = () => `person${++count}@unfit.example`;
const phone = () => `+49301${String(++count).padStart(7, '0')}`;
const customerOf = async (email: string) =>
  (
    await superuser.query(
      'select c.* from platform.customer_emails e join platform.customers c on c.id = e.customer_id where e.email_key = $1',
      [email],
    )
  ).rows[0];
const addCustomer = async (email: string) =>
  (await foundation.query(`insert into platform.customers (email, name) values ($1, 'Ada') returning *`, [email]))
    .rows[0];
const importRows = async (rows: Parameters<typeof planRows>[1], options: Parameters<typeof planRows>[2] = {}) => {
  const { run } = await planRows(sync, rows, options);
  await applyImport(sync, run);
  return run;
};
const linesOf = async (run: string) =>
  (await listRows(sync, run)).map(({ outcome, planned, code }) => [outcome, planned, code]);

describe('a cell that the database refuses', () => {
  test('stays out with a remark, and everything else of the run is applied', async () => {
    const email = address();
    const [first, second] = [phone(), phone()];
    const run = await importRows([
      person(2, {
        email,
        name: 'Ben',
        company: { externalId: null, name: 'Acme\nBerlin', domain: null },
        tier: 'x'.repeat(5_000),
        phones: [
          { written: `${first} (office 2)`, key: first, extension: null, isShared: false },
          {
            written: `${second} (please, only in the afternoon and never on Mondays)`,
            key: second,
            extension: null,
            isShared: false,
          },
        ],
      }),
      person(3, { email: address(), company: { externalId: null, name: 'y'.repeat(201), domain: null } }),
      person(4, { email: address(), externalId: Array.from({ length: 900 }, (_, n) => n ** 3).join('') }),
    ]);
    expect(await linesOf(run)).toEqual([
      ['created', null, null],
      ['created', null, null],
      ['rejected', null, 'long-id'],
    ]);
    const { id, phone: primary, company_id } = await customerOf(email);
    expect([primary, company_id]).toEqual([first, null]);
    const { rows } = await superuser.query(
      'select phone from platform.customer_phones where customer_id = $1 order by is_primary desc',
      [id],
    );
    expect(rows.map((each) => each.phone)).toEqual([first, second]);
    const { rows: kept } = await superuser.query(
      `select r ->> 'column' as column from sync.import_rows p cross join jsonb_array_elements(p.extra -> 'remarks') r
       where run = $1 order by n`,
      [run],
    );
    expect(kept.map(({ column }) => column)).toEqual(['company', 'tier', 'phone', 'phone', 'company']);
  });
});

describe('a customer of a plan', () => {
  test('who was erased since stays so, and the other lines are applied', async () => {
    const [gone, other] = [address(), address()];
    const { id } = await addCustomer(gone);
    const { run } = await planRows(sync, [
      person(2, { email: gone, timezone: 'Europe/Rome', notes: ['Hello.'] }),
      person(3, { email: other, name: 'Ben' }),
    ]);
    await superuser.query('update platform.customers set erased_at = now() where id = $1', [id]);
    await applyImport(sync, run);
    expect(await linesOf(run)).toEqual([
      ['excluded', 'updated', 'erased'],
      ['created', null, null],
    ]);
    expect(await verifyImport(sync, run)).toMatchObject({ isRight: true });
  });

  test('whose run was undone since is held, and the same line makes the customer the next time', async () => {
    const email = address();
    const first = await importRows([person(2, { email, name: 'Ben' })], { source: 'first' });
    const line = person(2, { email, timezone: 'Europe/Rome', notes: ['Hello.'] });
    const { run } = await planRows(sync, [line], { source: 'second' });
    await undoImport(sync, first);
    await applyImport(sync, run);
    expect(await linesOf(run)).toEqual([['held', 'updated', 'customer-gone-since']]);
    await importRows([line], { source: 'second' });
    expect(await customerOf(email)).toMatchObject({ timezone: 'Europe/Rome' });
  });

  test('that two lines lead to, which are not one person, gets what each of them brings', async () => {
    const email = address();
    const { id } = await addCustomer(email);
    await superuser.query(
      `insert into sync.import_keys (source, key, customer, run) values ('two', 'id:1', $1, 1), ('two', 'id:2', $1, 1)`,
      [id],
    );
    const run = await importRows(
      [
        person(2, { externalId: '1', name: 'Ada', timezone: 'Europe/Rome' }),
        person(3, { externalId: '2', name: 'Zoe Miller', language: 'it' }),
      ],
      { source: 'two' },
    );
    expect(await customerOf(email)).toMatchObject({ timezone: 'Europe/Rome', preferred_language: 'it' });
    await undoImport(sync, run);
    expect(await customerOf(email)).toMatchObject({ timezone: null, preferred_language: null });
  });

  test('stays apart from another one, also for the other lines of the same person', async () => {
    const [own, others] = [address(), address()];
    const known = await addCustomer(own);
    await addCustomer(others);
    await superuser.query(`insert into sync.import_keys (source, key, customer, run) values ('split', 'id:1', $1, 1)`, [
      known.id,
    ]);
    const run = await importRows(
      [
        person(2, { externalId: '1', email: others, name: 'Ada', timezone: 'Europe/Rome' }),
        person(3, { externalId: '2', email: others, name: 'Ada', language: 'it' }),
      ],
      { source: 'split' },
    );
    expect(await linesOf(run)).toEqual([
      ['held', null, 'two-customers'],
      ['held', null, 'two-customers'],
    ]);
    expect(await customerOf(others)).toMatchObject({ timezone: null, preferred_language: null });
  });
});

describe('after an undo', () => {
  test('lists that brought nothing new, or came later, make the customers when they are imported again', async () => {
    const email = address();
    const first = await importRows([person(2, { externalId: '1', email, name: 'Ben' })], { source: 'crm' });
    await importRows([person(2, { externalId: '7', email, name: 'Ben' })], { source: 'desk' });
    const later = await importRows([person(2, { email, timezone: 'Europe/Rome' })], { source: 'shop' });
    await undoImport(sync, first);
    await undoImport(sync, later);
    expect(await customerOf(email)).toBeUndefined();
    for (const [source, externalId] of [
      ['crm', '1'],
      ['desk', '7'],
    ] as const) {
      const { counts } = await planRows(sync, [person(2, { externalId, email, name: 'Ben' })], { source });
      expect(counts, source).toMatchObject({ created: 1 });
    }
    const { counts } = await planRows(sync, [person(2, { email, timezone: 'Europe/Rome' })], { source: 'shop' });
    expect(counts).toMatchObject({ created: 1 });
  });

  test('a line without an id that was imported twice is written again', async () => {
    const email = address();
    await importRows([person(2, { email, name: 'Ben' })], { source: 'mails' });
    const line = person(2, { email, name: 'Ben', timezone: 'Europe/Rome' });
    await undoImport(sync, await importRows([line], { source: 'mails' }));
    expect(await customerOf(email)).toMatchObject({ timezone: null });
    await importRows([line], { source: 'mails' });
    expect(await customerOf(email)).toMatchObject({ timezone: 'Europe/Rome' });
  });

  test('the same note of another list stays', async () => {
    const email = address();
    const { id } = await addCustomer(email);
    const one = await importRows([person(2, { email, notes: ['Likes tea.'] })], { source: 'note-one' });
    const two = await importRows([person(2, { email, notes: ['Likes tea.'] })], { source: 'note-two' });
    const notes = async () =>
      (await superuser.query('select from crm.activities where customer_id = $1', [id])).rowCount;
    expect(await notes()).toBe(2);
    await undoImport(sync, one);
    expect(await notes()).toBe(1);
    expect((await undoImport(sync, two)).kept).toEqual([]);
    expect(await notes()).toBe(0);
  });

  test('companies go in steps, and those that are used stay', async () => {
    const run = await importRows(
      Array.from({ length: 8 }, (_, n) =>
        person(n + 2, { email: address(), company: { externalId: null, name: `Stepwise ${n}`, domain: null } }),
      ),
    );
    const { rows } = await superuser.query(`select id from platform.companies where name = 'Stepwise 3'`);
    const email = address();
    await addCustomer(email);
    await superuser.query('update platform.customers set company_id = $1 where email = $2', [rows[0].id, email]);
    const { kept } = await undoImport(sync, run, { linesPerStep: 3 });
    expect(kept.map(({ customer, field }) => [customer, field])).toEqual([[rows[0].id, 'company:name:stepwise 3']]);
    await superuser.query('update platform.customers set company_id = null where email = $1', [email]);
    expect((await undoImport(sync, run, { linesPerStep: 3 })).kept).toEqual([]);
    const left = await superuser.query(`select from platform.companies where name like 'Stepwise %'`);
    expect(left.rowCount).toBe(0);
  });
});
