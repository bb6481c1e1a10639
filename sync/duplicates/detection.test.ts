import { atEnd } from '@aether/database/testing';
import { requireUnderWay } from '@aether/database/testing.scope';
import { createModelReader } from '@aether/importer/similar';
import { readSettings } from '@aether/platform/log';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestPlatform, type TestPlatform, until } from '../testing.ts';
import { detectionName, lookAt, startDetection, walkPage } from './detection.ts';
import { propose } from './testing.duplicates.ts';
import { trainModel } from './training.ts';

let platform: TestPlatform;
let superuser: pg.Client;
let sync: pg.Client;
let unique = 0;
const errors: unknown[] = [];
beforeAll(async () => {
  platform = await startTestPlatform();
  ({ superuser, sync } = platform);
  const url = platform.database.url('sync_app');
  const detection = startDetection({
    database: { ...readSettings({ PLATFORM_DB_URL: url }), directUrl: url },
    everyMs: 100,
    gatherMs: 20,
    onError: (error) => errors.push(error),
  });
  atEnd(() => detection.stop());
  // The walk over nobody has ended: what follows is found by events.
  await until(async () => (await superuser.query('select phase from sync.match_walk')).rows[0].phase === 'done');
});

type More = { email?: string; phone?: string | null; company_id?: string };
const made = async (name: string, more: More = {}, by = platform.foundation): Promise<string> =>
  (await by.createCustomer({ name, email: `d${++unique}@${unique}.example`, ...more })).id;
const looked = () => platform.settled(detectionName);
const pairOf = async (a: string, b: string) =>
  (
    await superuser.query(
      `select id, state, reason, score, reasons, rules from platform.review_candidates
       where customer_id = least($1::uuid, $2::uuid) and other_id = greatest($1::uuid, $2::uuid)`,
      [a, b],
    )
  ).rows[0];
const pairsOf = async (id: string): Promise<number> =>
  (await superuser.query('select from platform.review_candidates where $1 in (customer_id, other_id)', [id]))
    .rowCount ?? 0;
const keysOf = async (id: string) =>
  (await superuser.query('select keys, cut_off from sync.match_keys where customer = $1', [id])).rows[0];
const on = (client: pg.Client) => ({
  query: async (text: string, values?: unknown[]) => (await client.query(text, values)).rows as never,
});

describe('a customer who is made', () => {
  test('is proposed with whom it may be the same, with reasons, once, whichever app made it', async () => {
    const one = await made('Ada Quill', { phone: '+49 30 555101' });
    const other = await made('Adda Quill', { phone: '+49 30 555101' }, platform.support);
    await looked();
    expect(await pairOf(one, other)).toMatchObject({
      state: 'open',
      reason: 'detected',
      rules: 'matching-1',
      reasons: expect.arrayContaining(['phone.equal', 'family.equal', 'given.slip']),
    });
    await platform.foundation.updateCustomer(one, { account_tier: 'premium' });
    await looked();
    expect(await pairsOf(one)).toBe(1);
  });

  test('is not proposed with another person of one telephone number or one company', async () => {
    const one = await made('Bea Lane', { phone: '+49 30 555102', email: 'bea@lane.example' });
    const two = await made('Hugo Stern', { phone: '+49 30 555102', email: 'hugo@lane.example' });
    await looked();
    expect([await pairsOf(one), await pairsOf(two)]).toEqual([0, 0]);
  });

  test('is found beside one who is made in the same transaction', async () => {
    const { rows } = await superuser.query(
      `insert into platform.customers (email, email_key, name, created_by_app)
       values ('w1@one.example', 'w1@one.example', 'Walter Frobenius', 'foundation'),
         ('w2@two.example', 'w2@two.example', 'Walter Frobenius', 'foundation') returning id`,
    );
    await looked();
    expect(await pairOf(rows[0].id, rows[1].id)).toMatchObject({ state: 'open', reason: 'detected' });
  });
});

