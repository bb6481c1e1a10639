import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { sample } from '@aether/database/testing.sample';
import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { anyText } from '../testing.text.ts';
import { readBatch } from './batch.ts';
import { type Client, openClient } from './client.ts';
import { CopiedRows, copyRows } from './copying.ts';
import { valueTypes } from './pool.ts';
import type { Statement } from './query.ts';
import { createReadAhead } from './readahead.ts';

let database: TestDatabase;
let superuser: pg.Client;
let client: Client;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = await database.connect('postgres');
  client = await openClient({ url: database.url('support_app'), types: valueTypes });
});
afterAll(() => client.end());

const customer = '0192aaaa-1234-7abc-8def-0123456789ab';
const other = '0192bbbb-1234-7abc-8def-0123456789ab';
const events: Record<string, unknown>[] = [
  {},
  { key: customer, customer, row_id: customer, version: 3 },
  { key: customer, customer: other, row_id: customer, version: 2 ** 40 },
  { key: `session:${customer}`, customer, row_id: '7', type: 'message.created' },
  { key: 'Šárka "S" \\ \t', row_id: '漢字' },
  { actor: 'aé', trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
  { actor: 'éa', trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02' },
  { actor: 'maya' },
  { actor: 'noor' },
  { data: { text: 'a\nb\\c"d"\u2028 漢 🙂', nested: [1, [null, { a: '' }]], id: '\u0001' }, previous: { text: null } },
  {
    type: 'customer.updated',
    key: customer,
    customer,
    data: { name: 'Šárka', created_at: '2026-11-30T12:00:00.123456+00:00' },
  },
  { type: 'user.updated', previous: { left_at: '2026-11-30T12:00:00+00:00', last_signed_in: null } },
  { data: { text: 'x'.repeat(70_000), id: '{"a": [' } },
  { occurred_at: '1999-12-31 23:59:59.999999+00' },
  { occurred_at: '2026-11-30 15:00:00.001999+00' },
];

test('an event that was read ahead is the event that a query reads, whatever it holds', async () => {
  // Several times, so that they are parsed with others; of large numbers JSON has digits that a number of JavaScript has not.
  const many = Array.from(
    { length: 10 * events.length },
    (_, n) => events[n % events.length] as Record<string, unknown>,
  );
  const rows = many.map((event, n) => ({ position: n + 1, id: 9_000_000_000 + n, ...event }));
  await superuser.query(
    `insert into sync.events (
       position, id, type, key, customer, row_id, version, audience, app, login, actor, data, previous, trace, occurred_at)
     select position, id, coalesce(type, 'support.read'), coalesce(key, 'key'), customer, coalesce(row_id, 'key'), version, 'platform',
       case position % 7 when 0 then 'foundation' else 'support' end, 'support_app', actor,
       case position when 100 then '{"n": 123456789012345678901, "m": 0.1}' when 101 then '{"n": 1e400, "m": 1e-400}'
         else coalesce(data, '{}') end, coalesce(previous, '{}'), trace, coalesce(occurred_at, now())
     from jsonb_to_recordset($1) as e (position bigint, id bigint, type text, key text, customer uuid, row_id text, version bigint,
       actor text, data jsonb, previous jsonb, trace text, occurred_at timestamptz)`,
    [JSON.stringify(rows)],
  );
  const ahead = createReadAhead({ copier: () => (text, into) => copyRows(client, text, into) }, undefined);
  ahead.begin(0, { head: rows.length, shares: null });
  const taken = await ahead.take(0, rows.length);
  const on = {
    query: async (text: string, values?: unknown[]) => (await client.query(text, values)).rows,
    run: async (statement: Statement, values: unknown[]) => (await client.query({ ...statement, values })).rows,
  };
  const read = await readBatch(on, 'support.copied', { after: 0, types: undefined, limit: rows.length });
  expect(read.events.length).toBe(rows.length);
  expect(taken?.events()).toStrictEqual(read.events);
  expect(taken?.last).toEqual({ position: rows.length, id: rows.at(-1)?.id });
});

test('JSON of every kind is read from a copy as from a query', async () => {
  const first = 2_001;
  const number = fc.oneof(
    fc.constantFrom(
      '0',
      '-0',
      '-0.0',
      '1e400',
      '-1e400',
      '1e-400',
      '1e23',
      '5e-324',
      '1.5e-7',
      '9007199254740993',
      '0.1e1',
    ),
    fc
      .tuple(fc.stringMatching(/^-?[1-9][0-9]{0,20}$/), fc.stringMatching(/^(\.[0-9]{1,20})?(e-?[0-9]{1,2})?$/))
      .map((parts) => parts.join('')),
  );
  // PostgreSQL stores no U+0000 and no half of a pair; what only looks like one it does.
  const text = fc
    .oneof(
      anyText({ maxLength: 6 }),
      fc.constantFrom('\\u0000', '\\ud800', '"]}', '\ufffd\uffff', '1234567890123456', '__proto__', ',['),
    )
    .map((each) => JSON.stringify(each.replaceAll('\0', '')));
  const { value } = fc.letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      number,
      text,
      fc.constantFrom('true', 'false', 'null', '[]', '{}', '""'),
      fc.array(tie('value'), { maxLength: 4 }).map((each) => `[${each}]`),
      fc.array(fc.tuple(text, tie('value')), { maxLength: 4 }).map((each) => `{${each.map((pair) => pair.join(':'))}}`),
    ),
  }));
  const seed = Math.trunc(Math.random() * 2 ** 31);
  const objects = fc.tuple(text, value, value).map(([key, one, other]) => `{${key}: ${one}, "b": ${other}}`);
  const texts = fc.sample(fc.tuple(objects, objects), { numRuns: sample(2_000), seed });
  const known = (await superuser.query<{ known: number }>('select count(*)::integer as known from sync.events')).rows[0]
    ?.known;
  expect(known).toBeLessThan(first);
  await superuser.query(
    `insert into sync.events (position, id, type, key, row_id, audience, app, login, data, previous, occurred_at)
     select $3 + n, n, 'support.read', 'key', 'key', 'platform', 'support', 'support_app', data, previous, now()
     from rows from (unnest($1::jsonb[]), unnest($2::jsonb[])) with ordinality j (data, previous, n)`,
    [texts.map(([data]) => data), texts.map(([, previous]) => previous), first - 1],
  );
  const ahead = createReadAhead({ copier: () => (copied, into) => copyRows(client, copied, into) }, undefined);
  ahead.begin(first - 1, { head: first - 1 + texts.length, shares: null });
  const { rows } = await client.query<{ data: unknown; previous: unknown }>(
    'select data, previous from sync.events where position >= $1 order by position',
    [first],
  );
  expect(rows.length).toBe(texts.length);
  const read = (await ahead.take(first - 1, texts.length))?.events() ?? [];
  const { rows: given } = await superuser.query<{ n: number }>(
    `select n from rows from (unnest($1::jsonb[]), unnest($2::jsonb[])) with ordinality j (one, given, n) where one is distinct from given`,
    [texts.map(([data]) => data), read.map(({ data }) => JSON.stringify(data))],
  );
  expect([seed, read.map(({ data, previous }) => ({ data, previous }))]).toStrictEqual([seed, rows]);
  // And as it was stored, digit by digit.
  expect([seed, given]).toEqual([seed, []]);
});

