import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createTestDatabase, type TestDatabase, untilSomebodyWaits } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { until } from '../testing.ts';
import { startCleanUps } from '../worker/cleanups.ts';
import { dropOldEvents } from '../worker/retention.ts';
import { cleanUp, eraseCustomer, previewErasure } from './erasing.ts';
import { eraseList } from './erasingmany.ts';
import { placeHold, releaseHold } from './holds.ts';
import { readList } from './lists.ts';
import { requireCustomer } from './person.ts';
import { listReceipts } from './receipts.ts';
import { liftErasure, liftSuppression, listErased, repeatErasures } from './suppression.ts';
import { findCanary, makePerson, numberEvents } from './testing.person.ts';

/** A clean-up builds dozens of indexes again. */
const cleanUpMaxMs = 120_000;

let database: TestDatabase;
let superuser: pg.Client;
let privacy: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  superuser = await database.connect('postgres');
  privacy = await connectPrivacy();
});

async function connectPrivacy(actor = 'tom'): Promise<pg.Client> {
  const client = await database.connect('privacy_app');
  await client.query(`select set_config('aether.actor', $1, false)`, [actor]);
  return client;
}

/** What a transaction of an erasure leaves to the clean-up, which costs half a second and is tried where it is the promise. */
const ofCleanUp = ['staging.import_lines_p', 'sync.import_rows_p', 'sync.import_chunks', 'platform.erasures'];

const findScrubbed = async (canary: string): Promise<string[]> =>
  (await findCanary(superuser, canary)).filter((found) => !ofCleanUp.some((name) => found.startsWith(name)));

const shape = `select position, id, type, key, customer, version from sync.events where position <= $1 order by position`;

test('an erasure leaves nothing of a person in any table, and the log keeps its numbers', async () => {
  const person = await makePerson(database, superuser, 'xq7whole');
  const head = (await superuser.query('select sync.head() as head')).rows[0].head;
  const log = (await superuser.query(shape, [head])).rows;
  const before = await findCanary(superuser, 'xq7whole');
  expect(before.length).toBeGreaterThan(25);

  const preview = await previewErasure(privacy, (await requireCustomer(privacy, 'XQ7WHOLE.two@person.example')).id);
  expect(preview).toMatchObject({ customer: person.survivor, people: [person.survivor, person.loser], hold: null });
  expect(preview.files).toEqual([{ upload: Number(person.upload), name: 'old.csv' }]);
  expect(await findCanary(superuser, 'xq7whole')).toEqual(before);

  const erased = await eraseCustomer(privacy, person.survivor, 'They asked for it');
  expect(erased).toMatchObject({ state: 'erased', again: false });
  expect(await findScrubbed('xq7whole')).toEqual([]);
  expect(await cleanUp(privacy, { waitMs: 20_000 })).toEqual({ ended: 1, open: 0 });
  expect(await findCanary(superuser, 'xq7whole')).toEqual([]);
  expect((await superuser.query(shape, [head])).rows).toEqual(log);

  await numberEvents(superuser);
  const [receipt] = await listReceipts(privacy, { customer: person.loser });
  expect(receipt).toMatchObject({
    erasure: erased.erasure,
    state: 'clean',
    erasedBy: 'tom',
    reason: 'They asked for it',
    addresses: 5,
    numbers: 3,
    files: 1,
  });
  // What the preview said is what was done.
  const done = Object.fromEntries([...(receipt?.tables ?? [])].map(({ table, rows }) => [table, rows]));
  // What the clean-up does, and errors that are parked under no customer, are counted when it is done.
  for (const { table, act, rows } of preview.tables)
    if (act !== 'keep' && !['staging.import_lines', 'sync.parked'].includes(table))
      expect([table, done[table]]).toEqual([table, rows]);
  expect(receipt?.kept.map(({ table }) => table)).toContain('crm.deal_closings');
  expect(receipt?.subscribers).toContainEqual({
    kind: 'subscription',
    name: 'support.mail',
    told: true,
    acknowledged: false,
  });

  const { rows: events } = await superuser.query(
    `select customer, data from sync.events where position > $1 and type = 'customer.erased' order by position`,
    [head],
  );
  expect(events.map(({ customer }) => customer)).toEqual([person.survivor, person.loser]);
  const { rows: others } = await superuser.query('select count(*)::integer as n from sync.events where position > $1', [
    head,
  ]);
  expect(others).toEqual([{ n: 2 }]); // scrubbing is no event
});

test('an erased conversation keeps what agents did, and somebody else keeps everything', async () => {
  const person = await makePerson(database, superuser, 'xq7agents');
  const ofOther = (await superuser.query('select * from platform.customers where id = $1', [person.other])).rows;
  await eraseCustomer(privacy, person.survivor, 'They asked for it');
  const { rows } = await superuser.query(
    `select s.status, s.agent_id is not null as agent, array_agg(m.author order by m.number) as authors, min(m.body) as body
     from support.sessions s join support.messages m on m.session_id = s.id where s.customer_id = $1 group by s.id`,
    [person.survivor],
  );
  expect(rows).toEqual(
    Array(2).fill({ status: 'ended', agent: true, authors: ['visitor', 'agent', 'visitor'], body: 'Erased' }),
  );
  expect((await superuser.query('select * from platform.customers where id = $1', [person.other])).rows).toEqual(
    ofOther,
  );
  const { rows: lines } = await superuser.query(`select email from sync.import_rows where run = $1 and n = 4`, [
    person.run,
  ]);
  expect(lines).toEqual([{ email: 'ben@else.example' }]);
});