test('a look reads neither pairs nor keys from end to end, although its statements were planned while there was hardly a pair', async () => {
  const worker = await platform.database.connect('sync_app');
  const ids = [await made('Tilda Brandt'), await made('Tilda Brandt'), await made('Tilda Brandts')];
  await looked();
  const readModel = createModelReader();
  const look = async () => {
    await worker.query('begin');
    await lookAt(on(worker), { ids, readModel });
    const { rows } = await worker.query(
      `select relname from pg_stat_xact_all_tables
       where relname in ('review_candidates', 'review_decisions', 'match_keys') and seq_scan > 0`,
    );
    await worker.query('commit');
    return rows;
  };
  for (let times = 0; times < 8; times++) await look();
  expect(await look()).toEqual([]);
  await worker.query('begin');
  await worker.query('select count(*) from sync.match_walk');
  const { rows } = await worker.query(`select seq_scan::int from pg_stat_xact_all_tables where relname = 'match_walk'`);
  await worker.query('commit');
  expect(rows, 'a table that is read from end to end is counted').toEqual([{ seq_scan: 1 }]);
});

describe('a customer who is changed', () => {
  test('loses a pair for which nothing speaks any more, and gets it back; a new score replaces the old one', async () => {
    const one = await made('Clara Voss', { phone: '+49 30 555103' });
    const two = await made('Clara Voss');
    await looked();
    const { score } = await pairOf(one, two);
    await platform.foundation.updateCustomer(two, { phone: '+49 30 555103' });
    await looked();
    expect((await pairOf(one, two)).score).toBeGreaterThan(score);
    await platform.foundation.updateCustomer(two, { name: 'Zeno Ulbricht' });
    await looked();
    expect(await pairOf(one, two)).toBeUndefined();
    await platform.foundation.updateCustomer(two, { name: 'Clara Voss' });
    await looked();
    expect(await pairOf(one, two)).toMatchObject({ state: 'open' });
  });

  test('is not asked about again after a decision, and keeps what an import has found', async () => {
    const one = await made('Dora Weiss', { phone: '+49 30 555104' });
    const two = await made('Dora Weiss', { phone: '+49 30 555104' });
    const three = await made('Emil Kranz');
    const four = await made('Ines Falk');
    await looked();
    const pair = await pairOf(one, two);
    await sync.query(`select platform.decide_candidate($1, 'different', 'open')`, [pair.id]);
    const imported = await propose(superuser, three, four);
    for (const id of [one, three]) await platform.foundation.updateCustomer(id, { phone: '+49 30 555105' });
    await platform.foundation.updateCustomer(one, { phone: '+49 30 555104' });
    await looked();
    expect(await pairOf(one, two)).toMatchObject({ id: pair.id, state: 'different' });
    expect(await pairOf(three, four)).toMatchObject({ id: imported, state: 'open', reason: 'import' });
  });

  test('is asked about again where a decision was taken back, also if nothing speaks for it any more', async () => {
    const one = await made('Fritz Olm', { phone: '+49 30 555106' });
    const two = await made('Fritz Olm', { phone: '+49 30 555106' });
    await looked();
    const { id } = await pairOf(one, two);
    const { rows } = await sync.query(`select platform.decide_candidate($1, 'different', 'open') as d`, [id]);
    await sync.query('select platform.undo_decision($1)', [rows[0].d]);
    await platform.foundation.updateCustomer(two, { name: 'Somebody Else', phone: null });
    await looked();
    expect(await pairOf(one, two)).toMatchObject({ id, state: 'open' });
  });
});

test('a pair that an import finds as well is the import’s from then on', async () => {
  const one = await made('Greta Lund', { phone: '+49 30 555107' });
  const two = await made('Greta Lund', { phone: '+49 30 555107' });
  await looked();
  await propose(superuser, one, two, { score: 0.6 });
  await platform.foundation.updateCustomer(two, { name: 'Yvonne Unruh', phone: null });
  await looked();
  expect(await pairOf(one, two)).toMatchObject({ reason: 'import', score: 0.6, reasons: ['family.equal'] });
});

test('who changes more often than a look takes events is found by the last change', async () => {
  const [one, two] = [
    await made('Nora Feld', { phone: '+49 30 555108' }),
    await made('Otto Grimm', { phone: '+49 30 555108' }),
  ];
  await looked();
  expect(await pairOf(one, two)).toBeUndefined();
  await superuser.query(
    `do $$ begin for n in 0..250 loop
       update platform.customers set name = case n when 250 then 'Nora Feld' else 'Otto ' || n end where id = '${two}'; end loop; end $$`,
  );
  await looked();
  expect(await pairOf(one, two)).toMatchObject({ state: 'open', reason: 'detected' });
});

