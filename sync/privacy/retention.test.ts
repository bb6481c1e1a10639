import { createTestDatabase } from '@aether/database/testing';
import { requireUnderWay } from '@aether/database/testing.scope';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { placeHold, releaseHold } from './holds.ts';
import { listRetention, previewRetention, setRetention } from './retention.ts';
import { ada, fillHouse } from './testing.house.ts';

let superuser: pg.Client;
let privacy: pg.Client;
let sync: pg.Client;
beforeAll(async () => {
  const database = await createTestDatabase();
  superuser = await database.connect('postgres');
  privacy = await database.connect('privacy_app');
  sync = await database.connect('sync_app');
  await fillHouse(superuser, sync);
  await privacy.query(`select set_config('aether.actor', 'u-boss', false)`);
  // Everything was long ago.
  await superuser.query(`
    update support.sessions set status = 'ended', resolved = true, ended_at = now() - interval '200 days';
    update support.calls set started_at = now() - interval '200 days';
    update crm.activities set occurred_at = now() - interval '200 days';
    update sync.import_runs set decided_at = now() - interval '200 days';
    update platform.sign_ins set ended_at = now() - interval '20 days', end_reason = 'signed-out' where user_id = 'u-ada'`);
});

const read = async (text: string) => (await superuser.query(text)).rows;
/** Works until nothing is due, a record at a time, as the worker does with more. */
async function work(): Promise<Record<string, number>> {
  const removed: Record<string, number> = {};
  await superuser.query(`update platform.retention_rules set round_ended_at = null where round_ended_at is not null`);
  for (;;) {
    requireUnderWay();
    const { rows } = await sync.query('select platform.apply_retention(1) as step');
    if (rows[0].step === null) return removed;
    const { kind, rows: done } = rows[0].step;
    removed[kind] = (removed[kind] ?? 0) + done;
  }
}
const daysOf = async (kind: string) => (await listRetention(privacy)).find((rule) => rule.kind === kind)?.days;

test('the list names every kind, what decides about it, and what goes next', async () => {
  const rules = await listRetention(privacy);
  expect(rules.map(({ kind, days, set_by }) => [kind, days, set_by])).toEqual([
    ['activities', null, 'rule'],
    ['calls', null, 'rule'],
    ['conversations', null, 'rule'],
    ['import_files', 30, 'limit'],
    ['import_lines', null, 'rule'],
    ['import_plans', 30, 'limit'],
    ['log', 90, 'SYNC_KEEP_DAYS'],
    ['operations', 730, 'limit'],
    ['setting_changes', 730, 'rule'],
    ['sign_ins', 30, 'rule'],
  ]);
  expect(rules.find(({ kind }) => kind === 'conversations')?.next).toEqual([]);
  expect(rules.every(({ meaning }) => meaning.endsWith('.'))).toBe(true);
  expect(await previewRetention(privacy, 'conversations', 100)).toMatchObject([
    { table: 'support.sessions', rows: 3, oldest: expect.any(String) },
    { table: 'support.messages', rows: 4 },
    { table: 'support.session_entries', rows: 1 },
  ]);
  expect(await previewRetention(privacy, 'conversations', 300)).toMatchObject([{ rows: 0 }, { rows: 0 }, { rows: 0 }]);
});

test.each([
  ['conversations', 3, 'conversations are kept for 7 to 36500 days'],
  ['calls', 30, 'The log keeps a copy of them for 90 days'],
  ['sign_ins', 60, 'sign ins are kept for 1 to 30 days'],
  ['operations', 30, 'operations are kept for 90 to 36500 days'],
  ['import_files', null, 'import files are kept for 1 to 36500 days'],
  ['log', 30, 'set SYNC_KEEP_DAYS'],
  ['customers', 30, 'no kind customers'],
] as const)('a rule for %s of %s days is refused: %s', async (kind, days, words) => {
  const before = await daysOf(kind);
  await expect(setRetention(privacy, kind, days, 'shorter')).rejects.toThrow(new RegExp(words, 'i'));
  expect(await daysOf(kind)).toBe(before);
});

test('a rule without a reason is refused', async () => {
  await expect(setRetention(privacy, 'calls', 100, ' ')).rejects.toThrow('ay why');
});