test('a number that somebody else has too leads to no line of an import, and is not kept away', async () => {
  const person = await makePerson(database, superuser, 'xq7shared');
  const { rows } = await superuser.query('select phone_key from platform.customers where id = $1', [person.survivor]);
  const phone = rows[0].phone_key;
  const foundation = await database.connect('foundation_app');
  await foundation.query('select * from platform.add_phone($1, $2, $2, null)', [person.other, phone]);
  await superuser.query(
    `insert into sync.import_rows (run, n, file, line, outcome, name, phone, phone_key) values ($1, 9, 1, 10, 'rejected', 'Ben', $2, $2)`,
    [person.run, phone],
  );
  await superuser.query(
    `insert into staging.import_lines (run, n, file, line, kind, email_key, name, phone_key, is_known)
     values ($1, 9, 1, 10, 'person', 'wife@else.example', 'Wife of Ben', $2, false)`,
    [person.run, phone],
  );
  const { erasure } = await eraseCustomer(privacy, person.survivor, 'They asked');
  await privacy.query('select platform.erase_files($1)', [erasure]);
  const { rows: lines } = await superuser.query(
    `select name from sync.import_rows where run = $1 and n = 9 union select name from staging.import_lines where run = $1 and n = 9
     order by name`,
    [person.run],
  );
  expect(lines).toEqual([{ name: 'Ben' }, { name: 'Wife of Ben' }]);
  expect((await privacy.query(`select platform.is_suppressed('phone', $1) as is`, [phone])).rows).toEqual([
    { is: false },
  ]);
});

test('two erasures at once are one, and a third says that it was done', async () => {
  const { survivor, loser } = await makePerson(database, superuser, 'xq7twice');
  const second = await connectPrivacy('mia');
  const [a, b] = await Promise.all([
    eraseCustomer(privacy, survivor, 'They asked'),
    eraseCustomer(second, loser, 'They asked twice'),
  ]);
  expect(a.erasure).toBe(b.erasure);
  expect([a.again, b.again].sort()).toEqual([false, true]);
  expect(await eraseCustomer(privacy, loser, 'Again')).toMatchObject({ erasure: a.erasure, again: true });
  expect(await listReceipts(privacy, { customer: survivor })).toHaveLength(1);
});

test('a hold keeps a person, also by another record of theirs, until it is released with a reason', async () => {
  const { survivor, loser } = await makePerson(database, superuser, 'xq7hold');
  const hold = await placeHold(privacy, loser, 'A lawsuit');
  await expect(eraseCustomer(privacy, survivor, 'They asked')).rejects.toThrow('a legal hold keeps this customer');
  expect((await previewErasure(privacy, survivor)).hold).toMatchObject({ id: hold, reason: 'A lawsuit' });
  expect((await findCanary(superuser, 'xq7hold')).length).toBeGreaterThan(25);
  await expect(releaseHold(privacy, hold, ' ')).rejects.toThrow('say why');
  expect(await releaseHold(privacy, hold, 'It is settled')).toBe(true);
  expect(await eraseCustomer(privacy, survivor, 'They asked')).toMatchObject({ state: 'erased' });
  await expect(placeHold(privacy, survivor, 'Too late')).rejects.toThrow('the customer was erased');
});

test('where two people are needed, the same person twice is one', async () => {
  const { survivor } = await makePerson(database, superuser, 'xq7two');
  await privacy.query('select platform.set_privacy(true, 30)');
  try {
    expect(await eraseCustomer(privacy, survivor, 'They asked')).toMatchObject({ state: 'asked', again: false });
    expect(await eraseCustomer(privacy, survivor, 'They asked')).toMatchObject({ state: 'asked', again: true });
    expect((await findCanary(superuser, 'xq7two')).length).toBeGreaterThan(25);
    const second = await connectPrivacy('mia');
    expect(await eraseCustomer(second, survivor, 'Confirmed')).toMatchObject({ state: 'erased' });
    const [receipt] = await listReceipts(privacy, { customer: survivor });
    expect(receipt).toMatchObject({ askedBy: 'tom', erasedBy: 'mia' });
    const day = new Date(Date.parse(receipt?.erasedAt ?? '') + 30 * 86_400_000).toISOString().slice(0, 10);
    expect(receipt?.backupsExpireOn).toBe(day);
  } finally {
    await privacy.query('select platform.set_privacy(false, null)');
  }
});

test('where two people are needed, a list is asked for by one and confirmed by another, and one who asks twice is one', async () => {
  const foundation = await database.connect('foundation_app');
  const { rows } = await foundation.query(
    `insert into platform.customers (email, name) values ('one@xq7list.example', 'One'), ('two@xq7list.example', 'Two') returning id`,
  );
  const list = readList('one@xq7list.example\ntwo@xq7list.example\n');
  const statesOf = async (client: pg.Client, reason = 'They asked') =>
    (await eraseList(client, list, { reason })).lines.map(({ state }) => state);
  await privacy.query('select platform.set_privacy(true, null)');
  try {
    expect(await statesOf(privacy)).toEqual(['asked', 'asked']);
    expect(await statesOf(privacy)).toEqual(['asked', 'asked']);
    const second = await connectPrivacy('mia');
    expect(await statesOf(second)).toEqual(['erased', 'erased']);
    const [receipt] = await listReceipts(privacy, { customer: rows[1].id });
    expect(receipt).toMatchObject({ askedBy: 'tom', erasedBy: 'mia' });
    // With another reason it is another job, which finds that all of it was done.
    expect(await statesOf(privacy, 'Again')).toEqual(['erased', 'erased']);
    expect(await listReceipts(privacy, { customer: rows[0].id })).toHaveLength(1);
  } finally {
    await privacy.query('select platform.set_privacy(false, null)');
  }
});

test.each([
  ['# nobody\n\n', 'The list names nobody'],
  ['a@b.example\n'.repeat(100_001), 'at most 100000 are one job'],
])('a list that is no job is refused', (text, words) => {
  expect(() => readList(text)).toThrow(words);
});

test('a list of nobody who acts, and one without a reason, is refused', async () => {
  const list = readList('one@xq7list.example');
  await expect(eraseList(privacy, list, { reason: ' ' })).rejects.toThrow('say why');
  const nobody = await database.connect('privacy_app');
  await expect(eraseList(nobody, list, { reason: 'They asked' })).rejects.toThrow('say who erases');
});

