import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { takePeople } from '../matching/testing.people.ts';
import type { ReadRow } from '../person.ts';
import { answerPair } from './answers.ts';
import { applyImport } from './apply.ts';
import { replanImport } from './replan.ts';
import { listCandidates, listRows, readRun } from './runs.ts';
import { person, planRows, readAll } from './testing.run.ts';
import { undoImport } from './undo.ts';
import { verifyImport } from './verify.ts';
import { prepareRun, whatIfRun } from './whatif.ts';

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

let count = 0;
const domain = () => `answers${++count}.example`;
/** A list of many people, so that names are neither all common nor all rare; their addresses are those of one test. */
const peopleOf = (at: string, size: number, seed = 5): ReadRow[] =>
  takePeople(size, { seed }).map(({ emails, externalId: _, ...facts }, n) =>
    person(n + 100, {
      ...facts,
      tier: null,
      emails: emails.map(({ address }) => ({ address: `${address}.${at}`, key: `${address}.${at}`.toLowerCase() })),
    } as never),
  );
const quandts = (at: string) => [
  person(2, { email: `robert@${at}`, name: 'Robert Quandt', city: 'Bern', timezone: 'Europe/Zurich' }),
  person(3, { email: `bob.q@other.${at}`, name: 'Bob Quandt', city: 'Bern' }),
];
const addressesOf = async (email: string) =>
  (
    await superuser.query(
      `select array_agg(o.email_key order by o.email_key) as all from platform.customer_emails e
         join platform.customer_emails o on o.customer_id = e.customer_id where e.email_key = $1`,
      [email],
    )
  ).rows[0].all;
const planOf = async (run: string) =>
  (await listRows(sync, run, { limit: 10_000 })).map(({ n, outcome, code, name, email }) => [
    n,
    outcome,
    code,
    name,
    email,
  ]);

