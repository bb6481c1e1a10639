import { createTestDatabase, type TestDatabase, untilSomebodyWaits } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { applyImport } from './apply.ts';
import { readRun } from './runs.ts';
import { person, planRows, readAll } from './testing.run.ts';
import { undoImport } from './undo.ts';

let database: TestDatabase;
let sync: pg.Client;
let superuser: pg.Client;
let foundation: pg.Client;
let support: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  sync = await database.connect('sync_app');
  superuser = await database.connect('postgres');
  foundation = await database.connect('foundation_app');
  support = await database.connect('support_app');
  await superuser.query(`
    insert into platform.users (id, email, name) values ('maya', 'maya@example.com', 'Maya');
    insert into crm.custom_fields (record, key, label, type, is_required) values
      ('customer', 'city', 'City', 'text', true), ('customer', 'seats', 'Seats', 'number', false);
    insert into crm.pipelines (name) values ('Sales');
    insert into crm.pipeline_stages (pipeline_id, name, position) select id, 'First', 1 from crm.pipelines;
    insert into support.widgets (key, name) values ('demo-shop', 'Shop');`);
});

let count = 0;
const address = () => `person${++count}@undo.example`;
const phone = () => `+49301${String(++count).padStart(7, '0')}`;
const customerOf = async (email: string) =>
  (
    await superuser.query(
      'select c.* from platform.customer_emails e join platform.customers c on c.id = e.customer_id where e.email_key = $1',
      [email],
    )
  ).rows[0];
const addCustomer = async (email: string, more: { phone?: string } = {}) =>
  (
    await foundation.query(
      `insert into platform.customers (email, name, phone, phone_key) values ($1, 'Ada', $2, $2) returning *`,
      [email, more.phone ?? null],
    )
  ).rows[0];
const importRows = async (rows: Parameters<typeof planRows>[1], options: Parameters<typeof planRows>[2] = {}) => {
  const { run } = await planRows(sync, rows, options);
  await applyImport(sync, run);
  return run;
};