test('a merge of an erased customer is not taken back, with the reason', async () => {
  const { survivor } = await makePerson(database, superuser, 'xq7merge');
  await eraseCustomer(privacy, survivor, 'They asked');
  const worker = await database.connect('sync_app');
  const { rows } = await superuser.query('select id from platform.merges where survivor_id = $1', [survivor]);
  await expect(worker.query(`select platform.unmerge_customers($1, '{}')`, [rows[0].id])).rejects.toMatchObject({
    constraint: 'customer_erased',
    message: 'One of the two was erased: what the loser had is gone with it.',
  });
});

test.each([
  ['', 'say why'],
  ['two\nlines', 'say why'],
])('an erasure with the reason %j is refused', async (reason, words) => {
  const { survivor } = (
    await superuser.query('select id as survivor from platform.customers where erased_at is null limit 1')
  ).rows[0];
  await expect(eraseCustomer(privacy, survivor, reason)).rejects.toThrow(words);
});

test('an erasure of nobody, and by nobody, is refused', async () => {
  await expect(eraseCustomer(privacy, '01890000-0000-7000-8000-000000000000', 'x')).rejects.toThrow('no such customer');
  const nobody = await database.connect('privacy_app');
  await expect(eraseCustomer(nobody, '01890000-0000-7000-8000-000000000000', 'x')).rejects.toThrow('say who erases');
});

/** Every column that may hold an address or a number of a person, and why an erased one does not come back by it. */
const waysIn: Record<string, string> = {
  'crm.contacts (email)': 'trigger',
  'crm.contacts (phone)': 'trigger',
  'crm.contacts (phone_key)': 'trigger',
  'platform.customer_emails (email)': 'trigger',
  'platform.customer_emails (email_key)': 'trigger',
  'platform.customer_phones (phone)': 'trigger',
  'platform.customer_phones (phone_key)': 'trigger',
  'platform.customers (email)': 'never without its row in customer_emails',
  'platform.customers (email_key)': 'never without its row in customer_emails',
  'platform.customers (phone)': 'never without its row in customer_phones',
  'platform.customers (phone_key)': 'never without its row in customer_phones',
  'platform.failing_addresses (email_key)': 'of a mail of a record that is there',
  'platform.mails (to_address)': 'of a record that is there, or a chat that is linked to nobody',
  'platform.received_mails (from_address)':
    'of an answer to such a mail, or of a chat that is linked to nobody; held ones go by their age',
  'platform.removed_emails (email)': 'comes from customer_emails alone, and goes back there',
  'platform.removed_emails (email_key)': 'comes from customer_emails alone, and goes back there',
  'platform.removed_phones (phone)': 'comes from customer_phones alone, and goes back there',
  'platform.removed_phones (phone_key)': 'comes from customer_phones alone, and goes back there',
  'platform.users (email)': 'staff who sign in, not customers',
  'staging.import_lines (email)': 'plan_import leaves the line out',
  'staging.import_lines (email_key)': 'plan_import leaves the line out',
  'staging.import_lines (phone)': 'plan_import leaves the line out',
  'staging.import_lines (phone_key)': 'plan_import leaves the line out',
  'support.calls (number_e164)': 'of a customer who is there',
  'support.sessions (visitor_email)': 'a chat that is linked to nobody',
  'sync.import_rows (email)': 'apply_import writes by the tables above, and forgets what they refuse',
  'sync.import_rows (email_key)': 'apply_import writes by the tables above, and forgets what they refuse',
  'sync.import_rows (phone)': 'apply_import writes by the tables above, and forgets what they refuse',
  'sync.import_rows (phone_key)': 'apply_import writes by the tables above, and forgets what they refuse',
};

test('every column that may hold an address or a number is guarded, or it is said why not', async () => {
  const { rows } = await superuser.query<{ place: string; guarded: boolean }>(`
    select format('%s (%s)', i.relation, i.column_name) as place,
      exists (select from pg_trigger t where t.tgrelid = i.relation::regclass and t.tgname = 'y_keep_away' and t.tgenabled = 'O') as guarded
    from platform.inventory i where i.class = 'identifying' and i.column_name ~ '(^|_)(e?mail|phone|number|address)(_|$)'
      and i.column_name !~ 'extension' order by 1`);
  expect(rows.map(({ place }) => place)).toEqual(Object.keys(waysIn));
  for (const { place, guarded } of rows) expect([place, guarded]).toEqual([place, waysIn[place] === 'trigger']);
});

