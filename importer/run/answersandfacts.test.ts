import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { answerPair } from './answers.ts';
import { applyImport } from './apply.ts';
import { replanImport } from './replan.ts';
import { listCandidates, listRows } from './runs.ts';
import { changeLine, drawer, drawLine, numbered } from './testing.lines.ts';
import { describeOwners, person, planRows, readAll } from './testing.run.ts';
import { undoImport } from './undo.ts';

/* What a person answers of a line, beside what its id and its address say. */

let database: TestDatabase;
let sync: pg.Client;
let superuser: pg.Client;
let steward: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  sync = await database.connect('sync_app');
  superuser = await database.connect('postgres');
  await superuser.query(
    `insert into platform.users (id, email, name, role) values ('tom', 'tom@example.com', 'Tom', 'steward')`,
  );
  steward = await database.connect('console_app');
  await steward.query(`set aether.actor = 'tom'`);
});

const notThem = ['held', 'not-the-customer', null];
const ofAnother = ['held', 'address-of-another', null];
const ofTwo = ['held', 'two-customers', null];
const ofOneAddress = ['held', 'shared-address', null];

let count = 0;
/** Two customers, each of whom a line of the source knows by its id. */
async function addTwo() {
  const at = `facts${++count}.example`;
  const [ada, ben] = [`ada@${at}`, `ben@${at}`];
  const lines = [
    person(2, { externalId: '1', email: ada, name: 'Ada Quast' }),
    person(3, { externalId: '2', email: ben, name: 'Ben Zwetschge' }),
  ];
  const { run: made } = await planRows(sync, lines, { source: at });
  await applyImport(sync, made);
  const [a, b] = [await idOf(ada), await idOf(ben)] as [string, string];
  const plan = async (...facts: Parameters<typeof person>[1][]) =>
    (
      await planRows(
        sync,
        facts.map((each, n) => person(n + 10, each)),
        { source: at },
      )
    ).run;
  return { at, ada, ben, a, b, plan, lines, made };
}
const idOf = async (email: string): Promise<string | undefined> =>
  (await superuser.query('select customer_id from platform.customer_emails where email_key = $1', [email])).rows[0]
    ?.customer_id;
const addCustomer = async (email: string): Promise<string> =>
  (
    await superuser.query(
      `insert into platform.customers (email, name, created_by_app) values ($1, 'Yola', 'foundation') returning id`,
      [email],
    )
  ).rows[0].id;
const leadOf = async (run: string, n: number) =>
  (await superuser.query('select customer from sync.import_rows where run = $1 and n = $2', [run, n])).rows[0].customer;
const outcomes = async (run: string) =>
  (await listRows(sync, run)).map(({ outcome, code, customer }) => [
    outcome,
    code,
    outcome === 'created' ? 'new' : customer,
  ]);
const languagesOf = async (...ids: string[]) =>
  (
    await superuser.query(
      'select preferred_language as l from platform.customers where id = any ($1) order by array_position($1, id)',
      [ids],
    )
  ).rows.map(({ l }) => l);
/** Answers, decides the plan again if that is asked for, and says what the lines are. */
async function answer(run: string, pair: Parameters<typeof answerPair>[2], said: 'same' | 'different' | 'later') {
  expect(await answerPair(sync, run, pair, said)).toBe(true);
  await replanImport(sync, run);
  return outcomes(run);
}

