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

  /** Applies lines with one address which the plan makes several people, and which somebody has got since. */
  async function writeOver(settings: { overwrite: string[] }, ...facts: Parameters<typeof person>[1][]) {
    const email = address();
    const { run } = await planRows(
      sync,
      facts.map((each, n) => person(n + 2, { email, ...each })),
      { settings: { ...settings, matching: ['address=off'] } },
    );
    const { id } = await addCustomer(email);
    const setTimezone = (timezone: string) =>
      superuser.query('update platform.customers set timezone = $2 where id = $1', [id, timezone]);
    await setTimezone('Europe/Oslo');
    const before = await readAll(superuser, { versions: false });
    expect((await applyImport(sync, run)).changed).toEqual({ 'address-taken-since': facts.length });
    return { email, run, before, setTimezone };
  }

  test.each([1, 500])(
    'of lines that wrote over each other gives back what was there before them, %i lines a step',
    async (linesPerStep) => {
      const { email, run, before } = await writeOver(
        { overwrite: ['timezone', 'language', 'custom.seats'] },
        { timezone: 'Europe/Paris', language: 'fr', custom: { seats: '4' } },
        { timezone: 'Europe/Rome', language: 'it', custom: { seats: '5' } },
        { timezone: 'Europe/Madrid', language: 'es', custom: { seats: '6' } },
      );
      expect(await customerOf(email)).toMatchObject({ timezone: 'Europe/Madrid', preferred_language: 'es' });
      expect(await undoImport(sync, run, { linesPerStep })).toMatchObject({ kept: [] });
      expect(await readAll(superuser, { versions: false })).toEqual(before);
    },
  );

  test('of lines that wrote over each other, of which somebody has changed the last, can be ended later', async () => {
    const { run, before, setTimezone } = await writeOver(
      { overwrite: ['timezone'] },
      { timezone: 'Europe/Paris' },
      { timezone: 'Europe/Rome' },
    );
    await setTimezone('Europe/Athens');
    const { kept } = await undoImport(sync, run);
    expect(kept.map(({ n, present }) => [n, present])).toEqual([
      [1, 'Europe/Athens'],
      [2, 'Europe/Athens'],
    ]);
    await setTimezone('Europe/Rome');
    expect(await undoImport(sync, run)).toMatchObject({ kept: [] });
    expect(await readAll(superuser, { versions: false })).toEqual(before);
  });

  test.each([1, 500])(
    'takes a customer that one line has created and another one has given something, %i lines a step',
    async (linesPerStep) => {
      const email = address();
      const before = await readAll(superuser, { versions: false });
      const run = await importRows(
        [person(2, { email, name: 'Ben' }), person(3, { email, name: 'Ben', timezone: 'Europe/Paris' })],
        {
          settings: { matching: ['address=off'] },
        },
      );
      expect(await customerOf(email)).toMatchObject({ timezone: 'Europe/Paris' });
      expect(await undoImport(sync, run, { linesPerStep })).toMatchObject({ removed: 1, kept: [] });
      expect(await readAll(superuser, { versions: false })).toEqual(before);
    },
  );

  async function undoOneLine(run: string) {
    const stop = new AbortController();
    const undoing = undoImport(sync, run, { linesPerStep: 1, onProgress: () => stop.abort(), signal: stop.signal });
    await expect(undoing).rejects.toThrow();
    expect(await readRun(sync, run)).toMatchObject({ state: 'undoing' });
  }

  test('of an older run hands its values to a newer one that is partly undone', async () => {
    const [known, last] = [address(), address()];
    await addCustomer(known);
    await addCustomer(last);
    const before = await readAll(superuser, { versions: false });
    const older = await importRows([person(2, { email: known, timezone: 'Europe/Paris' })]);
    const newer = await importRows(
      [person(2, { email: known, timezone: 'Europe/Rome' }), person(3, { email: last, timezone: 'Europe/Rome' })],
      { source: 'another', settings: { overwrite: ['timezone'] } },
    );
    await undoOneLine(newer);
    await undoImport(sync, older);
    expect(await undoImport(sync, newer)).toMatchObject({ kept: [] });
    expect(await readAll(superuser, { versions: false })).toEqual(before);
  });

  test('of a newer run takes a customer that an older one has kept for it, although that one is only partly undone', async () => {
    const [first, created] = [address(), address()];
    await addCustomer(first);
    const before = await readAll(superuser, { versions: false });
    const older = await importRows([
      person(2, { email: first, timezone: 'Europe/Paris' }),
      person(3, { email: created, name: 'Ben' }),
    ]);
    const newer = await importRows([person(2, { email: created, timezone: 'Europe/Rome' })], { source: 'another' });
    await undoOneLine(older);
    await undoImport(sync, newer);
    expect(await customerOf(created)).toBeUndefined();
    await undoImport(sync, older);
    expect(await readAll(superuser, { versions: false })).toEqual(before);
  });

  test('hands values over in the order of the writes, also if the later run wrote first', async () => {
    const known = address();
    await addCustomer(known);
    const before = await readAll(superuser, { versions: false });
    const settings = { overwrite: ['timezone'] };
    const planned = await planRows(sync, [person(2, { email: known, timezone: 'Europe/Rome' })], {
      source: 'one',
      settings,
    });
    const first = await importRows([person(2, { email: known, timezone: 'Europe/Paris' })], {
      source: 'two',
      settings,
    });
    await applyImport(sync, planned.run);
    await undoImport(sync, first);
    expect(await customerOf(known)).toMatchObject({ timezone: 'Europe/Rome' });
    await undoImport(sync, planned.run);
    expect(await readAll(superuser, { versions: false })).toEqual(before);
  });

  test('that is refused, because what was there is gone, is tried again', async () => {
    const known = address();
    await addCustomer(known);
    const { rows } = await superuser.query(
      `insert into platform.companies (name, created_by_app) values ('Former Ltd', 'foundation') returning id`,
    );
    await superuser.query('update platform.customers set company_id = $2 where email = $1', [known, rows[0].id]);
    const run = await importRows(
      [
        person(2, {
          email: known,
          company: { externalId: null, name: 'Later Ltd', domain: null },
          timezone: 'Europe/Paris',
        }),
      ],
      { settings: { overwrite: ['company'] } },
    );
    await superuser.query('delete from platform.companies where id = $1', [rows[0].id]);
    const refused = await undoImport(sync, run);
    expect(refused).toMatchObject({
      restored: 0,
      kept: expect.arrayContaining([expect.objectContaining({ field: 'refused' })]),
    });
    await superuser.query(
      `insert into platform.companies (id, name, created_by_app) values ($1, 'Former Ltd', 'foundation')`,
      [rows[0].id],
    );
    expect(await undoImport(sync, run)).toMatchObject({ restored: 2, kept: [] });
    expect(await customerOf(known)).toMatchObject({ company_id: rows[0].id, timezone: null });
  });

  test('once more takes nothing that a person or another run has made since', async () => {
    const [known, former] = [address(), address()];
    const { id } = await addCustomer(former);
    const source = 'again';
    const lines = [person(2, { externalId: '7', email: known, timezone: 'Europe/Paris' })];
    await importRows([person(2, { externalId: '7', email: former })], { source });
    const run = await importRows(lines, { source, settings: { overwrite: ['email'] } });
    expect(await customerOf(known)).toMatchObject({ id, email: known });
    await undoImport(sync, run);
    expect(await customerOf(known)).toBeUndefined();
    await foundation.query('select platform.add_address($1, $2, $2)', [id, known]);
    await importRows(lines, { source });
    const before = await readAll(superuser, { versions: false });
    expect(await undoImport(sync, run)).toMatchObject({ kept: [] });
    expect(await readAll(superuser, { versions: false })).toEqual(before);
    expect((await planRows(sync, lines, { source })).counts).toMatchObject({ unchanged: 1 });
    const { rows } = await superuser.query('select digest from sync.import_keys where source = $1', [source]);
    expect(rows).toEqual([{ digest: expect.any(String) }]);
  });

  test('lists an address of an update that was verified since', async () => {
    const [known, second] = [address(), address()];
    await addCustomer(known);
    const emails = [known, second].map((each) => ({ address: each, key: each }));
    const run = await importRows([person(2, { emails })]);
    await superuser.query(
      `update platform.customer_emails set verified_at = now(), verified_by = 'signed_identity' where email_key = $1`,
      [second],
    );
    expect((await undoImport(sync, run)).kept.map(({ field }) => field)).toEqual([`address:${second}`]);
    expect(await customerOf(second)).toMatchObject({ email: known });
  });

  test('of two runs at once leaves nothing of either', async () => {
    const other = await database.connect('sync_app');
    const known = Array.from({ length: 12 }, address);
    for (const email of known) await addCustomer(email);
    const before = await readAll(superuser, { versions: false });
    const settings = { overwrite: ['timezone'] };
    const rows = (timezone: string) => known.map((email, n) => person(n + 2, { email, timezone, language: 'fr' }));
    const older = await importRows([...rows('Europe/Paris'), person(30, { email: address(), name: 'Ben' })]);
    const newer = await importRows(rows('Europe/Rome'), { source: 'another', settings });
    await Promise.all([undoImport(sync, older, { linesPerStep: 1 }), undoImport(other, newer, { linesPerStep: 1 })]);
    expect(await readAll(superuser, { versions: false })).toEqual(before);
  });

  test('of a run that was never applied is refused', async () => {
    const { run } = await planRows(sync, [person(2, { email: address() })]);
    await expect(undoImport(sync, run)).rejects.toThrow('only what was applied is undone');
  });
});