test('no way in brings an erased person back, until somebody lifts the suppression with a reason', async () => {
  const person = await makePerson(database, superuser, 'xq7back');
  const phone = (await superuser.query('select phone_key from platform.customers where id = $1', [person.survivor]))
    .rows[0].phone_key;
  const before = (
    await superuser.query('select token_hash from support.sessions where customer_id = $1', [person.survivor])
  ).rows;
  await eraseCustomer(privacy, person.survivor, 'They asked');
  await cleanUp(privacy, { waitMs: 20_000 });
  expect(before.length).toBe(2);

  const [foundation, support, worker] = await Promise.all(
    (['foundation_app', 'support_app', 'sync_app'] as const).map((login) => database.connect(login)),
  );
  if (!foundation || !support || !worker) throw new Error('Three are connected.');
  const email = 'xq7back@person.example';
  const refused = { constraint: 'person_erased' };
  const add = 'insert into platform.customers (email, name) values ($1, $2)';
  await expect(foundation.query(add, [email, 'Ada'])).rejects.toMatchObject(refused);
  await expect(support.query(add, [email.toUpperCase().toLowerCase(), 'Ada'])).rejects.toMatchObject(refused);
  await expect(
    foundation.query('insert into platform.customers (email, name, phone, phone_key) values ($1, $1, $2, $2)', [
      'new@person.example',
      phone,
    ]),
  ).rejects.toMatchObject(refused);
  await expect(
    foundation.query('select * from platform.add_address($1, $2, $2)', [person.other, email]),
  ).rejects.toMatchObject(refused);
  await expect(
    foundation.query('select * from platform.add_phone($1, $2, $2, null)', [person.other, phone]),
  ).rejects.toMatchObject(refused);
  await expect(
    foundation.query('update platform.customers set email = $2 where id = $1', [person.other, email]),
  ).rejects.toMatchObject(refused);
  await expect(
    foundation.query(
      `insert into crm.contacts (company_id, name, email) select id, 'Ada', $1 from platform.companies limit 1`,
      [email.toUpperCase()],
    ),
  ).rejects.toMatchObject(refused);
  // A chat, and one whose host page vouches for the visitor: nobody, and the transaction goes on.
  await support.query('begin');
  for (const call of ['find_or_create_customer', 'prove_address'])
    expect(
      (await support.query(`select (f.customer).id, f.created from platform.${call}($1, $1, 'Ada') f`, [email])).rows,
    ).toEqual([{ id: null, created: false }]);
  await support.query('commit');
  // A bulk write refuses the row and writes the other one.
  const { rows: bulk } = await worker.query(
    `select ids, refusals from platform.insert_customers(array(select jsonb_populate_record(null::platform.customers,
       jsonb_build_object('email', e, 'name', 'Ada', 'created_by_app', 'foundation')) from unnest($1::text[]) e))`,
    [[email, 'else@person.example']],
  );
  expect(bulk[0].ids).toEqual([null, expect.any(String)]);
  expect(bulk[0].refusals).toEqual([expect.objectContaining({ constraint: 'person_erased', row: 1 })]);

  // An import leaves out the lines: by address, by number and by the id in the source; nothing of them is kept.
  const { rows: begun } = await worker.query(
    `select sync.begin_import('foundation', '{}', 'test', '[{"file": 1, "source": "old", "name": "again.csv"}]') as run`,
  );
  await superuser.query(
    `insert into staging.import_lines (run, n, file, line, kind, email, email_key, name, phone, phone_key, external_id, raw, is_known)
     values ($1, 1, 1, 2, 'person', $2, $2, 'xq7back', null, null, null, 'xq7back', false),
       ($1, 2, 1, 3, 'person', 'by-number@person.example', 'by-number@person.example', 'xq7back', $3, $3, null, 'xq7back', false),
       ($1, 3, 1, 4, 'person', 'fine@person.example', 'fine@person.example', 'Fine', null, null, '7', 'fine', false)`,
    [begun[0].run, email, phone],
  );
  await worker.query('select sync.plan_import($1)', [begun[0].run]);
  await worker.query('select sync.apply_import($1, 100)', [begun[0].run]);
  const { rows: lines } = await superuser.query(
    'select n, outcome, code, email, raw from sync.import_rows where run = $1 order by n',
    [begun[0].run],
  );
  expect(lines).toEqual([
    { n: 1, outcome: 'excluded', code: 'erased', email: null, raw: null },
    { n: 2, outcome: 'excluded', code: 'erased', email: null, raw: null },
    expect.objectContaining({ n: 3, outcome: 'created', email: 'fine@person.example' }),
  ]);
  expect(await findCanary(superuser, 'xq7back')).toEqual([]);

  const lift = (because: string) =>
    privacy.query(`select platform.lift_suppression('email', $1, $2) as lifted`, [email, because]);
  await expect(lift(' ')).rejects.toThrow('say why');
  expect((await lift('They signed up again')).rows).toEqual([{ lifted: true }]);
  expect((await lift('Twice')).rows).toEqual([{ lifted: false }]);
  expect(
    (await support.query(`select f.created from platform.find_or_create_customer($1, $1, 'Ada') f`, [email])).rows,
  ).toEqual([{ created: true }]);
});

test(
  'after an erasure and its clean-up, no file of the database and no line of the server tells of the person',
  async () => {
    const name = 'xq7disk';
    const { survivor } = await makePerson(database, superuser, name);
    // The server writes of a refusal what it was about, if its settings let it.
    const again = `insert into platform.customers (email, name) values ($1, 'Ada')`;
    const foundation = await database.connect('foundation_app');
    await expect(foundation.query(again, [`${name}@person.example`])).rejects.toMatchObject({ code: '23505' });
    await superuser.query('analyze; checkpoint');
    expect(await grepFiles(name)).not.toEqual([]);

    await eraseCustomer(privacy, survivor, 'They asked');
    expect(await cleanUp(privacy, { waitMs: 20_000 })).toMatchObject({ open: 0 });
    // The old versions of statistics go when autovacuum comes by, which is off here.
    await superuser.query('vacuum pg_catalog.pg_statistic');
    await superuser.query('checkpoint');
    expect(await grepFiles(name)).toEqual([]);
  },
  cleanUpMaxMs,
);

/**
 * The files of this database, and the server's log, in which the word is. Left out are the write-ahead log, which is recycled and kept in
 * backups, and the free space of a table's pages: PostgreSQL does not overwrite what it frees (docs/privacy.md).
 */
async function grepFiles(word: string): Promise<string[]> {
  const { rows } = await superuser.query(
    `select current_setting('data_directory') as folder, oid from pg_database where datname = current_database()`,
  );
  const { folder, oid } = rows[0];
  const base = join(folder, 'base', String(oid));
  const files = [`${folder}.log`, ...(await readdir(base)).map((file) => join(base, file))];
  const found: string[] = [];
  for (const file of files) {
    const bytes = await readFile(file).catch(() => Buffer.alloc(0)); // a temporary file is gone by now
    if (!bytes.includes(word) && !bytes.includes(word.toUpperCase())) continue;
    const [relation] = (await superuser.query(nameOfFile, [Number(/^\d+/.exec(basename(file))?.[0] ?? 0)])).rows;
    if (relation?.is_table) clearFreeSpace(bytes);
    if (!bytes.includes(word) && !bytes.includes(word.toUpperCase())) continue;
    found.push(relation?.relname ?? file);
  }
  return found;
}

const nameOfFile = `select relname, relkind in ('r', 't') as is_table from pg_class where pg_relation_filenode(oid) = $1`;