test('what too many share is not compared, and the customer says which key it was', async () => {
  await superuser.query(
    `insert into platform.customers (email, email_key, name, created_by_app)
     select a.email, a.email, 'Max Muster', 'foundation'
     from generate_series(1, 31) n cross join lateral (select 'm' || n || '@m' || n || '.example' as email) a`,
  );
  const last = await made('Max Muster');
  await looked();
  expect(await pairsOf(last)).toBe(0);
  expect((await keysOf(last)).cut_off).toContain('whole name');
});

test('nor is it if they come at once, before any of their keys is kept', async () => {
  await superuser.query('begin');
  const { rows } = await superuser.query(
    `insert into platform.customers (email, email_key, name, created_by_app)
     select a.email, a.email, 'Moritz Massen', 'foundation'
     from generate_series(1, 31) n cross join lateral (select 'q' || n || '@q' || n || '.example' as email) a returning id`,
  );
  const ids = rows.map(({ id }) => id as string);
  const pairs = await lookAt(on(superuser), { ids, readModel: createModelReader() });
  const { cut_off: cutOff } = await keysOf(ids[0] as string);
  await superuser.query('rollback');
  expect(pairs).toBe(0);
  expect(cutOff).toContain('whole name');
});

test('a merge leaves the keys of the loser to nobody, an unmerge gives them back, and an erasure takes them at once', async () => {
  const one = await made('Hanna Rohde');
  const two = await made('Ludwig Sandmann');
  await looked();
  const before = await keysOf(two);
  const { rows } = await sync.query('select platform.merge_customers($1, $2) as m', [one, [two]]);
  await looked();
  expect(await keysOf(two)).toBeUndefined();
  await sync.query('select platform.unmerge_customers($1)', [rows[0].m.merges[0].merge]);
  await looked();
  expect(await keysOf(two)).toEqual(before);
  await superuser.query('begin');
  await superuser.query('update platform.customers set erased_at = now() where id = $1', [two]);
  expect(await keysOf(two)).toBeUndefined();
  await superuser.query('rollback');
});

test('a look gives up when somebody holds the customer, and holds up no writer while it is under way', async () => {
  const one = await made('Ivo Jansen', { phone: '+49 30 555108' });
  const two = await made('Ivo Jansen', { phone: '+49 30 555108' });
  await looked();
  const holder = await platform.database.connect('postgres');
  await holder.query('begin');
  await holder.query('select from platform.customers where id = $1 for update', [one]);
  const look = lookAt(on(sync), { ids: [two], readModel: createModelReader() });
  await expect(look).rejects.toMatchObject({ code: '55P03' });
  await holder.query('rollback');
  const looker = await platform.database.connect('sync_app');
  await looker.query('begin');
  await lookAt(on(looker), { ids: [one, two], readModel: createModelReader() });
  await superuser.query(`set lock_timeout = '100ms'`);
  await superuser.query(`update platform.customers set name = 'Ivo Janssen' where id = $1`, [one]);
  await superuser.query('reset lock_timeout');
  await looker.query('commit');
});