test('an event that is nested deeper than the engine reads with care takes nothing from those beside it', async () => {
  const first = 1_001;
  await superuser.query(
    `insert into sync.events (position, id, type, key, row_id, audience, app, login, data, previous, occurred_at)
     select n, n, 'support.read', 'key', 'key', 'platform', 'support', 'support_app',
       case n when $1 + 1 then ('{"deep": ' || repeat('[', 6000) || '12345678901234567' || repeat(']', 6000) || '}')::jsonb
         else '{"n": 12345678901234567}' end, jsonb_build_object('position', n), now()
     from generate_series($1::bigint, $1 + 3) n`,
    [first],
  );
  const ahead = createReadAhead({ copier: () => (text, into) => copyRows(client, text, into) }, undefined);
  ahead.begin(first - 1, { head: first + 3, shares: null });
  const read = (await ahead.take(first - 1, 4))?.events() ?? [];
  expect(read.map(({ previous }) => previous)).toEqual([0, 1, 2, 3].map((n) => ({ position: first + n })));
  const exact = '{"n":12345678901234567}';
  const found = read.map(({ data }) => ('deep' in data ? 'deep' : JSON.stringify(data)));
  expect(found).toEqual([exact, 'deep', exact, exact]);
});

test('a COPY that fails on its way is refused with the reason, and the one behind it is answered', async () => {
  const copy = (text: string) =>
    copyRows(client, `copy (${text}) to stdout with (format binary)`, new CopiedRows(1_000));
  const failing = copy('select 1 / (3 - n) from generate_series(1, 9) n');
  const next = copy('select n from generate_series(1, 3) n');
  await expect(failing).rejects.toThrow('division by zero');
  expect((await next).length).toBe(3);
  expect(await copy('select 1 where false')).toMatchObject({ length: 0, isCut: false });
  const cut = new CopiedRows(1_000);
  await copyRows(client, 'copy (select n from generate_series(1, 1000) n) to stdout with (format binary)', cut);
  expect(cut.isCut).toBe(true);
  expect(cut.length).toBeGreaterThan(0);
  expect(cut.size).toBeLessThan(1_020);
});
