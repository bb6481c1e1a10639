import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { answerPair } from './answers.ts';
import { applyImport } from './apply.ts';
import { replanImport } from './replan.ts';
import { person, planRows, readAll } from './testing.run.ts';
import { undoImport } from './undo.ts';

/* Whose a line is that was imported before and has changed, where other customers have its number and its name. */

let database: TestDatabase;
let sync: pg.Client;
let superuser: pg.Client;
let steward: pg.Client;
let privacy: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  sync = await database.connect('sync_app');
  superuser = await database.connect('postgres');
  await superuser.query(`insert into platform.users (id, email, name, role) values
    ('tom', 'tom@example.com', 'Tom', 'steward'), ('ann', 'ann@example.com', 'Ann', 'admin')`);
  steward = await database.connect('console_app');
  await steward.query(`set aether.actor = 'tom'`);
  privacy = await database.connect('privacy_app');
  await privacy.query(`set aether.actor = 'ann'`);
});

let count = 0;
/** Among few people, of one name and one number nobody can say how rare they are. */
const crowd = () =>
  Array.from({ length: 60 }, (_, n) =>
    person(n + 100, { email: `${n}@crowd${++count}.example`, name: `${givenNames[n % 5]} Miller${n}` }),
  );
const givenNames = 'Ada Ben Carla Dmitri Elif'.split(' ');

/** A person of a source, whose line has an id; and a customer of the same name with the number that the line brings now. */
async function addTwins({ source = `ids-${++count}` } = {}) {
  const name = `Quirin Zwetschge${String.fromCharCode(97 + (count % 26))}${count}`;
  const phone = `+4930777${String(count).padStart(4, '0')}`;
  const [own, others] = [`own${count}@ids.example`, `others${count}@ids.example`];
  const made = await importRows([person(2, { externalId: '1', email: own, name })], source);
  await superuser.query(
    `insert into platform.customers (email, name, phone, phone_key, created_by_app) values ($1, $2, $3, $3, 'foundation')`,
    [others, name, phone],
  );
  const [ownId, othersId] = [(await customerOf(own)).id as string, (await customerOf(others)).id as string];
  return { source, name, phone, own, others, ownId, othersId, made, known: { externalId: '1', name, phone } };
}

async function importRows(rows: Parameters<typeof planRows>[1], source: string): Promise<string> {
  const { run } = await planRows(sync, rows, { source });
  await applyImport(sync, run);
  return run;
}
const plan = (rows: Parameters<typeof planRows>[1], source: string) =>
  planRows(sync, [...rows, ...crowd()], { source });

const customerOf = async (email: string) =>
  (
    await superuser.query(
      'select c.* from platform.customer_emails e join platform.customers c on c.id = e.customer_id where e.email_key = $1',
      [email],
    )
  ).rows[0];
/** Of the lines that are not the crowd. */
const outcomesOf = async (run: string) =>
  (
    await superuser.query(
      `select p.outcome, p.code, case when p.outcome <> 'created' then p.customer end as customer
       from sync.import_rows p where p.run = $1 and p.line < 100 order by p.n`,
      [run],
    )
  ).rows.map(({ outcome, code, customer }) => [outcome, code, customer]);

