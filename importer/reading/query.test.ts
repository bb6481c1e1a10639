import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { beforeAll, expect, test } from 'vitest';
import type { ReadRow } from '../person.ts';
import { readPersons } from './reading.ts';
import { recognise } from './recognition.ts';
import { openQuery } from './source.ts';
import { personsOf } from './testing.reading.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  const owner = await database.connect('postgres');
  await owner.query(`
    create table public.old_people (
      id bigint, full_name text, mail text, born date, joined timestamp, seen timestamptz, labels text[], data bytea);
    insert into public.old_people
    select
      9000000000000000000 + n, 'Person ' || n, 'p' || n || '@example.com',
      '1980-02-03', '2020-01-02 03:04:05', '2020-01-02 03:04:05+00',
      array['vip', 'a,b "c"'], '\\x00ff'
    from generate_series(1, 2500) as n`);
});

const query = `
  select id, full_name as name, mail as email, born as birth_date, joined as created_at, labels as tags
  from public.old_people
  order by id`;

async function read(text: string): Promise<{ rows: ReadRow[]; questions: unknown[] }> {
  const source = openQuery(database.url('postgres'), text);
  const recognition = await recognise(source);
  const rows: ReadRow[] = [];
  for await (const batch of readPersons(source, { recognition, answers: { timezone: 'Europe/Berlin' } }))
    rows.push(...batch);
  return { rows, questions: recognition.questions };
}

test('rows of another PostgreSQL are people: ids keep their digits, arrays are several values, the zone of plain times is asked', async () => {
  const { rows, questions } = await read(`${query};`);
  expect(rows).toHaveLength(2_500);
  const people = personsOf(rows);
  expect(people[2_499]).toMatchObject({
    line: 2_500,
    externalId: '9000000000000002500',
    emails: [{ key: 'p2500@example.com' }],
    birthDate: '1980-02-03',
    createdAt: new Date('2020-01-02T02:04:05.000Z'),
    tags: ['vip', 'a,b "c"'],
  });
  expect(questions).toMatchObject([{ kind: 'timezone', columns: ['created_at'] }]);
});

test.each([
  'insert into public.old_people (id) values (1) returning id',
  'select 1; commit; drop table public.old_people',
  'with gone as (delete from public.old_people returning id) select id from gone',
  'select nonsense',
])('a query that writes, or is no single query, is refused and changes nothing: %s', async (text) => {
  await expect(read(text)).rejects.toMatchObject({ name: 'SourceRefused', code: 'bad-query' });
  const { rows } = await read('select id, mail as email from public.old_people');
  expect(rows).toHaveLength(2_500);
});

test('a database that cannot be reached is refused with its name, and without its password', async () => {
  const source = openQuery('postgres://someone:secret@127.0.0.1:1/old', 'select 1');
  const refusal = await recognise(source).catch((error: Error) => error);
  expect(refusal).toMatchObject({ code: 'no-connection', message: expect.stringContaining('127.0.0.1:1/old') });
  expect(String(refusal)).not.toContain('secret');
});
