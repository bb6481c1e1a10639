import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { applyImport } from './apply.ts';
import { listCandidates, listRows, readRun } from './runs.ts';
import { countEvents, person, planRows, readAll, rejected } from './testing.run.ts';
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
  await superuser.query(`
    insert into platform.users (id, email, name) values ('maya', 'maya@example.com', 'Maya');
    insert into crm.custom_fields (record, key, label, type) values
      ('customer', 'city', 'City', 'text'), ('customer', 'seats', 'Seats', 'number');
    insert into crm.pipelines (name) values ('Sales');
    insert into crm.pipeline_stages (pipeline_id, name, position) select id, 'First', 1 from crm.pipelines;`);
});

let count = 0;
/** An address that no other test uses. */
const address = () => `person${++count}@import.example`;
const customerOf = async (email: string) =>
  (
    await superuser.query(
      'select c.* from platform.customer_emails e join platform.customers c on c.id = e.customer_id where e.email_key = $1',
      [email],
    )
  ).rows[0];
const addCustomer = async (by: pg.Client, email: string, name = 'Ada') =>
  (await by.query('insert into platform.customers (email, name) values ($1, $2) returning *', [email, name])).rows[0];

describe('a plan', () => {
  test('writes nothing that an app sees, and says what each line will be', async () => {
    const known = address();
    await addCustomer(foundation, known);
    const [before, events] = [await readAll(superuser), await countEvents(superuser)];
    const email = address();
    const { run, counts } = await planRows(sync, [
      person(2, { email, name: 'Ben' }),
      person(3, { email, phone: '+4930123456' }),
      person(4, { email, name: 'Ben' }),
      person(5, { email: known, name: 'Ada' }),
      person(6, { email: known, timezone: 'Europe/Berlin' }),
      person(7, { name: 'Nobody' }),
      person(8, { email: address(), name: 'x'.repeat(201) }),
      rejected(9),
      { kind: 'excluded', line: 10, raw: 'agent', code: 'agent', reason: 'An agent.' },
    ]);
    expect(counts).toEqual({ created: 1, updated: 3, unchanged: 1, held: 1, rejected: 2, excluded: 1 });
    expect(await readAll(superuser)).toEqual(before);
    expect(await countEvents(superuser)).toBe(events);
    expect((await listRows(sync, run)).map(({ line, outcome, code }) => [line, outcome, code])).toEqual([
      [2, 'created', null],
      [3, 'updated', 'same-person'],
      [4, 'unchanged', 'same-person'],
      [5, 'updated', null],
      [6, 'updated', 'same-person'],
      [7, 'held', 'no-address'],
      [8, 'rejected', 'name'],
      [9, 'rejected', 'ragged'],
      [10, 'excluded', 'agent'],
    ]);
  });
});

describe('a line with the mailbox of a role', () => {
  test('is its customer’s when its id says so, and held when only its address does', async () => {
    const email = `info@role${++count}.example`;
    const first = await planRows(sync, [person(2, { externalId: 'role-1', email, name: 'Front Desk' })]);
    expect(first.counts).toMatchObject({ created: 1 });
    await applyImport(sync, first.run);
    const known = { externalId: 'role-1', email, name: 'Front Desk', timezone: 'Europe/Berlin' };
    const { run, counts } = await planRows(sync, [
      person(2, known),
      person(3, { externalId: 'role-2', email, name: 'Desk' }),
    ]);
    expect(counts).toMatchObject({ updated: 1, held: 1 });
    expect((await listRows(sync, run)).map(({ line, outcome, code }) => [line, outcome, code])).toEqual([
      [2, 'updated', null],
      [3, 'held', 'role-mailbox'],
    ]);
    await applyImport(sync, run);
    expect(await customerOf(email)).toMatchObject({ name: 'Front Desk', timezone: 'Europe/Berlin' });
  });
});

describe('a run', () => {
  test('creates customers with their facts, numbers and events, and the same file again writes nothing', async () => {
    const [email, second] = [address(), address()];
    const rows = [
      person(2, {
        externalId: '17',
        emails: [
          { address: email, key: email },
          { address: second, key: second },
        ],
        phone: '+4930123456',
        firstName: 'Ada',
        lastName: 'King',
        company: { externalId: null, name: 'Engine Ltd', domain: 'engine.example' },
        tier: 'Premium',
        owner: 'Maya@example.com',
        language: 'de',
        timezone: 'Europe/Berlin',
        city: 'London',
        custom: { seats: '12', colour: 'red' },
        notes: ['Met at the fair.'],
        tags: ['vip'],
        createdAt: new Date('2019-05-01T10:00:00Z'),
      }),
    ];
    const { run } = await planRows(sync, rows);
    const applied = await applyImport(sync, run, { actor: 'maya' });
    expect(applied).toMatchObject({ state: 'applied', counts: { created: 1 }, changed: {} });
    expect(applied.unmapped).toEqual({ tag: { vip: 1 }, custom: { colour: 1 } });
    const customer = await customerOf(email);
    expect(customer).toMatchObject({
      name: 'Ada King',
      phone_key: '+4930123456',
      account_tier: 'premium',
      account_manager_id: 'maya',
      preferred_language: 'de',
      timezone: 'Europe/Berlin',
      created_by_app: 'foundation',
      created_at: new Date('2019-05-01T10:00:00Z'),
      crm_id: expect.anything(),
    });
    expect((await customerOf(second)).id).toBe(customer.id);
    const { rows: events } = await superuser.query(
      `select type, trace, actor from sync.outbox where trace = $1 order by id`,
      [`import:${run}`],
    );
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining([
        'company.created',
        'customer.created',
        'address.created',
        'custom_value.created',
        'activity.created',
      ]),
    );
    expect(events.every(({ actor }) => actor === 'maya')).toBe(true);
    expect(await verifyImport(sync, run)).toMatchObject({ isRight: true });

    const [before, eventsBefore] = [await readAll(superuser), await countEvents(superuser)];
    const again = await planRows(sync, rows);
    expect(again.counts).toMatchObject({ unchanged: 1 });
    await applyImport(sync, again.run);
    expect(await readAll(superuser)).toEqual(before);
    expect(await countEvents(superuser)).toBe(eventsBefore);

    expect(await undoImport(sync, run)).toEqual({ removed: 1, restored: 0, kept: [] });
    expect(await customerOf(email)).toBeUndefined();
    expect((await superuser.query(`select from platform.companies where domain = 'engine.example'`)).rowCount).toBe(0);
    expect((await readRun(sync, run)).state).toBe('undone');
  });
});

