import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ReadRow } from '../person.ts';
import { applyImport } from './apply.ts';
import { Digests, digestOf } from './knownlines.ts';
import { planImport } from './plan.ts';
import { changeLine, drawer, drawLine, familyNames, givenNames, type Line, numbered } from './testing.lines.ts';
import { countEvents, describeOwners, person, planRows, readAll } from './testing.run.ts';

let database: TestDatabase;
let sync: pg.Client;
let superuser: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  sync = await database.connect('sync_app');
  superuser = await database.connect('postgres');
});

/** More samples than the suite draws: `IMPORT_SAMPLES=200 npm test -- unchanged`. */
const samples = Number(process.env.IMPORT_SAMPLES ?? 3);

describe('a file that was imported before', () => {
  test.each([
    // In these a line had the id of one customer and shared an id or a name with lines of another one.
    {
      of: 'thirty people',
      crowd: { people: 30, withAddress: 0.9, withName: 0.95 },
      seeds: [1039, 1066, 191746, 500067, 500083, 600099, 900005, 900208],
    },
    // In these a name was rare among the lines that had changed and common among all, or an unchanged line had an address that another one got.
    {
      of: 'eight people, often without address or name',
      crowd: { people: 8, withAddress: 0.6, withName: 0.8 },
      seeds: [1020, 1049, 1066, 1141],
    },
  ])(
    'gives each line to whom it is given when all lines are compared again: $of',
    {
      timeout: 30_000 + samples * 5_000,
    },
    async ({ crowd, seeds }) => {
      const first = Number(process.env.IMPORT_SEED ?? Math.floor(Math.random() * 1e6));
      const drawn = Array.from({ length: samples }, (_, n) => first + n);
      for (const seed of new Set([...seeds, ...drawn])) {
        const random = drawer(seed);
        const domain = `s${seed}.example`;
        const lines = Array.from({ length: 40 }, () => drawLine(random, domain, crowd));
        const source = `s${seed}-${crowd.people}`;
        const { run } = await planRows(sync, numbered(lines), { source });
        await applyImport(sync, run);

        const changed = lines.flatMap((line) => changeLine(random, line));
        const rows = numbered([...changed, ...Array.from({ length: 12 }, () => drawLine(random, domain, crowd))]);
        const [before, events] = [await readAll(superuser), await countEvents(superuser)];
        const all = await planRows(sync, rows, { source, settings: { again: true } });
        const some = await planRows(sync, rows, { source });
        expect(await describeOwners(superuser, some.run), `IMPORT_SEED=${seed}`).toEqual(
          await describeOwners(superuser, all.run),
        );
        expect(await readAll(superuser)).toEqual(before);
        await applyImport(sync, some.run);

        const allAgain = await planRows(sync, rows, { source, settings: { again: true } });
        const again = await planRows(sync, rows, { source });
        expect(await describeOwners(superuser, again.run), `IMPORT_SEED=${seed}`).toEqual(
          await describeOwners(superuser, allAgain.run),
        );
        // A line that was held may have a customer by now.
        if (again.counts.created + again.counts.updated > 0) continue;
        const [written, said] = [await readAll(superuser), await countEvents(superuser)];
        expect(said > events).toBe(some.counts.created + some.counts.updated > 0);
        await applyImport(sync, again.run);
        expect(await readAll(superuser)).toEqual(written);
        expect(await countEvents(superuser)).toBe(said);
      }
    },
  );

  test('gives a new line the customer who has its address, though its id is also on a line of somebody else', async () => {
    const [ada, ben] = ['ada@ids-twice.example', 'ben@ids-twice.example'];
    const known = { externalId: '3', name: 'Ada Quast' };
    const source = 'ids-twice';
    await importLines([{ ...known, email: ada }], source);
    const lines = await planBothWays(
      [
        known,
        { ...known, email: ada },
        { externalId: '17', email: ben },
        { email: ben, name: 'Ben Zwetschge' },
        { externalId: '17', email: ada, timezone: 'Europe/Rome' },
      ],
      source,
    );
    const id = await customerOf(ada);
    expect(lines).toEqual([
      ['updated', null, id],
      ['unchanged', 'same-line', id],
      ['created', null, 'of line 3'],
      ['updated', 'same-person', 'of line 3'],
      ['updated', 'same-person', id],
    ]);
  });

  test('gives the lines of an address one customer, and holds a line of another name that has only an id in common with one of them', async () => {
    const [elif, source] = ['elif@nameless.example', 'nameless'];
    await importLines([{ email: elif, name: 'Elif Eriksen' }], source);
    const lines = await planBothWays(
      [
        { externalId: '1', name: 'Ben Fontaine' },
        { email: elif, name: 'Elif Eriksen' },
        { externalId: '1', email: elif },
        { email: elif, language: 'tr' },
      ],
      source,
    );
    const id = await customerOf(elif);
    expect(lines).toEqual([
      ['held', 'no-address', null],
      ['unchanged', 'same-line', id],
      ['updated', null, id],
      ['updated', 'same-person', id],
    ]);
  });

  test('holds what has only a line in common whose id is one customer’s and whose address another one’s', async () => {
    const source = 'hangs-on';
    const [ada, ben] = ['ada@hangs-on.example', 'ben@hangs-on.example'];
    const [name, phone] = ['Quirin Zwetschge', '+493012399'];
    await importLines(
      [
        { externalId: '1', email: ada, name },
        { externalId: '2', email: ben, name: 'Ben Quast' },
      ],
      source,
    );
    const [own, others] = [await customerOf(ada), await customerOf(ben)];
    const doubtful = { externalId: '1', email: ben, name, phone };
    const hanging = { name, phone, language: 'it' };
    expect(await planBothWays([{ externalId: '2', email: ben, name: 'Ben Quast' }, doubtful, hanging], source)).toEqual(
      [
        ['unchanged', 'same-line', others],
        ['held', 'two-customers', null],
        ['held', 'two-customers', null],
      ],
    );
    // With an address of its customer it hangs on nothing, nor without the doubt.
    expect(await planBothWays([doubtful, { ...hanging, email: ada }], source)).toEqual([
      ['held', 'two-customers', null],
      ['updated', null, own],
    ]);
    expect(await planBothWays([{ ...doubtful, email: ada }, hanging], source)).toEqual([
      ['updated', null, own],
      ['updated', 'same-person', own],
    ]);
  });

  test('holds a new line that could be of two customers, with the new lines of its address', async () => {
    const source = 'of-either';
    const [ada, other, fresh] = ['ada@of-either.example', 'other@of-either.example', 'fresh@of-either.example'];
    const [name, phone] = ['Yola Quandt', '+493012398'];
    await importLines(
      [
        { email: ada, name, phone },
        { email: other, name, phone },
      ].map((line, at) => ({ ...line, externalId: `${at}` })),
      source,
    );
    expect(
      await planBothWays(
        [
          { name, phone, email: fresh },
          { email: fresh, language: 'pl' },
          { email: ada, name, phone, language: 'pl' },
        ],
        source,
      ),
    ).toEqual([
      ['held', 'two-customers', null],
      ['held', 'two-customers', null],
      ['updated', null, await customerOf(ada)],
    ]);
  });

  test('tells two people of one name and one number apart by the date of birth of a line that has not changed', async () => {
    const source = 'births';
    const [father, son] = ['father@births.example', 'son@births.example'];
    const facts = { name: 'Quirin Zwetschge', phone: '+493012396' };
    const known = { ...facts, email: father, birthDate: '1950-02-03' };
    await importLines([known], source);
    const id = await customerOf(father);
    expect(
      await planBothWays(
        [known, { ...facts, email: son, birthDate: '1985-07-08' }, { ...facts, language: 'de' }],
        source,
      ),
    ).toEqual([['unchanged', 'same-line', id], ['created', null, 'of line 2'], expect.anything()]);
    expect(await planBothWays([known, { ...facts, language: 'de', birthDate: '1950-02-03' }], source)).toEqual([
      ['unchanged', 'same-line', id],
      ['updated', null, id],
    ]);
  });

  test('gives a new line the customer of a line that has not changed, also by a number that the customer never got', async () => {
    const email = 'quirin@known.example';
    await superuser.query(
      `insert into platform.customers (email, name, phone, phone_key, created_by_app)
       values ($1, 'Quirin Zwetschge', '+4930999', '+4930999', 'foundation')`,
      [email],
    );
    const old = person(2, { email, name: 'Quirin Zwetschge', phone: '+493012345678' });
    await applyImport(sync, (await planRows(sync, [old], { source: 'known' })).run);
    const others = Array.from({ length: 60 }, (_, n) =>
      person(n + 4, { email: `${n}@other.example`, name: `${givenNames[n % 12]} ${familyNames[n % 7]}${n}` }),
    );
    const rows = [old, person(3, { name: 'Quirin Zwetschge', phone: '+493012345678', language: 'de' }), ...others];
    const all = await planRows(sync, rows, { source: 'known', settings: { again: true } });
    const { run, counts } = await planRows(sync, rows, { source: 'known' });
    expect(counts).toEqual(all.counts);
    expect(counts).toMatchObject({ created: 60, unchanged: 1, updated: 1 });
    await applyImport(sync, run);
    const { rows: found } = await superuser.query(
      'select preferred_language from platform.customers where email = $1',
      [email],
    );
    expect(found).toEqual([{ preferred_language: 'de' }]);
  });

  test('replaces what somebody has changed since if the file decides the field, and else leaves it', async () => {
    const rows = [person(2, { email: 'decides@file.example', name: 'Quirin Zwetschge' })];
    const options = { source: 'decides', settings: { overwrite: ['name'] } };
    await applyImport(sync, (await planRows(sync, rows, { source: 'decides' })).run);
    await superuser.query(`update platform.customers set name = 'Q. Zwetschge' where email = 'decides@file.example'`);
    expect((await planRows(sync, rows, { source: 'decides' })).counts).toMatchObject({ updated: 0, unchanged: 1 });
    const { run, counts } = await planRows(sync, rows, options);
    expect(counts).toMatchObject({ updated: 1, unchanged: 0 });
    await applyImport(sync, run);
    const { rows: found } = await superuser.query(
      `select name from platform.customers where email = 'decides@file.example'`,
    );
    expect(found).toEqual([{ name: 'Quirin Zwetschge' }]);
    const again = await planRows(sync, rows, options);
    expect(again.counts).toMatchObject({ updated: 0, unchanged: 1 });
    const events = await countEvents(superuser);
    await applyImport(sync, again.run);
    expect(await countEvents(superuser)).toBe(events);
  });

  test('fills a field that had no place before, if it is compared again', async () => {
    const rows = [
      person(2, { email: 'placed@again.example', name: 'Placed', custom: { shoe: '43' } }),
      person(3, { email: 'twice@again.example', name: 'Twice', custom: { shoe: '41' } }),
      person(4, { email: 'twice@again.example', name: 'Twice', custom: { shoe: '41' }, externalId: 'again-2' }),
    ];
    await applyImport(sync, (await planRows(sync, rows, { source: 'again' })).run);
    await superuser.query(
      `insert into crm.custom_fields (record, key, label, type) values ('customer', 'shoe', 'Shoe', 'number')`,
    );
    expect((await planRows(sync, rows, { source: 'again' })).counts).toMatchObject({ updated: 0, unchanged: 3 });
    const { run, counts } = await planRows(sync, rows, { source: 'again', settings: { again: true } });
    expect(counts).toMatchObject({ created: 0, updated: 2, unchanged: 1 });
    await applyImport(sync, run);
    const { rows: found } = await superuser.query(
      `select c.email, v.value from crm.custom_field_values v join platform.customers c on c.id = v.customer_id
       where c.email like '%@again.example' order by 1`,
    );
    expect(found).toEqual([
      { email: 'placed@again.example', value: 43 },
      { email: 'twice@again.example', value: 41 },
    ]);
    const last = await planRows(sync, rows, { source: 'again', settings: { again: true } });
    expect(last.counts).toMatchObject({ created: 0, updated: 0, unchanged: 3 });
  });

  test('is compared anew where its keys were freed while it was read', async () => {
    const rows = [person(2, { email: 'freed@freed.example', name: 'Freed' })];
    await applyImport(sync, (await planRows(sync, rows, { source: 'freed' })).run);
    async function* freeing(): AsyncGenerator<ReadRow[]> {
      yield Array.from({ length: 10_001 }, (_, n) => person(n + 3, { externalId: `f${n}` }));
      await superuser.query(`delete from sync.import_keys where source = 'freed'`);
      yield rows;
    }
    const { counts } = await planImport(sync, {
      app: 'foundation',
      sources: [{ source: 'freed', name: 'freed.csv', sha256: null, rows: freeing() }],
    });
    expect(counts).toMatchObject({ held: 10_001, updated: 0, unchanged: 1 });
  });
});