describe('a company that gets another name', () => {
  /** Without a domain, so that its name counts. */
  const companyOf = async (name: string): Promise<string> =>
    (
      await superuser.query(
        `insert into platform.companies (name, created_by_app) values ($1, 'foundation') returning id`,
        [name],
      )
    ).rows[0].id;
  const rename = (id: string, name: string) =>
    superuser.query('update platform.companies set name = $2 where id = $1', [id, name]);
  /** Until no company waits for a look. */
  const lookedAtAll = async () => {
    await looked();
    await until(async () => (await superuser.query('select from sync.match_looks')).rowCount === 0);
  };

  test('has its customers compared anew: a pair for which its name speaks gets another score, and gets it back', async () => {
    const [first, second] = [await companyOf('Brass Foundry'), await companyOf('Oak Mill')];
    const one = await made('Jonas Petri', { phone: '+49 30 555109', company_id: first });
    const two = await made('Jonas Petri', { phone: '+49 30 555109', company_id: second });
    await lookedAtAll();
    const before = await pairOf(one, two);
    expect(before).toMatchObject({ state: 'open' });
    await rename(second, 'Brass Foundry');
    await lookedAtAll();
    const alike = await pairOf(one, two);
    expect(alike.reasons).not.toEqual(before.reasons);
    expect(alike.score).toBeGreaterThan(before.score);
    await rename(second, 'Oak Mill');
    await lookedAtAll();
    expect(await pairOf(one, two)).toMatchObject({ score: before.score, reasons: before.reasons });
  });

  test('costs its event a row: the customers come in pages, and a worker that is killed loses its page alone', async () => {
    const company = await companyOf('Paper Works');
    const ids: string[] = [];
    for (const n of [1, 2, 3]) ids.push(await made(`Page ${n} Sorter`, { company_id: company }));
    await lookedAtAll();
    const keysOfAll = async () =>
      (await superuser.query('select customer, keys from sync.match_keys where customer = any ($1) order by 1', [ids]))
        .rows;
    const keys = await keysOfAll();
    expect(keys).toHaveLength(3);
    await superuser.query('delete from sync.match_keys where customer = any ($1)', [ids]);
    // The worker beside it finds the row held, and does nothing.
    const first = await platform.database.connect('sync_app');
    first.on('error', () => {});
    const readModel = createModelReader();
    await first.query('begin');
    await first.query('select sync.ask_match_looks(array[$1::uuid])', [company]);
    expect(await walkPage(on(first), { readModel, most: 2 })).toBe(true);
    await first.query('commit');
    await lookedAtAll();
    expect(await keysOfAll()).toEqual(keys);

    await superuser.query('delete from sync.match_keys where customer = any ($1)', [ids]);
    await first.query('begin');
    await first.query('select sync.ask_match_looks(array[$1::uuid])', [company]);
    await walkPage(on(first), { readModel, most: 2 });
    await superuser.query('select pg_terminate_backend($1)', [(first as unknown as { processID: number }).processID]);
    expect((await superuser.query('select from sync.match_looks')).rowCount).toBe(0);
    expect(await keysOfAll()).toEqual([]);
    await sync.query('select sync.ask_match_looks(array[$1::uuid])', [company]);
    await lookedAtAll();
    expect(await keysOfAll()).toEqual(keys);
  });

  test('makes no look if it is only saved again', async () => {
    const company = await companyOf('Still Waters');
    const id = await made('Karl Anders', { company_id: company });
    await lookedAtAll();
    await superuser.query('delete from sync.match_keys where customer = $1', [id]);
    await rename(company, 'Still Waters');
    await lookedAtAll();
    expect(await keysOf(id)).toBeUndefined();
  });
});

test('a look that has read customers before a change writes nothing over one that has read them afterwards', async () => {
  const one = await made('Jonas Keller', { phone: '+49 30 555119' });
  const two = await made('Olga Brand');
  await looked();
  const walker = await platform.database.connect('sync_app');
  await walker.query('begin');
  const slow = {
    async query(text: string, values?: unknown[]) {
      if (text.includes('keep_detected')) {
        await platform.foundation.updateCustomer(two, { name: 'Jonas Keller' });
        // The subscription's look is done, or waits for this one.
        await until(async () => (await pairOf(one, two)) !== undefined || (await isAwaited()));
      }
      return (await walker.query(text, values)).rows as never;
    },
  };
  await lookAt(slow, { ids: [one, two], readModel: createModelReader() });
  await walker.query('commit');
  await looked();
  expect(await pairOf(one, two)).toMatchObject({ state: 'open', reason: 'detected' });
});
const isAwaited = async (): Promise<boolean> => {
  const { rowCount } = await superuser.query(
    `select from pg_locks l join pg_database d on d.oid = l.database
     where d.datname = current_database() and l.locktype = 'advisory' and not l.granted`,
  );
  return rowCount !== 0;
};