describe('matching', () => {
  test('holds lines that share an address of a role or have clashing names, with the reason, and creates neither', async () => {
    const [role, shared] = [`info@${++count}.example`, address()];
    const { run, counts } = await planRows(sync, [
      person(2, { email: role, name: 'Ada King' }),
      person(3, { email: role, name: 'Ben Sol' }),
      person(4, { email: shared, name: 'Carla Moreau' }),
      person(5, { email: shared, name: 'Dmitri Novak' }),
    ]);
    expect(counts).toMatchObject({ created: 0, held: 4 });
    expect((await listRows(sync, run)).map(({ code }) => code)).toEqual([
      ...['role-mailbox', 'role-mailbox', 'clashing-names', 'clashing-names'],
    ]);
    await applyImport(sync, run);
    expect(await customerOf(role)).toBeUndefined();
  });

  test('takes a line with the telephone number and the name of a customer for that customer, whatever its address', async () => {
    const [known, other] = [address(), address()];
    const number = `+4930${String(7_000_000 + ++count)}`;
    await foundation.query(
      `insert into platform.customers (email, name, phone, phone_key) values ($1, 'Quentin Castillo', $2, $2)`,
      [known, number],
    );
    const { run, counts } = await planRows(sync, [
      person(2, { email: other, name: 'Quentin Castillo', phone: number, timezone: 'Europe/Rome' }),
    ]);
    const candidates = await listCandidates(sync, run);
    // A sure rule joins them; otherwise they are a candidate for a person. Never are they forgotten.
    expect(counts.updated + candidates.length).toBe(1);
  });
});

test('a run locks the lines of no other run, so that thousands of runs may be in the history', async () => {
  const locked = new Map<string, Set<string>>();
  /** Runs a statement as it would run alone, and notes which runs' lines it has locked. */
  const noting = async (run: string, text: string, values: unknown[]) => {
    await sync.query('begin');
    const answer = await sync.query(text, values);
    const { rows } = await sync.query(`
      select distinct c.relname from pg_locks l join pg_class c on c.oid = l.relation
      where l.pid = pg_backend_pid() and c.relname ~ '^import_rows_p[0-9]+$'`);
    await sync.query('commit');
    const name = text.match(/sync\.(\w+)/)?.[1] as string;
    const others = rows.map(({ relname }) => relname).filter((relname) => relname !== `import_rows_p${run}`);
    locked.set(name, new Set([...(locked.get(name) ?? []), ...others]));
    return answer.rows;
  };
  const noted = new Proxy(sync, {
    get(target, property) {
      if (property !== 'query') return Reflect.get(target, property).bind?.(target) ?? Reflect.get(target, property);
      return (text: string, values: unknown[] = []) =>
        typeof text === 'string' && /sync\.(plan_import|keep_import_candidates)\(/.test(text)
          ? noting(String(values[0]), text, values).then((rows) => ({ rows }))
          : target.query(text as never, values as never);
    },
  });
  // PostgreSQL may take another plan for a statement from its sixth execution on.
  for (let turn = 1; turn <= 7; turn++) {
    const [known, made] = [address(), address()];
    await addCustomer(foundation, known);
    const { run } = await planRows(noted, [
      person(2, {
        email: known,
        name: 'Ada',
        timezone: 'Europe/Rome',
        company: { externalId: null, name: `Lock ${turn}`, domain: null },
      }),
      person(3, { email: made, name: 'Ben' }),
    ]);
    await noting(run, 'select sync.make_import_companies($1, $2)', [run, 100]);
    await noting(run, 'select sync.apply_import($1, $2)', [run, 100]);
    await noting(run, 'select sync.verify_import($1)', [run]);
    await noting(run, 'select sync.preview_import_undo($1, 1, 2)', [run]);
    await noting(run, 'select sync.undo_import($1, $2)', [run, 100]);
  }
  expect(Object.fromEntries([...locked].map(([name, others]) => [name, [...others]]))).toEqual({
    keep_import_candidates: [],
    plan_import: [],
    make_import_companies: [],
    apply_import: [],
    verify_import: [],
    preview_import_undo: [],
    undo_import: [],
  });
});