describe('an undo', () => {
  test('restores creations and updates as if the run had never been, and the address can be created again', async () => {
    const [known, email, second] = [address(), address(), address()];
    await addCustomer(known);
    const before = await readAll(superuser, { versions: false });
    const run = await importRows([
      person(2, { email, name: 'Ben', phone: phone(), custom: { city: 'Paris' }, notes: ['Hello.'] }),
      person(3, {
        emails: [
          { address: known, key: known },
          { address: second, key: second },
        ],
        phones: [phone(), phone()].map((each) => ({ written: each, key: each, extension: null, isShared: false })),
        timezone: 'Europe/Paris',
        tier: 'premium',
        owner: 'maya@example.com',
        company: { externalId: null, name: 'Undone Ltd', domain: null },
        custom: { seats: '3', city: 'Rome' },
        notes: ['Likes tea.'],
      }),
    ]);
    expect(await customerOf(known)).toMatchObject({ timezone: 'Europe/Paris', account_tier: 'premium' });
    expect(await undoImport(sync, run)).toMatchObject({ removed: 1, kept: [] });
    expect(await readAll(superuser, { versions: false })).toEqual(before);
    const again = await support.query('select created from platform.find_or_create_customer($1, $1, $2)', [
      email,
      'Ben',
    ]);
    expect(again.rows).toEqual([{ created: true }]);
  });

  test('keeps what was touched since, lists it field by field, and takes the rest', async () => {
    const [created, updated, alone] = [address(), address(), address()];
    await addCustomer(updated);
    const run = await importRows([
      person(2, { email: created, name: 'Ben', timezone: 'Europe/Paris' }),
      person(3, { email: updated, phone: phone(), timezone: 'Europe/Paris', language: 'fr' }),
      person(4, { email: alone }),
    ]);
    await foundation.query(`update platform.customers set name = 'Benedict' where email = $1`, [created]);
    await support.query(`update platform.customers set preferred_language = 'de' where email = $1`, [updated]);
    const undone = await undoImport(sync, run);
    expect(undone).toMatchObject({
      removed: 1,
      restored: 2,
      kept: [
        { n: 1, field: 'name', written: 'Ben', present: 'Benedict' },
        { n: 2, field: 'language', written: 'fr', present: 'de' },
      ],
    });
    expect(await customerOf(created)).toMatchObject({ name: 'Benedict', timezone: 'Europe/Paris' });
    expect(await customerOf(updated)).toMatchObject({ phone: null, timezone: null, preferred_language: 'de' });
    expect(await customerOf(alone)).toBeUndefined();
  });

  const children: [string, (id: string) => Promise<unknown>][] = [
    [
      'crm.deals',
      (id) =>
        foundation.query(
          `insert into crm.deals (customer_id, pipeline_id, stage_id, name) select $1, pipeline_id, id, 'Deal' from crm.pipeline_stages`,
          [id],
        ),
    ],
    [
      'crm.activities',
      (id) =>
        support.query(
          `insert into crm.activities (customer_id, type, description, created_by_app, idempotency_key)
           values ($1, 'support_chat', 'A chat', 'support', gen_random_uuid()::text)`,
          [id],
        ),
    ],
    [
      'support.sessions',
      (id) =>
        support.query(
          `insert into support.sessions (widget_id, customer_id, token_hash)
           select id, $1, sha256(uuid_send(gen_random_uuid())) from support.widgets`,
          [id],
        ),
    ],
    ['address:', (id) => foundation.query('select platform.add_address($1, $2, $2)', [id, address()])],
    ['phone', (id) => support.query('select platform.add_phone($1, $2, $2, null)', [id, phone()])],
    [
      'custom.seats',
      (id) =>
        foundation.query(
          `insert into crm.custom_field_values (field_id, customer_id, value)
           select id, $1, '7' from crm.custom_fields where key = 'seats'`,
          [id],
        ),
    ],
    ['merged', (id) => mergeInto(id)],
    [
      'address:',
      (id) =>
        superuser.query(
          `update platform.customer_emails set verified_at = now(), verified_by = 'signed_identity' where customer_id = $1`,
          [id],
        ),
    ],
  ];
  async function mergeInto(id: string): Promise<unknown> {
    const survivor = await addCustomer(address());
    return superuser.query('update platform.customers set merged_into = $2 where id = $1', [id, survivor.id]);
  }
  test.each(children)('keeps a created customer that has got %s since', async (field, add) => {
    const email = address();
    const run = await importRows([person(2, { email })]);
    const { id } = await customerOf(email);
    await add(id);
    const { removed, kept } = await undoImport(sync, run);
    expect(removed).toBe(0);
    expect(kept[0]?.field).toContain(field);
    expect((await superuser.query('select from platform.customers where id = $1', [id])).rowCount).toBe(1);
  });

  test('waits for somebody who is giving the customer a deal, and then keeps the customer', async () => {
    const email = address();
    const run = await importRows([person(2, { email })]);
    const { id } = await customerOf(email);
    await foundation.query('begin');
    await children[0]?.[1](id);
    const undoing = undoImport(sync, run);
    await untilSomebodyWaits(foundation);
    await foundation.query('commit');
    expect(await undoing).toMatchObject({ removed: 0, kept: [{ field: 'crm.deals' }] });
  });

  test('of an older run hands its values to the newer one, so that undoing both leaves nothing of either', async () => {
    const [known, created] = [address(), address()];
    await addCustomer(known);
    const before = await readAll(superuser, { versions: false });
    const [first, second] = [phone(), phone()];
    const older = await importRows([
      person(2, { email: known, phone: first }),
      person(3, { email: created, name: 'Ben' }),
    ]);
    const newer = await importRows(
      [person(2, { email: known, phone: second }), person(3, { email: created, phone: second })],
      { source: 'another', settings: { overwrite: ['phone'] } },
    );
    const undone = await undoImport(sync, older);
    expect(undone.kept.map(({ field }) => field)).toEqual(['phone', 'phone']);
    expect(await customerOf(known)).toMatchObject({ phone: second });
    await undoImport(sync, newer);
    expect(await readAll(superuser, { versions: false })).toEqual(before);
    expect(await readRun(sync, older)).toMatchObject({ state: 'undone' });
  });

  test('of a run that was never applied is refused', async () => {
    const { run } = await planRows(sync, [person(2, { email: address() })]);
    await expect(undoImport(sync, run)).rejects.toThrow('only what was applied is undone');
  });
});