describe('a line that its id knows', () => {
  test('is its customer’s when the name and the number of another one are the same, and not if its address is theirs', async () => {
    const { source, own, others, ownId, phone, known } = await addTwins();
    const { run } = await plan([person(2, { ...known, timezone: 'Europe/Rome' })], source);
    expect(await outcomesOf(run)).toEqual([['updated', null, ownId]]);
    await applyImport(sync, run);
    expect(await customerOf(own)).toMatchObject({ timezone: 'Europe/Rome', phone });
    expect(await customerOf(others)).toMatchObject({ timezone: null });

    const held = await plan([person(2, { ...known, email: others, language: 'it' })], source);
    expect(await outcomesOf(held.run)).toEqual([['held', 'two-customers', null]]);
    await applyImport(sync, held.run);
    expect(await customerOf(others)).toMatchObject({ preferred_language: null });
  });

  test('keeps nothing of the lines of that other customer, and they nothing of it', async () => {
    const { source, name, phone, own, others, ownId, othersId, known } = await addTwins();
    const { run } = await plan(
      [person(2, { ...known, timezone: 'Europe/Rome' }), person(3, { email: others, name, phone, language: 'it' })],
      source,
    );
    expect(await outcomesOf(run)).toEqual([
      ['updated', null, ownId],
      ['updated', null, othersId],
    ]);
    await applyImport(sync, run);
    expect(await customerOf(own)).toMatchObject({ timezone: 'Europe/Rome', preferred_language: null });
    expect(await customerOf(others)).toMatchObject({ timezone: null, preferred_language: 'it' });
  });

  test('holds a line that could be of either, and gives the other customer nothing of it', async () => {
    const { source, name, own, others, ownId, known } = await addTwins();
    const email = `new-${own}`;
    const { run } = await plan(
      [person(2, { ...known, email, timezone: 'Europe/Rome' }), person(3, { email, name, language: 'it' })],
      source,
    );
    expect(await outcomesOf(run)).toEqual([
      ['updated', null, ownId],
      ['held', 'two-customers', null],
    ]);
    await applyImport(sync, run);
    expect(await customerOf(others)).toMatchObject({ preferred_language: null, timezone: null });
    expect(await customerOf(own)).toMatchObject({ timezone: 'Europe/Rome', preferred_language: null });
  });

  test('is one person with another line of the same id, and what both say is written once', async () => {
    const { source, own, others, ownId, known } = await addTwins();
    const { run, counts } = await plan(
      [
        person(2, { ...known, timezone: 'Europe/Rome' }),
        person(3, { ...known, timezone: 'Europe/Rome' }),
        person(4, { ...known, timezone: 'Europe/Rome', language: 'it' }),
      ],
      source,
    );
    expect(await outcomesOf(run)).toEqual([
      ['updated', null, ownId],
      ['unchanged', 'same-person', ownId],
      ['updated', 'same-person', ownId],
    ]);
    expect(await applyImport(sync, run)).toMatchObject({ counts });
    expect(await customerOf(own)).toMatchObject({ timezone: 'Europe/Rome', preferred_language: 'it' });
    expect(await customerOf(others)).toMatchObject({ timezone: null, preferred_language: null });
  });

  test('is its customer’s beside a line that the id of a third one knows', async () => {
    const { source, name, phone, ownId, othersId, known } = await addTwins();
    const third = `third${count}@ids.example`;
    await importRows([person(2, { externalId: '3', email: third, name: 'Yola Quast' })], source);
    const rows = [
      person(2, { ...known, timezone: 'Europe/Rome' }),
      person(3, { externalId: '3', name, phone, timezone: 'Europe/Oslo' }),
    ];
    const { run } = await plan(rows, source);
    const thirdId = (await customerOf(third)).id;
    expect(await outcomesOf(run)).toEqual([
      ['updated', null, ownId],
      ['updated', null, thirdId],
    ]);
    await applyImport(sync, run);
    expect((await superuser.query('select timezone from platform.customers where id = $1', [othersId])).rows).toEqual([
      { timezone: null },
    ]);
  });

  test('does not stop a line of the same address that is known itself, only those that are new', async () => {
    const { source, name, own, others, othersId } = await addTwins();
    await importRows([person(2, { email: others, name })], source);
    const rows = [
      person(2, { externalId: '1', email: others, name, timezone: 'Europe/Rome' }),
      person(3, { email: others, name, language: 'it' }),
      person(4, { externalId: '9', email: others, name, timezone: 'Europe/Oslo' }),
    ];
    const { run } = await plan(rows, source);
    expect(await outcomesOf(run)).toEqual([
      ['held', 'two-customers', null],
      ['updated', null, othersId],
      ['held', 'two-customers', null],
    ]);
    await applyImport(sync, run);
    expect(await customerOf(others)).toMatchObject({ timezone: null, preferred_language: 'it' });
    expect(await customerOf(own)).toMatchObject({ timezone: null, preferred_language: null });
  });

  test('means nothing in another source, where the name and the number say who it is', async () => {
    const { own, othersId, known } = await addTwins();
    const { run } = await plan([person(2, { ...known, timezone: 'Europe/Rome' })], `another-${count}`);
    expect(await outcomesOf(run)).toEqual([['updated', null, othersId]]);
    await applyImport(sync, run);
    expect(await customerOf(own)).toMatchObject({ timezone: null });
  });

  test('is the survivor’s while its customer is merged, and its customer’s again after the unmerge', async () => {
    const { source, own, ownId, othersId, known } = await addTwins();
    const third = `survivor${count}@ids.example`;
    await superuser.query(
      `insert into platform.customers (email, name, created_by_app) values ($1, 'Yola Quast', 'foundation')`,
      [third],
    );
    const thirdId = (await customerOf(third)).id;
    const line = person(2, { ...known, timezone: 'Europe/Rome' });
    for (const survivor of [thirdId, othersId]) {
      const { rows } = await steward.query(
        `select platform.merge_customers($1, array[$2]::uuid[]) -> 'merges' -> 0 ->> 'merge' as merge`,
        [survivor, ownId],
      );
      expect(await outcomesOf((await plan([line], source)).run)).toEqual([['updated', null, survivor]]);
      await steward.query('select platform.unmerge_customers($1)', [rows[0].merge]);
    }
    const { run } = await plan([line], source);
    expect(await outcomesOf(run)).toEqual([['updated', null, ownId]]);
    await applyImport(sync, run);
    expect(await customerOf(own)).toMatchObject({ timezone: 'Europe/Rome' });
  });

  test('is left out when its customer was erased, and the other one gets nothing of it', async () => {
    const { source, others, ownId, known } = await addTwins();
    await privacy.query(`select platform.erase_customer($1, 'asked for it')`, [ownId]);
    const { run } = await plan([person(2, { ...known, timezone: 'Europe/Rome' })], source);
    expect((await outcomesOf(run)).map(([outcome, code]) => [outcome, code])).toEqual([['excluded', 'erased']]);
    await applyImport(sync, run);
    expect(await customerOf(others)).toMatchObject({ timezone: null });
  });

  test('writes nothing the second time, and its undo gives back what its customer had', async () => {
    const { source, ownId, known, made, own, othersId } = await addTwins();
    const rows = [person(2, { ...known, timezone: 'Europe/Rome' }), ...crowd()];
    const before = await readAll(superuser, { versions: false });
    const run = await importRows(rows, source);
    const written = await readAll(superuser);
    const again = await planRows(sync, rows, { source });
    expect(again.counts).toMatchObject({ created: 0, updated: 0, unchanged: rows.length, held: 0 });
    await applyImport(sync, again.run);
    expect(await readAll(superuser)).toEqual(written);
    await undoImport(sync, run);
    expect(await readAll(superuser, { versions: false })).toEqual(before);
    const { run: anew } = await planRows(sync, rows, { source });
    expect(await outcomesOf(anew)).toEqual([['updated', null, ownId]]);
    // Once nothing knows the id any more, the name and the number say who it is.
    await undoImport(sync, made);
    expect(await customerOf(own)).toBeUndefined();
    expect(await outcomesOf((await planRows(sync, rows, { source })).run)).toEqual([['updated', null, othersId]]);
  });

  test('is not given to the other customer by an answer that it is one person with another line', async () => {
    const { source, name, own, others, ownId, known } = await addTwins();
    const email = `friend-${own}`;
    const { run } = await plan(
      [person(2, { ...known, timezone: 'Europe/Rome' }), person(3, { email, name, language: 'it' })],
      source,
    );
    await answerPair(sync, run, { n: 1, otherN: 2 }, 'same');
    await replanImport(sync, run);
    expect((await outcomesOf(run))[0]).toEqual(['updated', null, ownId]);
    await applyImport(sync, run);
    expect(await customerOf(others)).toMatchObject({ timezone: null, preferred_language: null });
    expect(await customerOf(own)).toMatchObject({ timezone: 'Europe/Rome' });
  });

  test.each([
    ['same', 'is of whom a person has given it to'],
    ['different', 'stays its customer’s if a person has said that it is not the other one'],
    ['later', 'stays its customer’s if a person will say later who it is'],
  ] as const)('and the answer “%s”: %s', async (answer, _says) => {
    const { source, ownId, othersId, known } = await addTwins();
    const { run } = await plan([person(2, { ...known, timezone: 'Europe/Rome' })], source);
    await answerPair(sync, run, { n: 1, customer: othersId }, answer);
    await replanImport(sync, run);
    expect(await outcomesOf(run)).toEqual([['updated', null, answer === 'same' ? othersId : ownId]]);
  });
});