describe('the walk over all customers', () => {
  test('finds those who were there before, a page by one of several workers, and goes on where a killed one was', async () => {
    await superuser.query('alter table platform.customers disable trigger user');
    const { rows } = await superuser.query(
      `insert into platform.customers (id, email, email_key, name, created_by_app)
       select uuidv7(), 'o' || n || '@o' || n || '.example', 'o' || n || '@o' || n || '.example', 'Orla Penhaligon', 'foundation'
       from generate_series(1, 2) n returning id`,
    );
    await superuser.query('alter table platform.customers enable trigger user');
    const [one, two] = rows.map(({ id }) => id);
    expect(await keysOf(one)).toBeUndefined();
    await sync.query('begin');
    await sync.query('select sync.begin_match_walk()');
    await sync.query('commit');
    // The worker that runs beside it walks as well: the walk belongs to this page's transaction alone.
    const first = await platform.database.connect('sync_app');
    first.on('error', () => {});
    await first.query('begin');
    const readModel = createModelReader();
    const began = await walkPage(on(first), { readModel });
    if (began) expect(await walkPage(on(sync), { readModel })).toBe(false);
    await superuser.query('select pg_terminate_backend($1)', [(first as unknown as { processID: number }).processID]);
    for (let phase = ''; phase !== 'done'; ) {
      requireUnderWay();
      await sync.query('begin');
      await walkPage(on(sync), { readModel });
      await sync.query('commit');
      ({ phase } = (await superuser.query('select phase from sync.match_walk')).rows[0]);
    }
    expect(await pairOf(one as string, two as string)).toMatchObject({ state: 'open', reason: 'detected' });
  });

  test('begins again when the rules are other ones', async () => {
    await superuser.query(`update sync.match_walk set rules = 'matching-0'`);
    await sync.query('begin');
    const { rows } = await sync.query(`select * from sync.next_match_page('matching-1', 1)`);
    await sync.query('rollback');
    await superuser.query(`update sync.match_walk set rules = 'matching-1'`);
    expect(rows).toEqual([{ phase: 'keys', ids: [expect.any(String)] }]);
  });
});

test('a customer whose look always fails is kept as a finding, the walk goes on behind it, and a later look ends the finding', async () => {
  const ids: string[] = [];
  for (const n of [1, 2, 3, 4, 5]) ids.push(await made(`Passed ${n} Hindrance`));
  await looked();
  const [, , broken] = ids as [string, string, string];
  await superuser.query(
    `create function sync.fail_in_test() returns trigger language plpgsql
       as 'begin raise exception ''It fails.'' using errcode = ''XX001''; end';
     create trigger fail_in_test before insert or update on sync.match_keys
       for each row when (new.customer = '${broken}') execute function sync.fail_in_test()`,
  );
  const before = errors.length;
  const failures = async () =>
    (await superuser.query(`select subject_id, detail from sync.quality_findings where finding = 'failed.match'`)).rows;
  try {
    await superuser.query('delete from sync.match_keys where customer = any ($1)', [ids]);
    await superuser.query(`update sync.match_walk set phase = 'keys', after = default, looked_at = 0, ended_at = null`);
    await until(async () => (await superuser.query('select phase from sync.match_walk')).rows[0].phase === 'done');
    expect(await failures()).toMatchObject([
      { subject_id: broken, detail: { code: expect.stringContaining('XX001'), tried_at: expect.any(Number) } },
    ]);
    const { rows } = await superuser.query('select customer from sync.match_keys where customer = any ($1)', [ids]);
    expect(rows.map(({ customer }) => customer).sort()).toEqual(ids.filter((id) => id !== broken).sort());
    // Neither a scan of quality nor the page of findings takes it away. Whoever asks there gets another look.
    await superuser.query(`select sync.check_subjects('customer', array[$1])`, [broken]);
    expect(await failures()).toHaveLength(1);
    const firstTry = (await failures())[0].detail.tried_at;
    await superuser.query(
      `update sync.quality_findings set detail = detail || '{"tried_at": 1}' where finding = 'failed.match'`,
    );
    await until(async () => (await failures())[0].detail.tried_at >= firstTry);
  } finally {
    await superuser.query('drop function sync.fail_in_test cascade');
  }
  await sync.query(
    `select sync.recheck_findings(array(select id from sync.quality_findings where finding = 'failed.match'))`,
  );
  await until(async () => (await failures()).length === 0);
  expect(await keysOf(broken)).toBeDefined();
  for (const error of errors.splice(before)) expect(String(error)).toMatch(/It fails/);
});