test('a set of digests has what was added and nothing else, and a digest tells any two texts apart', () => {
  const digests = new Digests();
  const texts = Array.from({ length: 5_000 }, (_, n) => `C-${n}\tperson${n}@a.example\t${n % 7}`);
  for (const text of texts) digests.add(digestOf(text));
  digests.add(0n);
  expect(digests.size).toBe(texts.length);
  expect(texts.every((text) => digests.has(digestOf(text)))).toBe(true);
  expect(digests.has(0n)).toBe(true);
  expect(texts.some((text) => digests.has(digestOf(`${text}\t`)))).toBe(false);
  expect(digestOf('ab')).not.toBe(digestOf('ba'));
});

/** Of a table of few people nobody can say how rare a name is. */
const crowd = Array.from({ length: 60 }, (_, n) =>
  person(n + 1_000, { email: `${n}@crowd.example`, name: `Ada Miller${n}` }),
);

async function importLines(lines: Line[], source: string): Promise<void> {
  await applyImport(sync, (await planRows(sync, numbered(lines), { source })).run);
}

/** What each line is, and whose, who is the same whether or not lines that have not changed are compared again. */
async function planBothWays(lines: Line[], source: string): Promise<unknown[]> {
  const rows = [...numbered(lines), ...crowd];
  const all = await planRows(sync, rows, { source, settings: { again: true } });
  const some = await planRows(sync, rows, { source });
  expect(await describeOwners(superuser, some.run)).toEqual(await describeOwners(superuser, all.run));
  return (await describeRows(some.run))
    .slice(0, lines.length)
    .map(({ outcome, code, customer }) => [outcome, code, customer]);
}

const customerOf = async (email: string): Promise<string> =>
  (await superuser.query('select id from platform.customers where email = $1', [email])).rows[0]?.id;

/** What each line is, and whose: a customer that is not there yet is called after its first line. */
async function describeRows(run: string): Promise<{ outcome: string; code: string | null; customer: string | null }[]> {
  const { rows } = await superuser.query(
    `select p.outcome, p.code,
       case when c.id is not null then c.id::text when p.lead is not null then 'of line ' || p.lead end as customer
     from sync.import_rows p left join platform.customers c on c.id = p.customer where p.run = $1 order by p.n`,
    [run],
  );
  return rows;
}