/** Between the line pointers of a page and its rows. */
function clearFreeSpace(bytes: Buffer): void {
  for (let page = 0; page + 8192 <= bytes.length; page += 8192) {
    const [lower, upper] = [bytes.readUInt16LE(page + 12), bytes.readUInt16LE(page + 14)];
    if (lower < upper) bytes.fill(0, page + lower, page + upper);
  }
}

test(
  'an erasure beside a chat waits for the message under way, and scrubs it',
  async () => {
    const { survivor } = await makePerson(database, superuser, 'xq7chat');
    const support = await database.connect('postgres');
    const { rows } = await support.query('select id from support.sessions where customer_id = $1 limit 1', [survivor]);
    await support.query('begin');
    await support.query('update support.sessions set message_count = 9 where id = $1', [rows[0].id]);
    await support.query(
      `insert into support.messages (session_id, number, author, client_id, body) values ($1, 9, 'visitor', 'late', 'I am xq7chat')`,
      [rows[0].id],
    );
    const erasing = eraseCustomer(privacy, survivor, 'They asked');
    await untilSomebodyWaits(support);
    await support.query('commit');
    expect(await erasing).toMatchObject({ state: 'erased' });
    expect(await findScrubbed('xq7chat')).toEqual([]);
  },
  cleanUpMaxMs,
);

test(
  'an erasure beside a contact that names the person waits for it, and erases it; the next one is refused',
  async () => {
    const { survivor } = await makePerson(database, superuser, 'xq7contact');
    const foundation = await database.connect('foundation_app');
    const insert = () =>
      foundation.query(
        `insert into crm.contacts (company_id, name, email)
         select c.id, 'xq7contact', 'XQ7contact@person.example' from platform.companies c limit 1`,
      );
    await foundation.query('begin');
    await insert();
    const erasing = eraseCustomer(privacy, survivor, 'They asked');
    await untilSomebodyWaits(foundation);
    await foundation.query('commit');
    expect(await erasing).toMatchObject({ state: 'erased' });
    expect(await findScrubbed('xq7contact')).toEqual([]);
    await expect(insert()).rejects.toMatchObject({ constraint: 'person_erased' });
  },
  cleanUpMaxMs,
);

test(
  'an erasure beside a merge erases whoever the person is when the merge has ended',
  async () => {
    const person = await makePerson(database, superuser, 'xq7beside');
    const worker = await database.connect('sync_app');
    await worker.query(`select set_config('aether.actor', 'tom', false)`);
    await worker.query('begin');
    await worker.query(`select platform.merge_customers($1, array[$2]::uuid[])`, [person.other, person.survivor]);
    const erasing = eraseCustomer(privacy, person.survivor, 'They asked');
    await untilSomebodyWaits(worker);
    await worker.query('commit');
    expect(await erasing).toMatchObject({ state: 'erased' });
    const { rows } = await superuser.query(
      'select count(*)::integer as n from platform.customers where id = any ($1) and erased_at is not null',
      [[person.other, person.survivor, person.loser]],
    );
    expect(rows).toEqual([{ n: 3 }]);
    expect(await findScrubbed('xq7beside')).toEqual([]);
  },
  cleanUpMaxMs,
);

test(
  'an import that was planned before an erasure leaves its lines out, and its undo passes the person by',
  async () => {
    const { survivor } = await makePerson(database, superuser, 'xq7plan');
    const worker = await database.connect('sync_app');
    const { rows: begun } = await worker.query(
      `select sync.begin_import('foundation', '{}', 'test', '[{"file": 1, "source": "late", "name": "late.csv"}]') as run`,
    );
    const run = begun[0].run;
    await superuser.query(
      `insert into staging.import_lines (run, n, file, line, kind, email, email_key, name, timezone, raw, is_known)
     values ($1, 1, 1, 2, 'person', $2, $2, 'Ada xq7plan', 'Europe/Rome', 'xq7plan', false)`,
      [run, 'xq7plan@person.example'],
    );
    await worker.query('select sync.plan_import($1)', [run]);
    await eraseCustomer(privacy, survivor, 'They asked');
    await worker.query('select sync.apply_import($1, 100)', [run]);
    const { rows } = await superuser.query('select outcome, code, email from sync.import_rows where run = $1', [run]);
    expect(rows).toEqual([{ outcome: 'excluded', code: 'erased', email: null }]);
    await worker.query('select sync.undo_import($1, 100)', [run]);
    await cleanUp(privacy, { waitMs: 20_000 });
    expect(await findCanary(superuser, 'xq7plan')).toEqual([]);
  },
  cleanUpMaxMs,
);

test(
  'two clean-ups at once take turns',
  async () => {
    const { survivor } = await makePerson(database, superuser, 'xq7turns');
    await eraseCustomer(privacy, survivor, 'They asked');
    const second = await connectPrivacy();
    let other: Promise<unknown> | undefined;
    const onStep = () => {
      other ??= cleanUp(second, { waitMs: 20_000 });
    };
    expect(await cleanUp(privacy, { waitMs: 20_000, onStep })).toMatchObject({ open: 0 });
    expect(await other).toEqual({ ended: 0, open: 0 });
    await second.end();
  },
  cleanUpMaxMs,
);

test('a transaction that writes in another database of the server keeps no clean-up from its end', async () => {
  const { survivor } = await makePerson(database, superuser, 'xq7database');
  const beside = await (await createTestDatabase()).connect('postgres');
  await beside.query('begin');
  await beside.query('select pg_current_xact_id()');
  await eraseCustomer(privacy, survivor, 'They asked');
  // While it waits: who is just connecting to the server, as other tests do, is told as one who may need former rows.
  expect(await cleanUp(privacy, { waitMs: 20_000 })).toEqual({ ended: 1, open: 0 });
  await beside.end();
});