test('what is older than its rule is scrubbed a step at a time, a held customer keeps everything until the hold is released, and no event tells of it', async () => {
  const hold = await placeHold(privacy, ada, 'A lawsuit');
  for (const kind of ['conversations', 'calls', 'activities', 'import_lines'])
    await setRetention(privacy, kind, 100, 'By law');
  await setRetention(privacy, 'sign_ins', 10, 'By law');
  const [{ events }] = await read('select (select count(*) from sync.outbox) + sync.head() as events');
  expect(await work()).toMatchObject({ conversations: expect.any(Number), sign_ins: 1 });

  const talks = `select s.visitor_name, array_agg(m.body order by m.number) as texts, s.status
    from support.sessions s join support.messages m on m.session_id = s.id where s.customer_id is not distinct from `;
  expect(await read(`${talks} null group by s.id`)).toEqual([
    { visitor_name: null, texts: ['Erased'], status: 'ended' },
  ]);
  expect((await read(`${talks} '${ada}' group by s.id`))[0]).toMatchObject({ visitor_name: 'Ada' });
  expect(await read(`select notes is null as gone from support.calls order by customer_id = '${ada}'`)).toEqual([
    { gone: true },
    { gone: false },
  ]);
  expect(await read(`select description from crm.activities order by customer_id = '${ada}'`)).toEqual([
    { description: 'Erased' },
    { description: 'Likes <b>oak</b> & "walnut"' },
  ]);
  expect(await read('select n, raw is null and email is null as gone from sync.import_rows order by n')).toEqual(
    // The third is linked to nobody, and names an address of hers.
    [1, 2, 3, 4, 5].map((n) => ({ n, gone: n !== 1 && n !== 3 })),
  );
  expect(await read(`select user_id from platform.sign_ins`)).toEqual([{ user_id: 'u-boss' }]);

  expect(await previewRetention(privacy, 'calls', 100)).toMatchObject([{ rows: 0 }]);
  await releaseHold(privacy, hold, 'It is settled');
  expect(await previewRetention(privacy, 'calls', 100)).toMatchObject([{ rows: 1 }]);
  expect(await work()).toMatchObject({ calls: 1, activities: 1 });
  expect(await read(`${talks} '${ada}' group by s.id`)).toEqual([
    { visitor_name: null, texts: ['Erased', 'Erased'], status: 'ended' },
  ]);
  // A round over what is done changes nothing, and to the records nothing has happened.
  expect(Object.values(await work()).reduce((sum, rows) => sum + rows, 0)).toBe(0);
  expect(await read('select (select count(*) from sync.outbox) + sync.head() as events')).toEqual([{ events }]);
});

test('a chat and a line of an import that no customer is linked to are kept by the hold on whose address or number they name', async () => {
  await superuser.query(`
    insert into support.sessions (id, widget_id, visitor_email, visitor_name, token_hash, status, resolved, ended_at)
      select s.id::uuid, w.id, s.email, 'Somebody', sha256(convert_to(s.id, 'UTF8')), 'ended', true, now() - interval '200 days'
      from support.widgets w, (values ('00000000-0000-4000-8000-0000000000d1', 'ADA@person.example'),
        ('00000000-0000-4000-8000-0000000000d2', 'else@person.example'), ('00000000-0000-4000-8000-0000000000d3', null)) s (id, email);
    insert into sync.import_rows (run, n, file, line, outcome, email_key, phone_key, raw)
      select (select min(id) from sync.import_runs), r.n, 1, r.n, 'rejected', r.email, r.phone, 'kept' || coalesce(r.raw, '')
      from (values (91, 'a.king@work.example', null, null), (92, null, '+49301234567', null), (93, null, null, ';ada@person.example'),
        (94, 'else@person.example', null, null), (95, null, '+49305555555', null), (96, null, null, ';nada@person.example'))
        r (n, email, phone, raw)`);
  const chats = () =>
    read(`select right(id::text, 1) as id, visitor_name is null as gone from support.sessions
      where id::text like '%-0000000000d_' order by 1`);
  const lines = () => read('select n, raw is null as gone from sync.import_rows where n > 90 order by n');
  const hold = await placeHold(privacy, ada, 'Another lawsuit');
  const rowsOf = async (kind: string, table: string) =>
    (await previewRetention(privacy, kind, 100)).find((aged) => aged.table === table)?.rows;
  expect([await rowsOf('conversations', 'support.sessions'), await rowsOf('import_lines', 'sync.import_rows')]).toEqual(
    [2, 3],
  );
  await work();
  expect(await chats()).toEqual([
    { id: '1', gone: false },
    { id: '2', gone: true },
    { id: '3', gone: true },
  ]);
  expect(await lines()).toEqual([91, 92, 93, 94, 95, 96].map((n) => ({ n, gone: n > 93 })));
  await releaseHold(privacy, hold, 'It is settled');
  expect([await rowsOf('conversations', 'support.sessions'), await rowsOf('import_lines', 'sync.import_rows')]).toEqual(
    [1, 3],
  );
  await work();
  expect([...(await chats()), ...(await lines())].every(({ gone }) => gone)).toBe(true);
});

test('an open task stays whatever its age', async () => {
  await superuser.query(
    `insert into crm.activities (customer_id, type, description, created_by_app, created_by_login, occurred_at, due_at)
     values ($1, 'task', 'Call back', 'foundation', 'foundation_app', now() - interval '300 days', now() - interval '250 days')`,
    [ada],
  );
  await work();
  expect(await read(`select description from crm.activities where type = 'task'`)).toEqual([
    { description: 'Call back' },
  ]);
  await superuser.query(`update crm.activities set done_at = now() where type = 'task'`);
  await work();
  expect(await read(`select description from crm.activities where type = 'task'`)).toEqual([{ description: 'Erased' }]);
});

test('a change of a rule is recorded with who and why', async () => {
  const record = await setRetention(privacy, 'operations', 365, 'By law');
  expect(await daysOf('operations')).toBe(365);
  const { rows } = await superuser.query(
    'select kind, scope, reason, outcome, actor from sync.operations where id = $1',
    [record],
  );
  expect(rows).toEqual([
    {
      kind: 'privacy.retention',
      scope: { kind: 'operations' },
      reason: 'By law',
      outcome: { before: 730, after: 365 },
      actor: 'u-boss',
    },
  ]);
});

test('only the login of privacy sees and sets rules, and only the worker applies them', async () => {
  await expect(sync.query(`select platform.set_retention('calls', 100, 'x')`)).rejects.toMatchObject({ code: '42501' });
  await expect(sync.query(`select * from platform.list_retention()`)).rejects.toMatchObject({ code: '42501' });
  await expect(privacy.query('select platform.apply_retention()')).rejects.toMatchObject({ code: '42501' });
});