describe('“different”', () => {
  test('of a new line and the customer who has its address holds it, until it is taken back, and nothing of it is written', async () => {
    const { ada, a, plan } = await addTwo();
    const line = { email: ada, name: 'Ada Quast', language: 'it' };
    const run = await plan(line);
    expect(await outcomes(run)).toEqual([['updated', null, a]]);
    expect(await answer(run, { n: 1, customer: a }, 'different')).toEqual([notThem]);
    expect((await listRows(sync, run))[0]?.message).toMatch(/^Somebody has answered.*Answer whose it is/);
    await applyImport(sync, run);
    expect(await languagesOf(a)).toEqual([null]);
    const again = await plan(line);
    expect(await outcomes(again)).toEqual([notThem]);
    expect(await answer(again, { n: 1, customer: a }, 'later')).toEqual([['updated', null, a]]);
  });

  test('of a line and the customer whom its id knows holds it too, or gives it to the one who has its address', async () => {
    const { ada, ben, a, b, plan, at } = await addTwo();
    const run = await plan(
      { externalId: '1', email: ada, language: 'it' },
      { externalId: '2', email: `new@${at}`, language: 'fr' },
    );
    expect(await answer(run, { n: 1, customer: a }, 'different')).toEqual([notThem, ['updated', null, b]]);
    expect(await answer(run, { n: 2, customer: b }, 'different')).toEqual([notThem, notThem]);
    await applyImport(sync, run);
    expect(await languagesOf(a, b)).toEqual([null, null]);

    const doubtful = await addTwo();
    const other = await doubtful.plan({ externalId: '1', email: doubtful.ben, language: 'it' });
    expect(await outcomes(other)).toEqual([ofTwo]);
    expect(await answer(other, { n: 1, customer: doubtful.a }, 'different')).toEqual([['updated', null, doubtful.b]]);
    expect(await answer(other, { n: 1, customer: doubtful.b }, 'different')).toEqual([notThem]);
    expect(ben).not.toBe(doubtful.ben);
  });

  test('of a line and a line that is known gives the customer to the one that is known', async () => {
    const { ada, a, plan } = await addTwo();
    const run = await plan(
      { email: ada, name: 'Ada Quast', language: 'it' },
      { externalId: '1', email: ada, name: 'Ada Quast', timezone: 'Europe/Rome' },
    );
    expect(await answer(run, { n: 1, otherN: 2 }, 'different')).toEqual([notThem, ['updated', null, a]]);
    await applyImport(sync, run);
    expect(await languagesOf(a)).toEqual([null]);
  });

  test('of a new line and a line that has not changed holds the new one', async () => {
    const { ada, a, lines, at } = await addTwo();
    const fresh = person(9, { email: ada, name: 'Ada Quast', language: 'it' });
    const { run } = await planRows(sync, [...lines, fresh], { source: at });
    expect((await answer(run, { n: 3, otherN: 1 }, 'different'))[2]).toEqual(notThem);
    await applyImport(sync, run);
    expect(await languagesOf(a)).toEqual([null]);
  });

  test('of two new lines with a customer’s address holds both, until somebody says which one is the customer', async () => {
    const { ada, a, plan } = await addTwo();
    const run = await plan(
      { email: ada, name: 'Ada Quast', language: 'it' },
      { email: ada, name: 'A. Quast', timezone: 'Europe/Rome' },
    );
    expect(await answer(run, { n: 1, otherN: 2 }, 'different')).toEqual([notThem, notThem]);
    expect(await answer(run, { n: 2, customer: a }, 'same')).toEqual([notThem, ['updated', null, a]]);
    await applyImport(sync, run);
    expect(await languagesOf(a)).toEqual([null]);
  });

  test('of two new lines with an address that nobody has holds both, until one has another one', async () => {
    const { a, at, plan } = await addTwo();
    const [email, own] = [`new@${at}`, `own@${at}`];
    const lines = [
      { email, name: 'Ada Quast', language: 'it' },
      { email, name: 'A. Quast', timezone: 'Europe/Rome' },
      { externalId: '1', name: 'Ada Quast', language: 'fr' },
    ];
    const run = await plan(...lines);
    expect((await outcomes(run)).map(([outcome]) => outcome)).toEqual(['created', 'updated', 'updated']);
    expect(await answer(run, { n: 1, otherN: 2 }, 'different')).toEqual([
      ofOneAddress,
      ofOneAddress,
      ['updated', null, a],
    ]);
    expect((await listRows(sync, run))[0]).toMatchObject({
      message: expect.stringMatching(/an address is one customer's. Give each/),
      raw: `10,${email},Ada Quast`,
      email,
      name: 'Ada Quast',
    });
    expect((await listRows(sync, run))[1]).toMatchObject({ email, name: 'A. Quast' });
    await applyImport(sync, run);
    expect(await idOf(email)).toBeUndefined();
    // What is the same person as one of them has an address of its own.
    const more = await plan(...lines, { email: own, name: 'Ada Quast' });
    expect((await outcomes(more)).slice(0, 2)).toEqual([ofOneAddress, ofOneAddress]);
    expect((await answer(more, { n: 1, otherN: 4 }, 'same')).map(([outcome]) => outcome)).toEqual([
      ...['held', 'held', 'unchanged', 'created'],
    ]);
    expect(await answer(more, { n: 1, otherN: 2 }, 'later')).toEqual([
      ['created', null, 'new'],
      ['updated', 'same-person', await leadOf(more, 2)],
      ['unchanged', 'same-line', a],
      ['updated', 'same-person', await leadOf(more, 4)],
    ]);
    expect((await answer(more, { n: 1, otherN: 2 }, 'different'))[0]).toEqual(ofOneAddress);
    const mended = await plan(lines[0] as object, { ...lines[1], email: `a.${own}` });
    expect((await outcomes(mended)).map(([outcome]) => outcome)).toEqual(['created', 'created']);
  });

  test('of a line and a customer who has got its address since the plan holds it, and nothing of it is written', async () => {
    const { a, at, plan } = await addTwo();
    const run = await plan(
      { email: `new@${at}`, name: 'Ada Quast', language: 'it' },
      { email: `new@${at}`, name: 'Ada Quast', timezone: 'Europe/Rome' },
    );
    await answerPair(sync, run, { n: 1, customer: a }, 'different');
    await replanImport(sync, run);
    await superuser.query('select platform.add_address($1, $2, $2)', [a, `new@${at}`]);
    const { counts, changed } = await applyImport(sync, run, { linesPerStep: 1 });
    expect([counts.held, changed]).toEqual([2, { 'not-the-customer': 2 }]);
    expect(await outcomes(run)).toEqual([notThem, notThem]);
    expect((await listRows(sync, run))[1]).toMatchObject({ raw: `11,new@${at},Ada Quast` });
    expect(await languagesOf(a)).toEqual([null]);
  });

  test('of a line and a customer with whom its own was merged since the plan holds it', async () => {
    const { a, b, plan } = await addTwo();
    const run = await plan({ externalId: '1', language: 'it' });
    await answerPair(sync, run, { n: 1, customer: b }, 'different');
    await replanImport(sync, run);
    expect(await outcomes(run)).toEqual([['updated', null, a]]);
    await superuser.query(`delete from platform.review_candidates where $1 in (customer_id, other_id)`, [a]);
    await steward.query('select platform.merge_customers($1, array[$2]::uuid[])', [b, a]);
    await applyImport(sync, run);
    expect(await outcomes(run)).toEqual([notThem]);
    expect(await languagesOf(b)).toEqual([null]);
  });

  test('says nothing more of customers who the lines are no longer, once they are undone', async () => {
    const { ada, a, b, plan } = await addTwo();
    const run = await plan(
      { email: ada, name: 'Ada Quast', language: 'it' },
      { externalId: '2', timezone: 'Europe/Rome' },
    );
    expect(await outcomes(run)).toEqual([
      ['updated', null, a],
      ['updated', null, b],
    ]);
    await answerPair(sync, run, { n: 1, otherN: 2 }, 'different');
    await replanImport(sync, run);
    const keptOf = async () =>
      (
        await superuser.query(
          `select state from platform.review_candidates where customer_id = least($1::uuid, $2) and other_id = greatest($1::uuid, $2)`,
          [a, b],
        )
      ).rows;
    await applyImport(sync, run);
    expect(await keptOf()).toEqual([{ state: 'different' }]);
    await undoImport(sync, run);
    expect(await keptOf()).toEqual([]);
    // The line with the id is still one of Ben's; the other one was never imported.
    const other = await plan({ externalId: '2', email: ada, name: 'Ben Zwetschge' });
    expect(await outcomes(other)).toEqual([ofTwo]);
    expect(await answer(other, { n: 1, customer: a }, 'same')).toEqual([['unchanged', 'nothing-new', a]]);
  });

  test('of two lines whose ids are one customer’s holds both', async () => {
    const { a, b, plan } = await addTwo();
    await steward.query('select platform.merge_customers($1, array[$2]::uuid[])', [a, b]);
    const run = await plan({ externalId: '1', language: 'it' }, { externalId: '2', language: 'fr' });
    expect((await outcomes(run)).map(([, , customer]) => customer)).toEqual([a, a]);
    expect(await answer(run, { n: 1, otherN: 2 }, 'different')).toEqual([notThem, notThem]);
    await applyImport(sync, run);
    expect(await languagesOf(a)).toEqual([null]);
  });

  test('holds the other new lines of the address, and what somebody calls the same person', async () => {
    const { ada, a, plan, at } = await addTwo();
    const run = await plan(
      { email: ada, name: 'Ada Quast', language: 'it' },
      { email: ada, name: 'Ada M. Quast', timezone: 'Europe/Rome' },
      { email: `fresh@${at}`, name: 'Somebody Else', language: 'fr' },
    );
    await answerPair(sync, run, { n: 1, otherN: 3 }, 'same');
    expect(await answer(run, { n: 1, customer: a }, 'different')).toEqual([notThem, notThem, notThem]);
    expect(await answer(run, { n: 2, customer: a }, 'same')).toEqual([notThem, ['updated', null, a], notThem]);
    await applyImport(sync, run);
    expect(await languagesOf(a)).toEqual([null]);
  });

  test('ends once both have become customers and somebody has merged these', async () => {
    const { a, at, plan } = await addTwo();
    const line = (language: string) => ({ externalId: '9', email: `new@${at}`, name: 'Ada Quast', language });
    const run = await plan(line('it'));
    await answerPair(sync, run, { n: 1, customer: a }, 'different');
    await replanImport(sync, run);
    await applyImport(sync, run);
    await steward.query('select platform.merge_customers($1, array[$2]::uuid[])', [a, await idOf(`new@${at}`)]);
    expect((await outcomes(await plan(line('fr'))))[0]?.[2]).toBe(a);
  });
});

describe('“same”', () => {
  test('with another customer holds a line whose address a customer has, also if its id is that one’s', async () => {
    const { ada, a, b, plan } = await addTwo();
    const run = await plan({ externalId: '1', email: ada, name: 'Ada Quast', language: 'it' });
    expect(await answer(run, { n: 1, customer: b }, 'same')).toEqual([ofAnother]);
    expect((await listRows(sync, run))[0]?.message).toMatch(/another customer has that address. Merge the two/);
    await applyImport(sync, run);
    expect(await languagesOf(a, b)).toEqual([null, null]);
    await steward.query('select platform.merge_customers($1, array[$2]::uuid[])', [b, a]);
    const merged = await plan({ externalId: '1', email: ada, name: 'Ada Quast', language: 'it' });
    expect(await outcomes(merged)).toEqual([['updated', null, b]]);
  });

  test.each([
    ['with the customer who has its address', 'b', true],
    ['with the customer whom its id knows', 'a', false],
  ] as const)('%s: a line with the id of one and the address of another', async (_what, whose, isReleased) => {
    const { ben, a, b, plan, at } = await addTwo();
    const run = await plan(
      { externalId: '1', email: ben, name: 'Ben Zwetschge', language: 'it' },
      { email: ben, name: 'Ben Zwetschge', timezone: 'Europe/Rome' },
    );
    expect(await outcomes(run)).toEqual([ofTwo, ofTwo]);
    const asked = await listCandidates(sync, run, { limit: 1_000 });
    expect(asked.some(({ n, otherCustomer }) => n === 1 && otherCustomer === b)).toBe(true);
    const answered = await answer(run, { n: 1, customer: whose === 'a' ? a : b }, 'same');
    if (!isReleased) return expect(answered).toEqual([ofAnother, ofAnother]);
    expect(answered).toEqual([
      ['updated', null, b],
      ['updated', 'same-person', b],
    ]);
    const before = await readKeys(at);
    await applyImport(sync, run);
    expect(await languagesOf(a, b)).toEqual([null, 'it']);
    // The line is that one's from now on, and the other one's again once this is undone.
    expect(await outcomes(await plan({ externalId: '1', language: 'fr' }))).toEqual([['unchanged', 'nothing-new', b]]);
    await undoImport(sync, run);
    expect(await languagesOf(a, b)).toEqual([null, null]);
    expect(await readKeys(at)).toEqual(before);
    const next = await plan({ externalId: '1', language: 'fr' });
    expect(await outcomes(next)).toEqual([['updated', null, b]]);
    expect(await answer(next, { n: 1, customer: b }, 'later')).toEqual([['updated', null, a]]);
  });

  test('of lines of two customers holds both until these are merged', async () => {
    const { a, b, plan } = await addTwo();
    const lines = [
      { externalId: '1', language: 'it' },
      { externalId: '2', timezone: 'Europe/Rome' },
    ];
    const run = await plan(...lines);
    expect(await answer(run, { n: 1, otherN: 2 }, 'same')).toEqual([ofTwo, ofTwo]);
    await steward.query('select platform.merge_customers($1, array[$2]::uuid[])', [a, b]);
    await replanImport(sync, run);
    expect(await outcomes(run)).toEqual([
      ['updated', null, a],
      ['updated', 'same-person', a],
    ]);
  });

  test('of a line that is known and one with the address of another customer holds that one alone', async () => {
    const { ben, a, plan } = await addTwo();
    const run = await plan({ externalId: '1', language: 'it' }, { email: ben, timezone: 'Europe/Rome' });
    expect(await answer(run, { n: 1, otherN: 2 }, 'same')).toEqual([['updated', null, a], ofAnother]);
  });
});

test('an answer about a line that has not changed and its customer, or another one, is refused: it would do nothing', async () => {
  const { a, b, lines, at } = await addTwo();
  for (const settings of [{}, { again: true }]) {
    const { run } = await planRows(sync, lines, { source: at, settings });
    await expect(answerPair(sync, run, { n: 1, customer: b }, 'same')).rejects.toThrow(
      'merge the two customers instead',
    );
    await expect(answerPair(sync, run, { n: 1, otherN: 2 }, 'same')).rejects.toThrow('merge the two customers instead');
    await expect(answerPair(sync, run, { n: 1, customer: a }, 'different')).rejects.toThrow('undo that import');
    expect(await answerPair(sync, run, { n: 1, customer: b }, 'different')).toBe(false);
    expect(await answerPair(sync, run, { n: 1, customer: b }, 'later')).toBe(false);
  }
});

test('a plan of a worker that does not say which lines are answered follows the answers, or holds', async () => {
  const { ada, a, b, plan, at } = await addTwo();
  const facts = [
    { externalId: '1', language: 'it' },
    { email: ada, name: 'Ada Quast', timezone: 'Europe/Rome' },
  ];
  const run = await plan(...facts);
  await answerPair(sync, run, { n: 1, customer: b }, 'same');
  await answerPair(sync, run, { n: 2, customer: a }, 'different');
  const before = await readKeys(at);
  // As before 0102, when the line of an address was its customer's in spite of answers, and groups did not say what is answered.
  await superuser.query(`
    create function public.forget_answers() returns trigger language plpgsql as $$
    begin
      if current_query() !~* '^copy' then return new; end if;
      if new.code = 'not-the-customer' then return null; end if;
      if new.code = 'answered' then new.code := null; end if;
      return new;
    end $$;
    create trigger forget_answers before insert on staging.import_groups for each row execute function public.forget_answers()`);
  try {
    await replanImport(sync, run);
  } finally {
    await superuser.query('drop function public.forget_answers cascade');
  }
  expect(await outcomes(run)).toEqual([['updated', null, b], notThem]);
  await applyImport(sync, run);
  expect(await languagesOf(a, b)).toEqual([null, 'it']);
  await undoImport(sync, run);
  expect(await readKeys(at)).toEqual(before);
});

test('a line that answers have given on goes back to the first, also if the run that gave it on is partly undone', async () => {
  const { a, b, plan, at } = await addTwo();
  const third = await addCustomer(`yola@${at}`);
  const before = [await readAll(superuser, { versions: false }), await readKeys(at)];
  const first = await plan({ externalId: '1', language: 'it' });
  expect(await answer(first, { n: 1, customer: b }, 'same')).toEqual([['updated', null, b]]);
  await applyImport(sync, first);
  const second = await plan({ externalId: '1', language: 'fr' }, { externalId: '2', timezone: 'Europe/Rome' });
  await answerPair(sync, second, { n: 1, customer: b }, 'later');
  await answer(second, { n: 1, customer: third }, 'same');
  await applyImport(sync, second);
  const stop = new AbortController();
  await expect(
    undoImport(sync, second, { linesPerStep: 1, onProgress: () => stop.abort(), signal: stop.signal }),
  ).rejects.toThrow();
  await undoImport(sync, first);
  await undoImport(sync, second);
  expect([await readAll(superuser, { versions: false }), await readKeys(at)]).toEqual(before);
  // Once more changes nothing, also if another run has given the line on meanwhile.
  expect((await readKeys(at))[0]?.customer).toBe(a);
  const next = await plan({ externalId: '1', language: 'es' });
  await answerPair(sync, next, { n: 1, customer: third }, 'later');
  await answer(next, { n: 1, customer: b }, 'same');
  await applyImport(sync, next);
  await undoImport(sync, first);
  expect((await readKeys(at))[0]?.customer).toBe(b);
  await undoImport(sync, next);
  expect([await readAll(superuser, { versions: false }), await readKeys(at)]).toEqual(before);
});

test('a line that answers have given to one customer after another goes back to the first, in whichever order the runs are undone, and at once', async () => {
  const other = await database.connect('sync_app');
  for (const order of [[1, 0], [0, 1], 'at once' as const]) {
    const { a, b, plan, at } = await addTwo();
    const third = await addCustomer(`yola@${at}`);
    const before = [await readAll(superuser, { versions: false }), await readKeys(at)];
    const runs: string[] = [];
    for (const [customer, language] of [
      [b, 'it'],
      [third, 'fr'],
    ]) {
      const run = await plan({ externalId: '1', language });
      if (runs.length > 0) await answerPair(sync, run, { n: 1, customer: b }, 'later');
      expect(await answer(run, { n: 1, customer }, 'same')).toEqual([['updated', null, customer]]);
      await applyImport(sync, run);
      runs.push(run);
    }
    if (order === 'at once')
      await Promise.all([sync, other].map((client, place) => undoImport(client, runs[place] as string)));
    else for (const place of order) await undoImport(sync, runs[place] as string);
    expect([await readAll(superuser, { versions: false }), await readKeys(at)]).toEqual(before);
    expect(a).toBe((await readKeys(at))[0]?.customer);
  }
});

/** More samples than the suite draws: `IMPORT_SAMPLES=200 npm test -- answersandfacts`. */
const samples = Number(process.env.IMPORT_SAMPLES ?? 3);

test('each answer is followed or the line is held, an address is its customer’s, and an undo gives back what was there', {
  timeout: 30_000 + samples * 10_000,
}, async () => {
  const first = Number(process.env.IMPORT_SEED ?? Math.floor(Math.random() * 1_000_000));
  for (let seed = first; seed < first + samples; seed++) {
    const random = drawer(seed);
    const at = `s${seed}.example`;
    const crowd = { people: 8, withAddress: 0.7, withName: 0.8 };
    const lines = Array.from({ length: 25 }, () => drawLine(random, at, crowd));
    const source = `answers${seed}`;
    await applyImport(sync, (await planRows(sync, numbered(lines), { source })).run);
    const changed = lines.flatMap((line) => changeLine(random, line));
    const rows = numbered([...changed, ...Array.from({ length: 12 }, () => drawLine(random, at, crowd))]);
    const { run } = await planRows(sync, rows, { source });
    const { rows: customers } = await superuser.query(
      `select id from platform.customers where email like $1 order by email`,
      [`%@${at}`],
    );
    for (let n = 0; n < 12; n++) {
      const pair = {
        n: 1 + random.upTo(rows.length),
        ...(random.is(0.6)
          ? { customer: random.of(customers).id as string }
          : { otherN: 1 + random.upTo(rows.length) }),
      };
      // What contradicts others, or would do nothing, is refused.
      await answerPair(sync, run, pair, random.of(['same', 'different'] as const)).catch(() => {});
      if (random.is(0.3)) await replanImport(sync, run);
    }
    await replanImport(sync, run);
    const said = `IMPORT_SEED=${seed}`;
    expect(await listBroken(run), said).toEqual([]);
    const owners = await describeOwners(superuser, run);
    await replanImport(sync, run);
    expect(await describeOwners(superuser, run), said).toEqual(owners);
    const again = await planRows(sync, rows, { source, settings: { again: true } });
    expect(await describeOwners(superuser, again.run), said).toEqual(owners);
    const before = [await readAll(superuser, { versions: false }), await readKeys(source)];
    await applyImport(sync, run);
    // An address that nobody had may have become that of another line's customer.
    expect(
      (await listBroken(run)).filter(({ answer }) => answer !== 'address'),
      said,
    ).toEqual([]);
    expect(await undoImport(sync, run), said).toMatchObject({ kept: [] });
    expect([await readAll(superuser, { versions: false }), await readKeys(source)], said).toEqual(before);
  }
});

/** Answers that a plan follows otherwise than they say, and lines that get an address of somebody else. */
async function listBroken(run: string): Promise<{ answer: string }[]> {
  const { rows } = await superuser.query(
    `with lines as (select p.n, p.code, p.email_key, p.detail, coalesce(c.merged_into, p.customer) as whose
       from sync.import_rows p left join platform.customers c on c.id = p.customer
       where p.run = $1 and p.outcome not in ('held', 'excluded')),
     persons as (select p.n, p.person, r.whose, r.code from sync.list_import_persons($1, array(select n from lines)) p
         join lines r on r.n = p.n
       union select p.n, p.whole, r.whose, r.code from sync.list_import_persons($1, array(select n from lines)) p
         join lines r on r.n = p.n
       union select null, 'customer:' || c.id, coalesce(c.merged_into, c.id), null from platform.customers c)
     select d.answer, a.n, b.n as other, a.whose, b.whose as others
     from sync.import_decisions d
       join persons a on a.person = d.one join persons b on b.person = d.other
     where (a.n is not null or b.n is not null)
       and 'same-line' not in (coalesce(a.code, ''), coalesce(b.code, ''))
       and (d.answer = 'same' and a.whose <> b.whose or d.answer = 'different' and a.whose = b.whose)
     union all
     select 'address', r.n, null, r.whose, e.customer_id from lines r join platform.customer_emails e on e.email_key = r.email_key
     where e.customer_id <> r.whose and r.code is distinct from 'same-line'
       and not coalesce(r.detail -> 'taken' ? 'email', false)`,
    [run],
  );
  return rows;
}

/** Whose lines are known. */
const readKeys = async (source: string) =>
  (await superuser.query('select key, customer, run from sync.import_keys where source = $1 order by key', [source]))
    .rows;