test(
  'a clean-up that an older transaction keeps from its end says whose, does nothing before it has ended, and then everything once',
  async () => {
    const { survivor } = await makePerson(database, superuser, 'xq7older');
    const writer = await database.connect('support_app');
    const { rows } = await writer.query('select pg_backend_pid() as pid');
    const said = `process ${rows[0].pid} of support_app in ${database.name}`;
    await writer.query('begin');
    await writer.query('select pg_current_xact_id()');
    await eraseCustomer(privacy, survivor, 'They asked');
    expect(await cleanUp(privacy)).toEqual({ ended: 0, open: 1, waitsFor: expect.arrayContaining([said]) });
    const sync = await database.connect('sync_app');
    const worker = startCleanUps({
      ...{ url: database.url('privacy_app'), everyMs: 10, leaveMs: 0 },
      onError: (error) => {
        throw error;
      },
    });
    await until(async () => worker.state().waits_for === said);
    await sync.query(`select sync.beat('worker-1', extract(epoch from clock_timestamp()) * 1000, $1)`, [
      JSON.stringify({ clean_ups: worker.state() }),
    ]);
    await worker.stop();
    const { rows: checks } = await superuser.query('select reason from sync.check_erasures()');
    expect(checks[0].reason).toContain(`Its rows are kept by ${said}.`);

    const steps: string[] = [];
    const onStep = (step: string) => {
      steps.push(step);
      if (steps.filter((each) => each.startsWith('rest')).length === 3) void writer.query('commit');
    };
    expect(await cleanUp(privacy, { waitMs: 60_000, onStep })).toEqual({ ended: 1, open: 0 });
    expect(steps.slice(0, 3)).toEqual(Array(3).fill(`rest ${said}`));
    const after = steps.slice(steps.findLastIndex((step) => step.startsWith('rest')) + 1);
    expect(after).toContain('reindex platform.customers_words');
    expect(after).toContain('vacuum platform.customers');
    expect(new Set(after).size).toBe(after.length);
  },
  cleanUpMaxMs,
);

test(
  'the log keeps nothing of a person whose chat was moved to them, nor of one whose merge was taken back',
  async () => {
    const person = await makePerson(database, superuser, 'xq7moved');
    const [support, worker] = await Promise.all([database.connect('support_app'), database.connect('sync_app')]);
    for (const client of [support, worker]) await client.query(`select set_config('aether.actor', 'tom', false)`);
    const { rows: sessions } = await superuser.query(
      `insert into support.sessions (widget_id, customer_id, visitor_name, token_hash)
       select w.id, $1, 'xq7moved', sha256('moved') from support.widgets w returning id`,
      [person.other],
    );
    const say = (number: number) =>
      superuser.query(
        `insert into support.messages (session_id, number, author, client_id, body)
         values ($1, $2::integer, 'visitor', 'c' || $2::integer, 'I am xq7moved')`,
        [sessions[0].id, number],
      );
    await say(1);
    await support.query(`select platform.move_record('session', $1, $2, 'It is theirs')`, [
      sessions[0].id,
      person.survivor,
    ]);
    const { rows: merged } = await worker.query(`select platform.merge_customers($1, array[$2]::uuid[]) as answer`, [
      person.other,
      person.survivor,
    ]);
    await say(2);
    await superuser.query(
      `insert into crm.activities (customer_id, type, description, metadata, created_by_app, created_by, created_by_login)
       values ($1, 'note', 'Of Ben alone', '{}', 'foundation', 'tom', 'foundation_app')`,
      [person.other],
    );
    await worker.query(`select platform.unmerge_customers($1, '{}')`, [merged[0].answer.merges[0].merge]);
    await numberEvents(superuser);
    const { rows: phones } = await superuser.query('select phone_key from platform.customers where id = $1', [
      person.survivor,
    ]);

    await eraseCustomer(privacy, person.survivor, 'They asked');
    expect(await findScrubbed('xq7moved')).toEqual([]);
    expect(await findScrubbed(phones[0].phone_key)).toEqual([]);
    const { rows: others } = await superuser.query(
      `select data ->> 'name' as said from sync.events where type = 'customer.unmerged' and customer = $1
       union all select data ->> 'description' from sync.events where type = 'activity.created' and data ->> 'description' like 'Of Ben%'`,
      [person.other],
    );
    expect(others).toEqual([{ said: 'Ben Other' }, { said: 'Of Ben alone' }]);
  },
  cleanUpMaxMs,
);

test('an address that is lifted comes back by an import that knew the person by it', async () => {
  const { survivor, run } = await makePerson(database, superuser, 'xq7lift');
  const email = 'xq7lift@person.example';
  await superuser.query(
    `insert into sync.import_keys (source, key, customer, run) values ('mail', 'email:' || $1, $2, $3)`,
    [email, survivor, run],
  );
  await eraseCustomer(privacy, survivor, 'They asked');
  expect(await liftSuppression(privacy, email, { reason: 'They signed up again' })).toBe(true);
  const worker = await database.connect('sync_app');
  const { rows: begun } = await worker.query(
    `select sync.begin_import('foundation', '{}', 'test', '[{"file": 1, "source": "mail", "name": "again.csv"}]') as run`,
  );
  await superuser.query(
    `insert into staging.import_lines (run, n, file, line, kind, email, email_key, name, is_known)
     values ($1, 1, 1, 2, 'person', $2, $2, 'Ada', false)`,
    [begun[0].run, email],
  );
  await worker.query('select sync.plan_import($1)', [begun[0].run]);
  await worker.query('select sync.apply_import($1, 100)', [begun[0].run]);
  const { rows } = await superuser.query('select outcome from sync.import_rows where run = $1', [begun[0].run]);
  expect(rows).toEqual([{ outcome: 'created' }]);
});