test('customers whose looks always fail hold up neither the walk nor each other, and an endless walk does not hold up their tries', {
  timeout: 60_000,
}, async () => {
  const ids: string[] = [];
  for (const n of [1, 2, 3, 4]) ids.push(await made(`Failing ${n} Hindrance`));
  await looked();
  const broken = ids.slice(0, 3);
  // Each is due again at once.
  await superuser.query(
    `create function sync.fail_in_test() returns trigger language plpgsql
       as 'begin raise exception ''It fails.'' using errcode = ''XX001''; end';
     create trigger fail_in_test before insert or update on sync.match_keys
       for each row when (new.customer in ('${broken.join("','")}')) execute function sync.fail_in_test();
     create table sync.tries_in_test (customer text);
     create function sync.note_in_test() returns trigger language plpgsql security definer as $$
     begin
       insert into sync.tries_in_test values (new.subject_id);
       new.detail := new.detail || jsonb_build_object('tried_at', (new.detail ->> 'tried_at')::bigint - 100000);
       return new;
     end $$;
     create trigger note_in_test before insert or update on sync.quality_findings
       for each row when (new.finding = 'failed.match') execute function sync.note_in_test();
     create function sync.go_on_in_test() returns trigger language plpgsql as 'begin new.phase := ''keys''; return new; end'`,
  );
  const before = errors.length;
  const phase = async () => (await superuser.query('select phase from sync.match_walk')).rows[0].phase;
  const triedAgain = async () => {
    await superuser.query('truncate sync.tries_in_test');
    await until(async () => {
      const { rowCount } = await superuser.query(
        'select customer from sync.tries_in_test group by customer having count(*) >= 2',
      );
      return rowCount === broken.length;
    });
  };
  try {
    await superuser.query('delete from sync.match_keys where customer = any ($1)', [ids]);
    await superuser.query(`update sync.match_walk set phase = 'keys', after = default, looked_at = 0, ended_at = null`);
    await until(async () => (await phase()) === 'done');
    expect(await keysOf(ids[3] as string)).toBeDefined();
    await triedAgain();
    await superuser.query(
      `create trigger go_on_in_test before update on sync.match_walk
         for each row when (new.phase = 'done') execute function sync.go_on_in_test();
       update sync.match_walk set phase = 'keys', after = default`,
    );
    await triedAgain();
  } finally {
    await superuser.query(
      `drop function sync.fail_in_test, sync.note_in_test, sync.go_on_in_test cascade; drop table sync.tries_in_test`,
    );
  }
  await until(async () => (await phase()) === 'done');
  await until(
    async () =>
      (await superuser.query(`select from sync.quality_findings where finding = 'failed.match'`)).rowCount === 0,
  );
  for (const error of errors.splice(before)) expect(String(error)).toMatch(/It fails/);
});

test('the model of many customers is made once, and knows which names are common', async () => {
  const ask = async (least: number) =>
    (await sync.query('select sync.begin_match_model($1, $2) as due', ['matching-1', least])).rows[0].due;
  expect(await ask(1_000)).toBe(false); // too few
  expect(await ask(10)).toBe(true);
  expect(await ask(10)).toBe(false); // somebody makes it
  await trainModel(on(sync));
  expect(await ask(10)).toBe(false); // it is there
  const { words, persons } = await createModelReader()(on(sync));
  expect(persons).toBeGreaterThan(40);
  expect([...words.values()].sort((a, b) => b - a)[0]).toBeGreaterThan(25); // Max, and Muster
});

test('no app reads keys, or writes what detection found', async () => {
  for (const login of ['foundation_app', 'support_app', 'console_app'] as const) {
    const client = await platform.database.connect(login);
    for (const statement of [
      'select from sync.match_keys',
      'select from sync.match_model',
      `select sync.keep_detected('[]', '[]', 'x', false)`,
      `select sync.keep_match_keys('[]')`,
      `select sync.keep_match_model('x', 1, '{}', '')`,
      'select sync.begin_match_walk()',
      `select sync.ask_match_looks('{}')`,
      'select sync.next_company_page(1)',
      'select from sync.match_looks',
    ])
      await expect(client.query(statement), statement).rejects.toMatchObject({ code: '42501' });
  }
});

test('nothing went wrong meanwhile but what was held', () => {
  expect(errors.filter((error) => (error as { code?: string }).code !== '55P03')).toEqual([]);
});