describe('an answer', () => {
  test('same: the plan follows once it is decided again, all addresses are kept, and the same file does not ask again', async () => {
    const at = domain();
    const lines = [...quandts(at), ...peopleOf(at, 120)];
    const { run, counts } = await planRows(sync, lines, { source: at });
    const asked = await listCandidates(sync, run);
    expect(asked.some(({ n, otherN }) => n === 1 && otherN === 2)).toBe(true);
    expect(await answerPair(sync, run, { n: 1, otherN: 2 }, 'same', { actor: 'command:ann' })).toBe(true);
    await expect(applyImport(sync, run)).rejects.toThrow(
      /^1 answers were given since this plan was decided: `aether import replan/,
    );

    const again = await replanImport(sync, run);
    expect(again.counts).toEqual({ ...counts, created: counts.created - 1, updated: counts.updated + 1 });
    const { settings, steps } = await readRun(sync, run);
    expect([settings.matching, steps.map(({ step }) => step)]).toEqual([undefined, ['plan', 'plan']]);
    const applied = await applyImport(sync, run);
    expect(applied.counts).toEqual(again.counts);
    expect(await verifyImport(sync, run)).toMatchObject({ isRight: true });
    expect(await addressesOf(`robert@${at}`)).toEqual([`bob.q@other.${at}`, `robert@${at}`]);

    const second = await planRows(sync, lines, { source: at });
    expect(second.counts).toMatchObject({ created: 0, updated: 0 });
    // A line that has changed since is compared again, and the answer stays.
    const changed = lines.map((line, n) =>
      n === 1 ? person(3, { ...(line as { person: object }).person, language: 'de' }) : line,
    );
    const third = await planRows(sync, changed as ReadRow[], { source: at, settings: { again: true } });
    expect((await listCandidates(sync, third.run)).some(({ n, otherN }) => n === 1 && otherN === 2)).toBe(false);
    expect(third.counts.created).toBe(0);
    await undoImport(sync, run);
    const anew = await planRows(sync, lines, { source: at });
    expect(anew.counts).toEqual(again.counts);
  });

  test('same: two names on one address are held until somebody says that they are one person', async () => {
    const at = domain();
    const lines = [
      person(2, { externalId: 'a', email: `shared@${at}`, name: 'Carla Moreau' }),
      person(3, { externalId: 'b', email: `shared@${at}`, name: 'Dmitri Novak' }),
    ];
    const { run, counts } = await planRows(sync, lines, { source: at });
    expect(counts).toMatchObject({ held: 2, created: 0 });
    expect(await answerPair(sync, run, { n: 1, otherN: 2 }, 'same')).toBe(true);
    expect((await replanImport(sync, run)).counts).toMatchObject({ held: 0, created: 1, unchanged: 1 });
    // Taken back, they are held again.
    expect(await answerPair(sync, run, { n: 2, otherN: 1 }, 'later')).toBe(true);
    expect((await replanImport(sync, run)).counts).toMatchObject({ held: 2, created: 0 });
  });

  test('different: nothing of the plan changes, the pair is not asked again, and its customers are never proposed as one', async () => {
    const at = domain();
    const lines = [...quandts(at), ...peopleOf(at, 120)];
    const { run, counts } = await planRows(sync, lines, { source: at });
    expect(await answerPair(sync, run, { n: 1, otherN: 2 }, 'different')).toBe(false);
    expect((await applyImport(sync, run)).counts).toEqual(counts);
    const { rows } = await superuser.query(
      `select q.state, q.reason, q.is_asked, a.email from platform.review_candidates q
         join platform.customers a on a.id in (q.customer_id, q.other_id) where a.email like $1 order by a.email`,
      [`%${at}`],
    );
    expect(rows).toEqual([
      { state: 'different', reason: 'import', is_asked: false, email: `bob.q@other.${at}` },
      { state: 'different', reason: 'import', is_asked: false, email: `robert@${at}` },
    ]);
    expect(await undoImport(sync, run)).toMatchObject({ kept: [] });
    const { run: second } = await planRows(sync, lines, { source: at });
    expect((await listCandidates(sync, second)).some(({ n, otherN }) => n === 1 && otherN === 2)).toBe(false);
  });

  test('about a customer who is there makes the line that customer, also under other rules', async () => {
    const at = domain();
    const foundation = await database.connect('foundation_app');
    const { rows } = await foundation.query(
      `insert into platform.customers (email, name) values ($1, 'Roberta Quandt') returning id`,
      [`quandt@${at}`],
    );
    const customer = rows[0].id;
    const { run, counts } = await planRows(
      sync,
      [person(2, { externalId: 'x', name: 'Berta', timezone: 'Europe/Rome' })],
      {
        source: at,
      },
    );
    expect(counts).toMatchObject({ held: 1 });
    await expect(
      answerPair(sync, run, { n: 1, customer: '00000000-0000-7000-8000-000000000000' }, 'same'),
    ).rejects.toThrow('there is no customer');
    expect(await answerPair(sync, run, { n: 1, customer }, 'same')).toBe(true);
    expect((await replanImport(sync, run, { matching: ['phone-and-name=off'] })).counts).toMatchObject({
      updated: 1,
      held: 0,
    });
    await applyImport(sync, run);
    expect((await superuser.query('select timezone from platform.customers where id = $1', [customer])).rows).toEqual([
      { timezone: 'Europe/Rome' },
    ]);
  });

  test('concerns every plan that has these lines: each is decided again before it is applied', async () => {
    const at = domain();
    const lines = [...quandts(at), ...peopleOf(at, 60)];
    const [first, second, other] = [
      (await planRows(sync, lines, { source: at })).run,
      (await planRows(sync, lines.toReversed(), { source: at })).run,
      (await planRows(sync, lines.slice(2), { source: at })).run,
    ];
    const open = async () => {
      const { rows } = await sync.query(
        'select sync.count_new_answers(r.run) as answers from unnest($1::bigint[]) with ordinality r (run, place) order by place',
        [[first, second, other]],
      );
      return rows.map(({ answers }) => answers);
    };
    expect(await answerPair(sync, first, { n: 1, otherN: 2 }, 'same')).toBe(true);
    expect(await open()).toEqual([1, 1, 0]);
    await expect(applyImport(sync, second)).rejects.toThrow('decides it again');
    await replanImport(sync, second);
    // The first plan follows no answer, and the second one follows the one that is taken back.
    expect(await answerPair(sync, first, { n: 1, otherN: 2 }, 'later')).toBe(false);
    expect(await open()).toEqual([0, 1, 0]);
    await replanImport(sync, second);
    expect(await open()).toEqual([0, 0, 0]);
    await applyImport(sync, second);
    await applyImport(sync, other);
  });

  test('that is given while a plan is made lets it be decided again before it is applied', async () => {
    const at = domain();
    const lines = [...quandts(at), ...peopleOf(at, 60)];
    const { run } = await planRows(sync, lines, { source: at });
    const later = await planRows(
      sync,
      lines,
      { source: at },
      {
        onEnd: async () =>
          void (await answerPair(await database.connect('sync_app'), run, { n: 1, otherN: 2 }, 'same')),
      },
    );
    await expect(applyImport(sync, later.run)).rejects.toThrow('decides it again');
    await replanImport(sync, later.run);
    await applyImport(sync, later.run);
    expect(await addressesOf(`robert@${at}`)).toEqual([`bob.q@other.${at}`, `robert@${at}`]);
  });

  test('that contradicts others, is about no person, comes after the plan, or from somebody who may not, is refused', async () => {
    const at = domain();
    const lines = ['a', 'b', 'c'].map((id, n) =>
      person(n + 2, { externalId: id, email: `${id}@${at}`, name: `Person ${id}` }),
    );
    const { run } = await planRows(
      sync,
      [...lines, { kind: 'rejected', line: 9, raw: '?', code: 'ragged', reason: 'Cut.' }],
      {
        source: at,
      },
    );
    await answerPair(sync, run, { n: 1, otherN: 2 }, 'same');
    await answerPair(sync, run, { n: 2, otherN: 3 }, 'same');
    await expect(answerPair(sync, run, { n: 1, otherN: 3 }, 'different')).rejects.toThrow('are one person');
    await answerPair(sync, run, { n: 2, otherN: 3 }, 'different');
    await expect(answerPair(sync, run, { n: 1, otherN: 3 }, 'same')).rejects.toThrow('are different');
    await expect(answerPair(sync, run, { n: 1, otherN: 4 }, 'same')).rejects.toThrow('line 4 of run');
    await expect(answerPair(sync, run, { n: 1, otherN: 1 }, 'same')).rejects.toThrow('another line');
    const console_ = await database.connect('console_app');
    await expect(
      console_.query('select sync.decide_import_pair($1, 1, 2, null, $2)', [run, 'same']),
    ).rejects.toMatchObject({ constraint: 'steward_only' });
    const foundation = await database.connect('foundation_app');
    await expect(foundation.query('select * from sync.import_decisions')).rejects.toMatchObject({ code: '42501' });
    await replanImport(sync, run);
    await applyImport(sync, run);
    await expect(answerPair(sync, run, { n: 1, otherN: 2 }, 'different')).rejects.toThrow('merge the customers');
    await expect(replanImport(sync, run)).rejects.toThrow('only a planned run is decided again');
  });
});

describe('a new line with the name and the number of two customers', () => {
  const held = ['held', 'two-customers', null];
  /** The customers, and a plan with a new line that could be either. */
  async function addLineOfTwo(more: (fresh: string) => ReadRow[] = () => []) {
    const at = domain();
    const facts = { name: 'Yola Quandt', phone: `+493012${String(count).padStart(6, '0')}` };
    const [first, second] = (
      await superuser.query(
        `insert into platform.customers (email, name, phone, phone_key, created_by_app)
         select n || '@' || $1, $2, $3, $3, 'foundation' from generate_series(1, 2) n returning id`,
        [at, facts.name, facts.phone],
      )
    ).rows.map(({ id }) => id as string) as [string, string];
    const fresh = `fresh@${at}`;
    const lines = [person(2, { ...facts, email: fresh, language: 'it' }), ...more(fresh), ...peopleOf(at, 60)];
    const { run } = await planRows(sync, lines, { source: at });
    const outcomes = async () =>
      (
        await superuser.query(
          `select outcome, code, case when outcome <> 'created' then customer end as customer
           from sync.import_rows where run = $1 and line < 100 order by n`,
          [run],
        )
      ).rows.map(({ outcome, code, customer }) => [outcome, code, customer]);
    return { run, first, second, outcomes, lines, source: at };
  }

  test('is held, asked about with either, and is of whom a person says, with the other lines of its address', async () => {
    const { run, first, second, outcomes } = await addLineOfTwo((fresh) => [
      person(3, { email: fresh, timezone: 'Europe/Rome' }),
    ]);
    expect(await outcomes()).toEqual([held, held]);
    const [row] = await listRows(sync, run, { outcome: 'held' });
    expect(row?.message).toMatch(/could be of two customers.*Answer whose it is/);
    const asked = await listCandidates(sync, run, { limit: 1_000 });
    expect(asked.filter(({ n }) => n === 1).map(({ otherCustomer }) => otherCustomer)).toEqual(
      expect.arrayContaining([first, second]),
    );
    expect(await answerPair(sync, run, { n: 1, customer: second }, 'same')).toBe(true);
    await replanImport(sync, run);
    expect(await outcomes()).toEqual([
      ['updated', null, second],
      ['updated', 'same-person', second],
    ]);
    await applyImport(sync, run);
    const { rows } = await superuser.query(
      'select id, preferred_language, timezone from platform.customers where id = any ($1) order by id = $2',
      [[first, second], second],
    );
    expect(rows).toEqual([
      { id: first, preferred_language: null, timezone: null },
      { id: second, preferred_language: 'it', timezone: 'Europe/Rome' },
    ]);
  });

  test('is the other one if a person says that it is not the first, and somebody new if it is neither', async () => {
    const { run, first, second, outcomes, lines, source } = await addLineOfTwo();
    const other = await planRows(sync, lines, { source });
    expect(await answerPair(sync, run, { n: 1, customer: first }, 'different')).toBe(true);
    for (const each of [run, other.run]) await expect(applyImport(sync, each)).rejects.toThrow('decides it again');
    await replanImport(sync, run);
    expect(await outcomes()).toEqual([['updated', null, second]]);
    expect(await answerPair(sync, run, { n: 1, customer: second }, 'different')).toBe(true);
    await replanImport(sync, run);
    expect(await outcomes()).toEqual([['created', null, null]]);
    await applyImport(sync, run);
    expect(await verifyImport(sync, run)).toMatchObject({ isRight: true });
    expect((await planRows(sync, lines, { source })).counts).toMatchObject({ created: 0, updated: 0 });
  });

  test('is of the survivor once they are merged', async () => {
    const { run, first, second, outcomes } = await addLineOfTwo();
    await steward.query('select platform.merge_customers($1, array[$2]::uuid[])', [first, second]);
    await replanImport(sync, run);
    expect(await outcomes()).toEqual([['updated', null, first]]);
  });
});

test('a plan that is decided again is the same plan, and a process that dies on the way leaves the former one', async () => {
  const at = domain();
  const { run, counts } = await planRows(sync, peopleOf(at, 300, 8), { source: at });
  const [plan, candidates] = [await planOf(run), await listCandidates(sync, run, { limit: 1_000 })];
  const dying = await database.connect('sync_app');
  await dying.query('begin');
  await dying.query(`select sync.begin_replan($1, '{"matching": ["address=off"]}', now())`, [run]);
  expect(await planOf(run)).toEqual(plan); // readers do not wait, and see the former plan
  await dying.end();
  expect(await planOf(run)).toEqual(plan);
  expect((await readRun(sync, run)).settings.matching).toBeUndefined();
  expect((await replanImport(sync, run)).counts).toEqual(counts);
  expect(await planOf(run)).toEqual(plan);
  expect(await listCandidates(sync, run, { limit: 1_000 })).toEqual(candidates);
  await superuser.query(`truncate staging.import_lines_p${run}`);
  await expect(replanImport(sync, run)).rejects.toThrow('not kept any more: plan the files again');
  expect(await planOf(run)).toEqual(plan);
});

test('a plan that is decided again ends with its caller, and with a signal; the former plan stays', async () => {
  const at = domain();
  const { run } = await planRows(sync, peopleOf(at, 60, 8), { source: at });
  const plan = await planOf(run);
  const signal = AbortSignal.abort(new Error('stopped'));
  await expect(replanImport(sync, run, { signal })).rejects.toThrow('stopped');
  await expect(prepareRun(sync, run, undefined, { signal })).rejects.toThrow('stopped');
  const [holder, gone] = [await database.connect('postgres'), await database.connect('sync_app')];
  gone.on('error', () => {});
  const { rows } = await gone.query('select pg_backend_pid() as pid');
  await holder.query('begin; lock table sync.import_targets in exclusive mode');
  const ended = replanImport(gone, run).catch((error) => error);
  const isThere = async (state: string) =>
    (await superuser.query(`select from pg_stat_activity where pid = $1 and ${state}`, [rows[0].pid])).rowCount === 1;
  await expect.poll(() => isThere(`wait_event_type = 'Lock'`), { interval: 5, timeout: 10_000 }).toBe(true);
  (gone as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  await expect.poll(() => isThere('true'), { interval: 20, timeout: 10_000 }).toBe(false); // though it still waits for the lock
  expect(await ended).toBeInstanceOf(Error);
  await holder.query('rollback');
  expect(await planOf(run)).toEqual(plan);
});

test('a what-if says which pairs other rules would gain and lose, writes nothing, and the plan with those rules agrees', async () => {
  const at = domain();
  const { run } = await planRows(sync, peopleOf(at, 300, 9), { source: at });
  const [everything, plan] = [await readAll(superuser), await planOf(run)];
  const prepared = await prepareRun(sync, run);
  const { gained, lost } = whatIfRun(prepared, ['address=off']);
  expect(gained.pairs).toBe(0);
  expect(lost.pairs).toBeGreaterThan(10);
  expect(lost.examples[0]).toMatchObject({
    rule: 'address',
    places: [{ n: expect.any(Number) }, { n: expect.any(Number) }],
  });
  expect(await prepareRun(sync, run, prepared)).toBe(prepared);
  expect(await planOf(run)).toEqual(plan);
  expect(await readAll(superuser)).toEqual(everything);
  expect(() => whatIfRun(prepared, ['colour=red'])).toThrow('There is no setting colour');

  await replanImport(sync, run, { matching: ['address=off'] });
  const back = whatIfRun(await prepareRun(sync, run, prepared), []);
  expect([back.gained.pairs, back.lost.pairs]).toEqual([lost.pairs, 0]);
  expect((await readRun(sync, run)).settings.matching).toEqual(['address=off']);
});