test('a person whose imported line has neither an address nor an id comes back by the receipt', async () => {
  const { survivor, run } = await makePerson(database, superuser, 'xq7row');
  await superuser.query(
    `insert into sync.import_keys (source, key, customer, run) values ('paper', 'row:4711', $1, $2)`,
    [survivor, run],
  );
  const { erasure } = await eraseCustomer(privacy, survivor, 'They asked');
  const worker = await database.connect('sync_app');
  const importAgain = async () => {
    const { rows: begun } = await worker.query(
      `select sync.begin_import('foundation', '{}', 'test', '[{"file": 1, "source": "paper", "name": "again.csv"}]') as run`,
    );
    await superuser.query(
      `insert into staging.import_lines (run, n, file, line, kind, name, digest, is_known)
       values ($1, 1, 1, 2, 'person', 'Ada', 4711, false)`,
      [begun[0].run],
    );
    await worker.query('select sync.plan_import($1)', [begun[0].run]);
    return (await superuser.query('select code from sync.import_rows where run = $1', [begun[0].run])).rows[0].code;
  };
  expect(await importAgain()).toBe('erased');
  await expect(liftErasure(privacy, erasure, ' ')).rejects.toThrow('say why');
  await expect(liftErasure(privacy, survivor, 'They came back')).rejects.toThrow('no such receipt');
  expect(await liftErasure(privacy, erasure, 'They came back')).toBeGreaterThan(2);
  expect(await liftErasure(privacy, erasure, 'Twice')).toBe(0);
  expect(await importAgain()).not.toBe('erased');
});

test('a contact that has only a number goes with the customer of that number and name, and one of another name stays', async () => {
  const { survivor, other } = await makePerson(database, superuser, 'xq7number');
  const foundation = await database.connect('foundation_app');
  const { rows } = await superuser.query('select name, phone_key, company_id from platform.customers where id = $1', [
    survivor,
  ]);
  const { name, phone_key: phone, company_id: company } = rows[0];
  const add = async (as: string, number: string) =>
    (
      await foundation.query(
        'insert into crm.contacts (company_id, name, phone, phone_key) values ($1, $2, $3, $3) returning id',
        [company, as, number],
      )
    ).rows[0].id;
  const theirs = await add(name.toUpperCase(), phone);
  const elses = await add('Reception', phone);
  const farther = await add(name, '+493099999999');
  await numberEvents(superuser);
  await eraseCustomer(privacy, survivor, 'They asked');
  const kept = [elses, farther].sort();
  expect(
    (await superuser.query('select id from crm.contacts where id = any ($1) order by id', [[theirs, ...kept]])).rows,
  ).toEqual(kept.map((id) => ({ id })));
  const { rows: events } = await superuser.query(
    `select key, data ? 'name' as named from sync.events where key = any ($1) and type = 'contact.created' order by key = $2 desc`,
    [[theirs, elses], theirs],
  );
  expect(events).toEqual([
    { key: theirs, named: false },
    { key: elses, named: true },
  ]);
  expect(other).toBeTruthy();
});

test('who has acknowledged is kept when the log is cut, and who was made to lose the event has not', async () => {
  const { survivor } = await makePerson(database, superuser, 'xq7ack');
  const { erasure } = await eraseCustomer(privacy, survivor, 'They asked');
  await numberEvents(superuser);
  const { rows } = await superuser.query(`select max(position)::integer as head from sync.events`);
  for (const [name, position] of [
    ['support.quick', rows[0].head],
    ['support.slow', 0],
  ])
    await superuser.query(`insert into sync.subscriptions (name, app, position) values ($1, 'support', $2)`, [
      name,
      position,
    ]);
  const acknowledged = async () => {
    const receipt = (await listReceipts(privacy, { customer: survivor })).find((each) => each.erasure === erasure);
    return {
      position: receipt?.position,
      of: Object.fromEntries((receipt?.subscribers ?? []).map((each) => [each.name, each.acknowledged])),
    };
  };
  const before = await acknowledged();
  expect(before).toMatchObject({ position: rows[0].head, of: { 'support.quick': true, 'support.slow': false } });
  await superuser.query(`update sync.events set sequenced_at = clock_timestamp() - interval '200 days'`);
  const worker = await database.connect('sync_app');
  await dropOldEvents(worker, { keepDays: 90, force: ['support.slow', 'support.mail'] });
  expect((await superuser.query('select from sync.events where position <= $1', [rows[0].head])).rowCount).toBe(0);
  expect(await acknowledged()).toEqual(before);
  // Who comes later was never told, and who goes has acknowledged all the same.
  await superuser.query(`insert into sync.subscriptions (name, app, position) values ('support.late', 'support', $1)`, [
    rows[0].head,
  ]);
  await superuser.query(`delete from sync.subscriptions where name = 'support.quick'`);
  expect(await acknowledged()).toEqual(before);
});

test('a task of an erased person says nothing, reminds nobody, does not come again, and can be ticked', async () => {
  const { survivor } = await makePerson(database, superuser, 'xq7task');
  const foundation = await database.connect('foundation_app');
  const { rows } = await foundation.query(
    `insert into crm.activities (customer_id, type, description, due_at, assigned_to, remind_at, repeats, repeat_day, time_zone)
     values ($1, 'task', 'Call xq7task', now(), 'tom', now(), 'weekly', current_date, 'Europe/Berlin') returning id`,
    [survivor],
  );
  await numberEvents(superuser);
  await eraseCustomer(privacy, survivor, 'They asked');
  const task = `select description, assigned_to, done_at, remind_at, repeats, repeat_day, time_zone from crm.activities where id = $1`;
  expect((await superuser.query(task, [rows[0].id])).rows).toEqual([
    {
      ...{ description: 'Erased', assigned_to: 'tom', done_at: null },
      ...{ remind_at: null, repeats: null, repeat_day: null, time_zone: null },
    },
  ]);
  expect((await findCanary(superuser, 'xq7task')).filter((found) => /activities|events|outbox/.test(found))).toEqual(
    [],
  );
  const ticked = await foundation.query('update crm.activities set done_at = now() where id = $1', [rows[0].id]);
  expect(ticked.rowCount).toBe(1);
});

test('a webhook that is disabled has not acknowledged an erasure, until it has gone on past it', async () => {
  const { survivor } = await makePerson(database, superuser, 'xq7hook');
  const { rows } = await superuser.query('select sync.head()::integer as head');
  await superuser.query(
    `insert into sync.webhooks (name, app, url, types, disabled_at, disabled_reason, disabled_position)
     values ('support.off', 'support', 'https://hooks.example/a', '{customer.erased}', now(), 'A rest', $1)`,
    [rows[0].head],
  );
  await eraseCustomer(privacy, survivor, 'They asked');
  await numberEvents(superuser);
  const worker = await database.connect('sync_app');
  const standing = async () => {
    await worker.query('select platform.keep_acknowledgements()');
    const [receipt] = await listReceipts(privacy, { customer: survivor });
    return receipt?.subscribers.find(({ name }) => name === 'sync.webhook.support.off');
  };
  const waits = { kind: 'subscription', name: 'sync.webhook.support.off', told: true, acknowledged: false };
  expect(await standing()).toEqual(waits);
  await worker.query(`select set_config('aether.actor', 'tom', false)`);
  await worker.query(`select sync.enable_webhook('support.off', 'It goes on')`);
  expect(await standing()).toEqual(waits);
  await superuser.query(`update sync.subscriptions set position = sync.head() where name = 'sync.webhook.support.off'`);
  expect(await standing()).toEqual({ ...waits, acknowledged: true });
  await superuser.query(`delete from sync.webhooks where name = 'support.off'`);
});

test('after a restore, records that were merged since are erased each, a hold stops none of the others, and the list stays whole', async () => {
  const foundation = await database.connect('foundation_app');
  const ids: string[] = [];
  for (const n of [1, 2, 3, 4])
    ids.push(
      (
        await foundation.query(`insert into platform.customers (email, name) values ($1, 'xq7restored') returning id`, [
          `xq7restored.${n}@person.example`,
        ])
      ).rows[0].id,
    );
  const [one, two, held, last] = ids as [string, string, string, string];
  await placeHold(privacy, held, 'Released after the backup');
  const later = '01890000-0000-7000-8000-00000000000a';
  const unknown = { kind: 'email' as const, hash: 'cd'.repeat(32) };
  const line = (people: string[], suppressed: (typeof unknown)[] = []) => ({
    customer: people[0] as string,
    people,
    reason: 'They asked',
    erasedAt: '2026-01-01T00:00:00+00:00',
    suppressed,
  });
  const list = [line([held]), line([one, two]), line([last]), line([later], [unknown])];
  expect(await repeatErasures(privacy, list)).toEqual({ erased: 2, suppressed: 1, unknown: 1, held: [held] });
  const { rows } = await superuser.query(`select id from platform.customers where name = 'xq7restored'`);
  expect(rows).toEqual([{ id: held }]);
  // Who came after the backup is on the list of the restored database too, and has a receipt.
  expect(await listErased(privacy)).toContainEqual(line([later], [unknown]));
  expect(await repeatErasures(privacy, list)).toEqual({ erased: 0, suppressed: 0, unknown: 1, held: [held] });
});

test(
  'the worker ends a clean-up that was left open, and Sync Health says when one fails or nobody can',
  async () => {
    const { survivor } = await makePerson(database, superuser, 'xq7worker');
    await eraseCustomer(privacy, survivor, 'They asked');
    const sync = await database.connect('sync_app');
    const check = async (report: object) => {
      await sync.query(`select sync.beat('worker-1', extract(epoch from clock_timestamp()) * 1000, $1)`, [
        JSON.stringify({ clean_ups: report }),
      ]);
      const { rows } = await superuser.query('select status, reason from sync.check_erasures()');
      return rows[0];
    };
    expect(await check({ has_login: false })).toMatchObject({
      status: 'ok',
      reason: expect.stringMatching(/waits? for the clean-up, the oldest for/),
    });
    await sync.query(`select sync.set_health_limit('clean_up_seconds', 0.001, 'a test')`);
    expect(await check({ has_login: false })).toMatchObject({
      status: 'warning',
      reason: expect.stringContaining('No worker has the login'),
    });
    expect(await check({ has_login: true, error: '42501' })).toMatchObject({
      status: 'failing',
      reason: expect.stringContaining('42501'),
    });

    const errors: unknown[] = [];
    const onError = (error: unknown) => errors.push(error);
    const lost = startCleanUps({ url: database.url('sync_app'), everyMs: 10, leaveMs: 0, onError });
    await until(async () => errors.length > 0);
    expect(lost.state()).toEqual({ has_login: true, error: '42501' });
    await lost.stop();
    const cleanUps = startCleanUps({
      url: database.url('privacy_app'),
      everyMs: 10,
      leaveMs: 0,
      onError: (error) => {
        throw error;
      },
    });
    await until(async () => (await listReceipts(privacy, { customer: survivor }))[0]?.state === 'clean');
    expect(cleanUps.state()).toEqual({ has_login: true });
    await cleanUps.stop();
    expect(await check(cleanUps.state())).toEqual({ status: 'ok', reason: 'No erasure waits for its clean-up.' });
    expect(await findCanary(superuser, 'xq7worker')).toEqual([]);
    expect(startCleanUps({ url: undefined, onError }).state()).toEqual({ has_login: false });
  },
  cleanUpMaxMs,
);

test(
  'a clean-up that was cut off is ended by another process',
  async () => {
    const { survivor } = await makePerson(database, superuser, 'xq7cut');
    await eraseCustomer(privacy, survivor, 'They asked');
    const first = await connectPrivacy();
    const { rows } = await first.query('select pg_backend_pid() as pid');
    const cut = cleanUp(first, {
      waitMs: 20_000,
      onStep: (step) =>
        void (step.startsWith('vacuum') && superuser.query('select pg_terminate_backend($1)', [rows[0].pid])),
    });
    await expect(cut).rejects.toThrow();
    const [open] = await listReceipts(privacy, { customer: survivor });
    expect(open?.state).toBe('erased');
    expect(await cleanUp(privacy, { waitMs: 20_000 })).toMatchObject({ open: 0 });
    const [receipt] = await listReceipts(privacy, { customer: survivor });
    expect(receipt?.state).toBe('clean');
    expect(await findCanary(superuser, 'xq7cut')).toEqual([]);
  },
  cleanUpMaxMs,
);
