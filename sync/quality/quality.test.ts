import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { connectPlatform, type PlatformDb, type Queryable } from '@aether/platform';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { describeFound, findingKinds } from './findings.ts';
import { readQualityBoard } from './quality.ts';

let database: TestDatabase;
let sync: pg.Client;
let superuser: pg.Client;
let foundation: PlatformDb;
let support: PlatformDb;
beforeAll(async () => {
  database = await createTestDatabase();
  [sync, superuser] = await Promise.all([database.connect('sync_app'), database.connect('postgres')]);
  foundation = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.url('foundation_app') },
  });
  support = await connectPlatform({ app: 'support', variables: { PLATFORM_DB_URL: database.url('support_app') } });
  return () => Promise.all([foundation.close(), support.close()]);
});

let made = 0;
const person = async (
  given: { email?: string; name?: string; phone?: string; company_id?: string } = {},
  by = foundation,
) => (await by.createCustomer({ email: `p${++made}@acme.org`, name: `Person Number ${made}`, ...given })).id;
const check = (subject: string, ...ids: (string | number)[]) =>
  superuser.query('select sync.check_subjects($1, $2)', [subject, ids.map(String)]);
const findingsOf = async (id: string | number) =>
  (
    await sync.query(
      `select id::integer, finding, part, other_id, detail from sync.quality_findings where subject_id = $1 order by finding, part`,
      [String(id)],
    )
  ).rows;
const namesOf = async (id: string | number) => (await findingsOf(id)).map((row) => row.finding);
const repair = async (...ids: number[]) =>
  (await sync.query('select sync.repair_findings($1::bigint[], $2) as done', [ids, 'in a test'])).rows[0].done;
/** Changes what the triggers keep in step, behind their back. */
const breakQuietly = async (sql: string, values: unknown[] = []) => {
  await superuser.query('set session_replication_role = replica');
  await superuser.query(sql, values).finally(() => superuser.query('set session_replication_role = origin'));
};

test('the console knows every finding that the database counts, and no other', async () => {
  const { rows } = await sync.query('select finding, is_repaired from sync.quality_numbers order by finding');
  const known = findingKinds.map(({ finding, fix }) => ({ finding, is_repaired: fix === 'repair' }));
  expect(rows).toEqual(known.sort((one, other) => (one.finding < other.finding ? -1 : 1)));
});

describe('duplicates', () => {
  test.each([
    ['a plus-tag', 'ada@acme.org', 'ada+shop@acme.org', true],
    ['another tag', 'bea+a@acme.org', 'bea+b@acme.org', true],
    ['the dots of a Gmail address', 'carlcarl@gmail.com', 'carl.carl@googlemail.com', true],
    ['dots at another provider', 'dd.dd@acme.org', 'dddd@acme.org', false],
    ['another domain', 'eva+x@acme.org', 'eva@acme.net', false],
  ])('two addresses that differ in %s', async (_, one, other, isFound) => {
    const first = await person({ email: one });
    const second = await person({ email: other });
    await check('customer', first, second);
    expect(await findingsOf(second)).toEqual(
      isFound ? [expect.objectContaining({ finding: 'duplicate.address', other_id: first })] : [],
    );
    expect(await namesOf(first)).toEqual([]);
  });

  test('a number counts as the same with the same extension only, and a person who corrects it ends the finding', async () => {
    const first = await person({ phone: '+49 30 1234567' });
    const second = await person({ phone: '+49301234567' });
    const third = await person({ phone: '+49 30 1234567 ext. 12' });
    await check('customer', first, second, third);
    expect([await namesOf(second), await namesOf(third)]).toEqual([['duplicate.phone'], []]);
    await foundation.updateCustomer(first, { phone: '+49 30 7654321' });
    await check('customer', first); // the pair is the row of the other one
    expect(await namesOf(second)).toEqual([]);
  });

  /** Customers who have a number or an address at a mailbox in common, in the order of their ids. */
  const many = async (count: number, { phone, email }: { phone?: string; email?: (n: number) => string }) => {
    const { rows } = await superuser.query<{ id: string }>(
      `insert into platform.customers (name, email, email_key, phone, phone_key, created_by_app)
       select 'Sharing ' || n || ' ' || $3, e, e, $2, $2, 'foundation' from unnest($1::text[]) with ordinality a (e, n) returning id`,
      [
        Array.from({ length: count }, (_, n) => email?.(n) ?? `sharing${++made}@acme.org`),
        phone ?? null,
        email ? email(0) : phone,
      ],
    );
    return rows.map(({ id }) => id).sort();
  };
  test.each([
    ['a number', 'phone', { phone: '+49306660001' }],
    ['a mailbox', 'mailbox', { email: (n: number) => `switchboard+${n}@acme.org` }],
  ])('%s that more than twenty have pairs nobody, and is one finding', async (_, shared, common) => {
    const ids = await many(21, common);
    const kindsOf = async () => [...new Set((await Promise.all(ids.map(namesOf))).flat())];
    await check('customer', ...ids);
    expect(await kindsOf()).toEqual([`shared.${shared}`]);
    expect(await findingsOf(ids[0] as string)).toMatchObject([
      { finding: `shared.${shared}`, detail: { customers: 21 }, other_id: null },
    ]);
    const [row] = await findingsOf(ids[0] as string);
    expect(describeFound({ ...row, subject: 'customer', subject_id: ids[0], address: null })).toContain('21 customers');
    await breakQuietly('update platform.customers set merged_into = $1 where id = $2', [ids[0], ids[20]]);
    await check('customer', ...ids.slice(0, 20));
    expect(await findingsOf(ids[19] as string)).toMatchObject([
      { finding: shared === 'phone' ? 'duplicate.phone' : 'duplicate.address', other_id: ids[0] },
    ]);
    expect(await kindsOf()).not.toContain(`shared.${shared}`);
  });

  test('a customer with very many addresses at a mailbox hides nobody who has one there, whichever is written first', async () => {
    const [first, many] = [await person(), await person()];
    const add = (id: string, from: number, to: number) =>
      superuser.query(
        `insert into platform.customer_emails (customer_id, email, email_key, is_primary)
         select $1, e, e, false from generate_series($2::int, $3) n cross join lateral (select 'hides+' || n || '@acme.org') a (e)`,
        [id, from, to],
      );
    await add(many, 1, 120);
    await add(first, 0, 0);
    await check('customer', first, many);
    expect(await findingsOf(many)).toMatchObject([{ finding: 'duplicate.address', other_id: first }]);
  });

  test('what many have at a mailbox is a finding of the first of them, wherever its address is stored', async () => {
    const ids = await many(120, { email: (n) => `anybody+${n}@acme.org` });
    await breakQuietly(
      `update platform.customer_emails set email_key = 'anybody+moved@acme.org', email = 'anybody+moved@acme.org' where customer_id = $1`,
      [ids[0]],
    );
    await check('customer', ids[0] as string, ids[1] as string);
    expect(await findingsOf(ids[0] as string)).toContainEqual(
      expect.objectContaining({ finding: 'shared.mailbox', detail: { customers: 120 } }),
    );
    expect(await namesOf(ids[1] as string)).toEqual([]);
  });

  test.each([
    ['a number', { phone: '+49306660002' }],
    ['a mailbox', { email: (n: number) => `everybody+${n}@acme.org` }],
  ])(
    'a look at who shares %s reads few others, however many they are and whoever is known to be different',
    async (_, common) => {
      const ids = await many(300, common);
      const looked = ids.slice(200, 220);
      await superuser.query('analyze platform.customers, platform.customer_emails, platform.customer_phones');
      await superuser.query('begin');
      // Row security, which the owner of the scan is under, changes plans.
      await superuser.query('set local role platform_owner');
      const read = async () =>
        Number(
          (
            await superuser.query(
              `select sum(pg_stat_get_xact_tuples_returned(r.oid)) as rows
             from unnest(array['platform.customers', 'platform.customer_emails']::regclass[]) t
               cross join lateral (select t as oid union all select i.indexrelid from pg_index i where i.indrelid = t) r`,
            )
          ).rows[0].rows,
        );
      const before = await read();
      await superuser.query('select sync.find_in_customers($1::uuid[])', [looked]);
      const took = (await read()) - before;
      await superuser.query('rollback');
      expect(took).toBeLessThan(2_000);
    },
  );

  test('a name is likely the same person at one company or one domain, not at a public provider', async () => {
    const company = (await foundation.createCompany({ name: 'Acme' })).id;
    const ids = [
      await person({ name: 'Jo Doe', email: 'jo@one.org', company_id: company }),
      await person({ name: 'JO DOE', email: 'jo@two.org', company_id: company }),
      await person({ name: 'Jo Doe', email: 'doe@one.org' }),
      await person({ name: 'Jo Doe', email: 'jo@gmail.com' }),
      await person({ name: 'Jo Doe', email: 'jodoe@gmail.com' }),
    ];
    await check('customer', ...ids);
    expect(await Promise.all(ids.map(namesOf))).toEqual([[], ['duplicate.person'], ['duplicate.person'], [], []]);
  });

  test('two customers that a person has declared different are no finding', async () => {
    const first = await person({ email: 'zed@acme.org' });
    const second = await person({ email: 'zed+1@acme.org' });
    await superuser.query(
      `insert into platform.review_candidates (customer_id, other_id, reason, state, decided_at)
       values ($1, $2, 'mailbox', 'different', now())`,
      [first, second],
    );
    await check('customer', first, second);
    expect(await namesOf(second)).toEqual([]);
  });
});

describe('what is missing', () => {
  test('a placeholder is no name, and a customer without a value for a required field is found', async () => {
    const nameless = await person({ name: 'unknown' });
    const named = await person({ name: '李雷' });
    await superuser.query(
      `insert into crm.custom_fields (record, key, label, type, is_required) values ('customer', 'colour', 'Colour', 'text', true)`,
    );
    await check('customer', nameless, named);
    expect(await namesOf(nameless)).toEqual(['missing.field', 'missing.name']);
    await foundation.query(
      `insert into crm.custom_field_values (field_id, customer_id, value) select id, $1, '"red"' from crm.custom_fields`,
      [named],
    );
    await check('customer', named);
    expect(await namesOf(named)).toEqual([]);
    await superuser.query('update crm.custom_fields set is_required = false');
  });
});

describe('addresses that cannot receive mail', () => {
  test.each([
    ['ada@example.com', 'example'],
    ['ada@sub.example.org', 'example'],
    ['ada@shop.test', 'reserved'],
    ['ada@printer.local', 'reserved'],
    ['ada@gmail.con', 'misspelt'],
    ['ada@counterexample.com', null],
    ['ada@test.de', null],
    ['ada@xn--bcher-kva.example', 'reserved'],
  ])('%s: %s', async (address, because) => {
    const { rows } = await superuser.query('select sync.unreachable_because($1) as because', [address]);
    expect(rows[0].because).toBe(because);
  });

  const correct = async (customer: string, address: string, replacement?: string) =>
    (await sync.query('select sync.correct_address($1, $2, $3, $3) as done', [customer, address, replacement ?? null]))
      .rows[0].done;

  test('the primary address goes for another one, and the correction can be undone', async () => {
    const id = await person({ email: 'ursa@shop.test' });
    await check('customer', id);
    const [found] = await findingsOf(id);
    expect(found).toMatchObject({ finding: 'address.unreachable', detail: { because: 'reserved', is_primary: true } });
    await expect(correct(id, found.part)).rejects.toMatchObject({ constraint: 'customer_emails_primary_stays' });
    const { operation } = await correct(id, found.part, 'ursa@acme.org');
    expect([(await foundation.getCustomerById(id))?.email, await namesOf(id)]).toEqual(['ursa@acme.org', []]);
    const { rows } = await sync.query('select sync.undo_correction($1) as undone', [operation]);
    expect(rows[0].undone).toBe(true);
    expect([(await foundation.getCustomerById(id))?.email, await namesOf(id)]).toEqual([
      'ursa@shop.test',
      ['address.unreachable'],
    ]);
    const again = await sync.query('select sync.undo_correction($1) as undone', [operation]);
    expect(again.rows[0].undone).toBe(false);
  });

  test('an address that mail may reach is not taken away here', async () => {
    const id = await person();
    const { rows } = await superuser.query('select id from platform.customer_emails where customer_id = $1', [id]);
    await expect(correct(id, rows[0].id, 'new@acme.org')).rejects.toMatchObject({
      constraint: 'quality_address_reachable',
    });
  });
});

describe('drift is proven and repaired', () => {
  test.each([
    ['drift.address', `update platform.customer_emails set is_primary = false where customer_id = $1`],
    [
      'drift.address',
      `update platform.customers set email = 'moved-' || email, email_key = 'moved-' || email_key where id = $1`,
    ],
    ['drift.phone', `delete from platform.customer_phones where customer_id = $1`],
    [
      'drift.phone',
      `update platform.customer_phones set phone = '+49 30 99999', phone_key = '+493099999' where customer_id = $1`,
    ],
    ['drift.number', `delete from platform.customer_external_ids where customer_id = $1`],
    ['drift.order', `delete from crm.customer_order where customer_id = $1`],
    ['drift.order', `update crm.customer_order set account_tier = 'gold' where customer_id = $1`],
  ])('%s after: %s', async (finding, sql) => {
    const id = await person({ phone: `+49 30 5550${++made}` });
    await check('customer', id);
    expect(await namesOf(id)).toEqual([]);
    await breakQuietly(sql, [id]);
    await check('customer', id);
    const found = await findingsOf(id);
    expect(found.map((row) => row.finding)).toEqual([finding]);
    expect(await repair(found[0].id)).toEqual([{ id: found[0].id, outcome: 'mended' }]);
    expect(await namesOf(id)).toEqual([]);
    expect(await repair(found[0].id)).toEqual([{ id: found[0].id, outcome: 'gone' }]);
  });

  test('a repair that would take an address from another customer is refused, and does not keep others from theirs', async () => {
    const [owner, thief, other] = [await person({ email: 'held@acme.org' }), await person(), await person()];
    await breakQuietly(
      `update platform.customers set email = 'held@acme.org', email_key = 'held@acme.org' where id = $1`,
      [thief],
    );
    await breakQuietly('delete from crm.customer_order where customer_id = $1', [other]);
    await check('customer', thief, other);
    const broken = (await findingsOf(thief)).find((row) => row.finding === 'drift.address');
    const [fine] = await findingsOf(other);
    const outcomes = await repair(broken.id, fine.id);
    expect(outcomes).toEqual(
      expect.arrayContaining([
        { id: broken.id, outcome: 'refused', because: 'another customer is known by this' },
        { id: fine.id, outcome: 'mended' },
      ]),
    );
    expect((await foundation.getCustomerByEmail('held@acme.org'))?.id).toBe(owner);
    const { rows } = await sync.query('select * from sync.operations order by id desc limit 1');
    expect(rows[0]).toMatchObject({
      kind: 'quality.repair',
      reason: 'in a test',
      outcome: { mended: 1, refused: 1 },
      login: 'sync_app',
    });
  });

  test('a repair that takes too long is refused, and a run of repairs comes past it', async () => {
    const ids = [await person(), await person(), await person()];
    await breakQuietly('delete from crm.customer_order where customer_id = any ($1)', [ids]);
    await check('customer', ...ids);
    const found = (await Promise.all(ids.map(findingsOf))).map(([row]) => row.id as number);
    await superuser.query(
      `create function sync.wait_in_test() returns trigger language plpgsql as 'begin perform pg_sleep(30); return new; end';
       create trigger wait_in_test before insert on crm.customer_order
         for each row when (new.customer_id = '${ids[1]}') execute function sync.wait_in_test()`,
    );
    try {
      await superuser.query(`set statement_timeout = '500ms'`);
      const batch = async (rows: number[]) =>
        (await superuser.query(`select sync.repair_batch($1::bigint[], '1 minute') as done`, [rows])).rows[0].done;
      expect(await batch(found)).toEqual([
        { id: found[0], outcome: 'mended' },
        { id: found[1], outcome: 'refused', because: 'error 57014' },
      ]);
      expect(await batch(found.slice(2))).toEqual([{ id: found[2], outcome: 'mended' }]);
    } finally {
      await superuser.query('reset statement_timeout; drop function sync.wait_in_test cascade');
    }
  });

  test('a closed deal without its closing, and a status that its stage does not have', async () => {
    const customer = await person();
    await superuser.query(
      `with p as (insert into crm.pipelines (name, is_default) values ('Sales', true) returning id)
       insert into crm.pipeline_stages (pipeline_id, name, position, outcome)
       select p.id, s.name, s.position, s.outcome from p, (values ('Open', 1, 'open'), ('Won', 2, 'won')) s (name, position, outcome)`,
    );
    const { rows } = await superuser.query(
      `insert into crm.deals (customer_id, pipeline_id, stage_id, name)
       select $1, pipeline_id, id, 'Deal' from crm.pipeline_stages where outcome = 'open' returning id`,
      [customer],
    );
    const { id } = rows[0];
    await check('deal', id);
    expect(await namesOf(id)).toEqual([]);
    await breakQuietly(
      `update crm.deals set stage_id = (select id from crm.pipeline_stages where outcome = 'won') where id = $1`,
      [id],
    );
    await check('deal', id);
    const found = await findingsOf(id);
    expect(found.map((row) => row.finding)).toEqual(['drift.stage']);
    await repair(found[0].id);
    const deal = async () =>
      (
        await superuser.query(
          `select d.status, k.outcome, k.closed_at = d.closed_at as agree from crm.deals d
           left join crm.deal_closings k on k.deal_id = d.id and k.reopened_at is null where d.id = $1`,
          [id],
        )
      ).rows[0];
    expect(await deal()).toEqual({ status: 'won', outcome: 'won', agree: true });
    await breakQuietly('delete from crm.deal_closings where deal_id = $1', [id]);
    await check('deal', id);
    const [closing] = await findingsOf(id);
    expect(closing.finding).toBe('drift.closing');
    await repair(closing.id);
    expect(await deal()).toEqual({ status: 'won', outcome: 'won', agree: true });
  });

  test('an event that the log lacks is published again as a new version', async () => {
    const id = await person();
    await superuser.query('begin');
    await superuser.query('select from sync.sequencer for update');
    await superuser.query('select sync.sequence(1000, 0)');
    await superuser.query('commit');
    await breakQuietly(
      `update platform.customers set version = version + 3, updated_at = now() - interval '1 hour' where id = $1`,
      [id],
    );
    await breakQuietly(`update crm.customer_order set updated_at = now() - interval '1 hour' where customer_id = $1`, [
      id,
    ]);
    await breakQuietly(
      `update crm.customer_order o set updated_at = c.updated_at from platform.customers c where c.id = o.customer_id and c.id = $1`,
      [id],
    );
    await check('customer', id);
    const found = await findingsOf(id);
    expect(found).toEqual([expect.objectContaining({ finding: 'drift.event', detail: { version: 4, logged: 1 } })]);
    expect(await repair(found[0].id)).toEqual([{ id: found[0].id, outcome: 'mended' }]);
    const { rows } = await superuser.query('select version from sync.outbox where key = $1', [id]);
    expect(rows).toEqual([{ version: '5' }]);
  });
});

describe('the last activity of a customer', () => {
  const spoke = (id: string, ...ago: string[]) =>
    foundation.query(
      `insert into crm.activities (customer_id, type, description, occurred_at)
       select $1, 'note', 'A', now() - n::interval from unnest($2::text[]) n`,
      [id, ago],
    );
  /** With the place of the row, which every write changes. */
  const kept = async (id: string) =>
    (
      await superuser.query(
        `select k.ctid::text as place, k.last_at, k.next_at, (
           select max(a.occurred_at) from crm.activities a where a.customer_id = $1 and a.occurred_at <= now()) as spoke_at
         from crm.customer_activity k where k.customer_id = $1`,
        [id],
      )
    ).rows[0];

  test.each([
    ['missing', 'delete from crm.customer_activity where customer_id = $1'],
    ['other', `update crm.customer_activity set last_at = last_at - interval '1 hour' where customer_id = $1`],
    ['other', `update crm.customer_activity set last_at = now() + interval '1 hour' where customer_id = $1`],
    ['other', 'update crm.customer_activity set next_at = null where customer_id = $1'],
    ['other', `update crm.customer_activity set next_at = next_at + interval '1 hour' where customer_id = $1`],
    [
      'other',
      `insert into crm.activities (customer_id, type, description, created_by_app) values ($1, 'note', 'A', 'foundation')`,
    ],
    ['other', `delete from crm.activities where customer_id = $1 and occurred_at < now()`],
    ['other', `delete from crm.activities where customer_id = $1 and occurred_at > now()`],
    ['left', 'delete from crm.activities where customer_id = $1'],
    ['left', 'update platform.customers set erased_at = now() where id = $1'],
  ])('that is wrong (%s) is found and repaired after: %s', async (because, sql) => {
    const [id, right] = [await person(), await person()];
    for (const each of [id, right]) await spoke(each, '2 days', '1 day', '-7 days');
    const before = await kept(right);
    await check('customer', id, right);
    expect([await findingsOf(id), await findingsOf(right)]).toEqual([[], []]);
    await breakQuietly(sql, [id]);
    await check('customer', id, right);
    const found = (await findingsOf(id)).find((row) => row.finding === 'drift.activity');
    expect(found?.detail).toEqual({ because });
    expect(describeFound({ ...found, subject: 'customer', subject_id: id, address: null })).toMatch(
      /last activity is kept/,
    );
    expect(await repair(found.id)).toEqual([{ id: found.id, outcome: 'mended' }]);
    expect(await namesOf(id)).not.toContain('drift.activity');
    const { spoke_at, last_at } = (await kept(id)) ?? {};
    expect(last_at).toEqual(spoke_at);
    expect(await repair(found.id)).toEqual([{ id: found.id, outcome: 'gone' }]);
    expect([await findingsOf(right), await kept(right)]).toEqual([[], before]);
  });

  test('that is right already when its repair comes is not written again', async () => {
    const id = await person();
    await spoke(id, '1 day');
    await breakQuietly(`update crm.customer_activity set last_at = now() where customer_id = $1`, [id]);
    await check('customer', id);
    const [found] = await findingsOf(id);
    await spoke(id, '1 hour'); // its trigger has written the row
    const before = await kept(id);
    expect(await repair(found.id)).toEqual([{ id: found.id, outcome: 'gone' }]);
    expect(await kept(id)).toEqual(before);
  });

  test('that waits for what lay ahead and has come is no finding', async () => {
    const id = await person();
    await spoke(id, '1 day');
    await breakQuietly(
      `insert into crm.activities (customer_id, type, description, created_by_app, occurred_at)
       values ($1, 'note', 'A', 'foundation', now() - interval '1 hour')`,
      [id],
    );
    await breakQuietly(
      `update crm.customer_activity set next_at = (select max(occurred_at) from crm.activities where customer_id = $1)
       where customer_id = $1`,
      [id],
    );
    await check('customer', id);
    expect(await findingsOf(id)).toEqual([]);
  });

  test('that somebody is writing is no finding, neither before the commit nor in a look that began before the writer', async () => {
    const [id, moved, target] = [await person(), await person(), await person()];
    await spoke(id, '2 days');
    await spoke(moved, '2 days');
    const [looking, writing] = [await database.connect('postgres'), await database.connect('postgres')];
    await looking.query('begin');
    const look = async () => {
      await looking.query('select sync.check_subjects($1, $2)', ['customer', [id, moved, target]]);
      return (await looking.query(`select finding from sync.quality_findings where finding = 'drift.activity'`)).rows;
    };
    expect(await look()).toEqual([]);
    await writing.query('begin');
    await writing.query(
      `insert into crm.activities (customer_id, type, description, created_by_app) values ($1, 'note', 'A', 'foundation')`,
      [id],
    );
    await writing.query('update crm.activities set customer_id = $2 where customer_id = $1', [moved, target]);
    expect(await look()).toEqual([]);
    await writing.query('commit');
    expect(await look()).toEqual([]);
    await looking.query('commit');
    expect([await kept(moved), (await kept(target)).last_at]).toEqual([undefined, (await kept(target)).spoke_at]);
  });

  test('that a repair of something else has moved is no finding of it', async () => {
    const [survivor, loser] = [await person(), await person()];
    await spoke(survivor, '2 days');
    await spoke(loser, '1 day');
    await superuser.query('update platform.customers set merged_into = $1 where id = $2', [survivor, loser]);
    await check('customer', survivor, loser);
    const child = (await findingsOf(loser)).find((row) => row.part === 'crm.activities');
    expect(await repair(child.id)).toEqual([{ id: child.id, outcome: 'mended' }]);
    expect([...(await namesOf(survivor)), ...(await namesOf(loser))]).not.toContain('drift.activity');
    await check('customer', survivor);
    expect([...(await namesOf(survivor)), ...(await namesOf(loser))]).not.toContain('drift.activity');
    expect([await kept(loser), (await kept(survivor)).last_at]).toEqual([undefined, (await kept(survivor)).spoke_at]);
  });
});

describe('orphans', () => {
  test('an ended conversation gets the activity that Support would have written', async () => {
    const customer = await person({}, support);
    const { rows } = await superuser.query(
      `with w as (insert into support.widgets (key, name) values ('widget-1', 'Shop') returning id)
       insert into support.sessions (widget_id, customer_id, token_hash, status, resolved, started_at, ended_at, message_count)
       select w.id, $1, sha256('x'), 'ended', true, now() - interval '2 hours', now() - interval '1 hour', 2 from w returning id`,
      [customer],
    );
    const { id } = rows[0];
    await superuser.query(
      `insert into support.messages (session_id, number, author, client_id, body)
       values ($1, 1, 'visitor', 'c1', 'Where is my order?'), ($1, 2, 'visitor', 'c2', 'Hello?')`,
      [id],
    );
    await check('session', id);
    const found = await findingsOf(id);
    expect(found.map((row) => row.finding)).toEqual(['orphan.session']);
    await repair(found[0].id);
    const activity = await superuser.query('select * from crm.activities where customer_id = $1', [customer]);
    expect(activity.rows).toEqual([
      expect.objectContaining({
        type: 'support_chat',
        created_by_app: 'support',
        created_by_login: 'sync_app',
        description: 'Support conversation resolved (unverified visitor)',
        metadata: expect.objectContaining({ summary: 'Where is my order?', duration_seconds: 3600 }),
      }),
    ]);
    await breakQuietly('update support.sessions set message_count = 7 where id = $1', [id]);
    await check('session', id);
    const [counted] = await findingsOf(id);
    expect(counted).toMatchObject({ finding: 'drift.messages', detail: { counted: 7, messages: 2 } });
    expect(await repair(counted.id)).toEqual([{ id: counted.id, outcome: 'mended' }]);
    await breakQuietly('delete from support.sessions where id = $1', [id]);
    await check('activity', activity.rows[0].id);
    expect(await namesOf(activity.rows[0].id)).toEqual(['orphan.activity']);
  });

  test('a customer of a chat is adopted once', async () => {
    const id = await person({}, support);
    await check('customer', id);
    expect(await namesOf(id)).toEqual([]); // Foundation has ten minutes
    await breakQuietly(`update platform.customers set created_at = now() - interval '1 hour' where id = $1`, [id]);
    await check('customer', id);
    const found = await findingsOf(id);
    expect(found.map((row) => row.finding)).toEqual(['orphan.unadopted']);
    await repair(found[0].id);
    const { crm_id } = (await foundation.getCustomerById(id)) ?? {};
    expect(crm_id).toBeGreaterThan(0);
    await repair(found[0].id);
    expect((await foundation.getCustomerById(id))?.crm_id).toBe(crm_id);
  });

  test('what a merge left behind moves to the survivor; what an erased customer has moves to nobody', async () => {
    const [survivor, loser, erased] = [await person(), await person(), await person()];
    for (const id of [loser, erased])
      await foundation.query(`insert into crm.activities (customer_id, type, description) values ($1, 'note', 'A')`, [
        id,
      ]);
    await superuser.query('update platform.customers set merged_into = $1 where id = $2', [survivor, loser]);
    await superuser.query('update platform.customers set erased_at = now() where id = $1', [erased]);
    await check('customer', loser, erased);
    const found = await findingsOf(loser);
    expect(found.map((row) => row.part)).toContain('crm.activities');
    const activity = found.find((row) => row.part === 'crm.activities');
    expect(await repair(activity.id)).toEqual([{ id: activity.id, outcome: 'mended' }]);
    const { rows } = await superuser.query('select customer_id from crm.activities where customer_id = any ($1)', [
      [survivor, loser],
    ]);
    expect(rows).toEqual([{ customer_id: survivor }]);
    const left = (await findingsOf(erased)).find((row) => row.part === 'crm.activities');
    expect(await repair(left.id)).toEqual([expect.objectContaining({ outcome: 'refused' })]);
  });
});

test('customers are looked at by their ids, also before statistics were ever taken of them', async () => {
  const id = await person();
  await superuser.query('begin');
  try {
    await superuser.query(`insert into platform.customers (email, email_key, name, created_by_app)
      select m, m, 'Many ' || n, 'foundation' from generate_series(1, 300) n, concat('many', n, '@many.example') m`);
    await superuser.query(`delete from pg_statistic where starelid = 'platform.customers'::regclass`);
    const readBy = async () =>
      Number(
        (
          await superuser.query(
            `select sum(pg_stat_get_xact_tuples_returned(i.indexrelid)) as rows from pg_index i
             where i.indrelid = 'platform.customers'::regclass`,
          )
        ).rows[0].rows,
      );
    const before = await readBy();
    await superuser.query('select sync.find_in_customers(array[$1]::uuid[])', [id]);
    expect((await readBy()) - before).toBeLessThan(50);
  } finally {
    await superuser.query('rollback');
  }
});

describe('a scan', () => {
  const step = async (rows: number) => (await sync.query('select * from sync.quality_step($1)', [rows])).rows[0];

  test('walks every row in bounded steps, rests when it is through, and begins again when somebody asks', async () => {
    const seen: Record<string, number> = {};
    for (let done = await step(7); done.scan !== null; done = await step(7)) {
      expect(done.looked).toBeLessThanOrEqual(7);
      seen[done.scan] = (seen[done.scan] ?? 0) + done.looked;
    }
    const { rows } = await superuser.query('select count(*)::integer as customers from platform.customers');
    expect(seen.customers).toBe(rows[0].customers);
    expect((await sync.query('select sync.ask_quality_round() as asked')).rows[0].asked).toBe(true);
    expect((await sync.query('select sync.ask_quality_round() as asked')).rows[0].asked).toBe(false);
    let looked = 0;
    for (let isAsked = true; isAsked; ) {
      const done = await step(1000);
      looked += done.looked;
      isAsked = done.is_asked;
    }
    expect(looked).toBeGreaterThanOrEqual(rows[0].customers);
    const numbers = await superuser.query(
      `select n.finding from sync.quality_numbers n
       where n.stored <> (select count(*) from sync.quality_findings q where q.finding = n.finding)`,
    );
    expect(numbers.rows).toEqual([]);
  });

  test('that comes to a customer with whom many others were found looks at some of these beside it, and the round at all', async () => {
    const shared = await person();
    const others = (
      await superuser.query<{ id: string }>(
        `insert into platform.customers (name, email, email_key, created_by_app)
         select 'Found ' || n, 'found' || n || '@acme.org', 'found' || n || '@acme.org', 'foundation' from generate_series(1, 300) n
         returning id`,
      )
    ).rows.map(({ id }) => id);
    await superuser.query(
      `insert into sync.quality_findings (finding, subject, subject_id, customer_id, other_id, detail)
       select 'duplicate.phone', 'customer', id, id::uuid, $1, '{}' from unnest($2::text[]) id`,
      [shared, others],
    );
    const left = async () =>
      Number(
        (await sync.query('select count(*) from sync.quality_findings where other_id = $1', [shared])).rows[0].count,
      );
    await check('customer', shared);
    expect(await left()).toBe(200);
    await check('customer', ...others);
    expect(await left()).toBe(0);
  });

  test('finds who has the number of another customer, however many merged ones have had it', async () => {
    const phone = '+493077700077';
    const survivor = await person();
    await breakQuietly(
      `insert into platform.customers (name, email, email_key, phone, phone_key, created_by_app, merged_into)
       select 'Merged', 'merged' || n || '@acme.org', 'merged' || n || '@acme.org', $2, $2, 'foundation', $1
       from generate_series(1, 200) n`,
      [survivor, phone],
    );
    const { rows } = await superuser.query<{ id: string }>(
      `insert into platform.customers (name, email, email_key, phone, phone_key, created_by_app)
       select 'Alive ' || n, 'alive' || n || '@acme.org', 'alive' || n || '@acme.org', $1, $1, 'foundation' from generate_series(1, 2) n
       returning id`,
      [phone],
    );
    const [first, second] = rows.map(({ id }) => id).sort() as [string, string];
    await check('customer', second);
    expect(await findingsOf(second)).toMatchObject([{ finding: 'duplicate.phone', other_id: first }]);
  });

  test('keeps ten thousand rows of a finding and no more', async () => {
    await superuser.query(
      `insert into sync.quality_findings (finding, subject, subject_id)
       select 'missing.name', 'customer', 'x' || n from generate_series(1, 9999) n`,
    );
    const { rows } = await superuser.query(`select stored from sync.quality_numbers where finding = 'missing.name'`);
    const nameless = await Promise.all(['unknown', 'n/a', 'none'].map((name) => person({ name })));
    await check('customer', ...nameless);
    const after = await superuser.query(`select stored from sync.quality_numbers where finding = 'missing.name'`);
    expect([rows[0].stored, after.rows[0].stored]).toEqual([10_000, 10_000]);
    await superuser.query(`delete from sync.quality_findings where subject_id like 'x%'`);
    await check('customer', ...nameless);
    const later = await superuser.query(`select stored from sync.quality_numbers where finding = 'missing.name'`);
    expect(later.rows[0].stored).toBe(4);
  });

  describe('of which one row cannot be looked at', () => {
    /** Looks at this customer end in an error, as long as `work` is at work. */
    async function failing(id: string, sqlstate: string, work: () => Promise<void>): Promise<void> {
      const written = await superuser.query(
        `select pg_get_functiondef('sync.find_children(uuid[])'::regprocedure) as sql`,
      );
      await superuser.query(
        `create or replace function sync.find_children(ids uuid[]) returns setof jsonb language plpgsql as
         $$ begin if '${id}' = any (ids) then raise exception 'ada@acme.org' using errcode = '${sqlstate}'; end if; end $$`,
      );
      try {
        await work();
      } finally {
        await superuser.query(written.rows[0].sql);
      }
    }
    const begin = () =>
      superuser.query(`update sync.quality_scans set place = null, last_ended_at = now(), asked_at = null, faults = 0;
        update sync.quality_scans set last_ended_at = null, step_rows = 100 where name = 'customers'`);
    /** Takes steps until the round of customers has ended. @returns the steps */
    async function round() {
      await begin();
      const steps = [];
      for (let done = await step(2_000); done.scan !== null; done = await step(2_000)) {
        steps.push(done);
        if (steps.length > 200) throw new Error('The round does not end.');
      }
      return steps;
    }
    const waitedForFailed = () =>
      superuser.query(
        `update sync.quality_findings set detail = detail || '{"again_at": 1}' where finding like 'failed.%'`,
      );
    const gauge = async () => {
      const { rows } = await superuser.query('select * from sync.list_quality_gauges()');
      return rows.map((row) => Object.values(row)).find(([name]) => name === 'quality_failed_looks')?.[2];
    };
    const quality = async () => {
      const { rows } = await superuser.query('select * from sync.check_quality()');
      return rows.map((row) => Object.values(row)).find(([slug]) => slug === 'quality');
    };

    test('goes on behind it, and Sync Health names it until a later round can look at it', async () => {
      const [before, broken] = [await person(), await person()];
      const behind = await person({ email: 'placeholder@acme.org', name: 'placeholder' });
      await superuser.query(`update sync.quality_scans set last_ended_at = now()`);
      await failing(broken, 'XX001', async () => {
        const steps = await round();
        expect(steps.filter(({ failed }) => failed)).toMatchObject([{ failed: broken, fault: 'XX001' }]);
        expect(steps.length).toBeLessThan(60);
        expect(await findingsOf(broken)).toMatchObject([
          { finding: 'failed.customer', detail: { code: 'XX001', in: 'sync.find_children' } },
        ]);
        expect([await namesOf(before), await namesOf(behind)]).toEqual([[], ['missing.name']]);
        expect(await quality()).toEqual(
          expect.arrayContaining(['warning', expect.stringContaining(`One record could not be looked at`)]),
        );
        expect((await quality())?.join(' ')).toContain(`customer ${broken} (XX001)`);
        const [row] = await findingsOf(broken);
        const said = describeFound({ ...row, subject: 'customer', subject_id: broken, address: null });
        expect(said).toContain('XX001');
        expect(JSON.stringify(row) + said).not.toContain('ada@acme.org');
        // Somebody who asks for another look gets no error, and the others of their page are looked at.
        await breakQuietly(`update platform.customers set name = 'Named' where id = $1`, [behind]);
        const [missing] = await findingsOf(behind);
        await sync.query('select sync.recheck_findings($1::bigint[])', [[row.id, missing.id]]);
        expect([await namesOf(broken), await namesOf(behind)]).toEqual([['failed.customer'], []]);
      });
      expect(await gauge()).toBe(1);
      await waitedForFailed();
      await round();
      expect(await namesOf(broken)).toEqual([]);
      expect((await quality())?.[2]).toBe('ok');
      expect(await gauge()).toBe(0);
    });

    test('leaves it out for ten minutes, then for twenty, and tries it in a round that somebody asks for', async () => {
      const broken = await person();
      const triesOf = async () => (await findingsOf(broken))[0]?.detail.tries;
      const again = async () =>
        Number(
          (
            await superuser.query(
              `select round(((detail ->> 'again_at')::bigint - extract(epoch from now())) / 60) as minutes
               from sync.quality_findings where subject_id = $1`,
              [broken],
            )
          ).rows[0].minutes,
        );
      await failing(broken, '57014', async () => {
        await round();
        expect([await triesOf(), await again()]).toEqual([1, 10]);
        expect((await round()).filter(({ fault }) => fault)).toEqual([]);
        expect(await triesOf()).toBe(1);
        await waitedForFailed();
        await round();
        expect([await triesOf(), await again()]).toEqual([2, 20]);
        await begin();
        await sync.query('select sync.ask_quality_round()');
        for (let n = 0; (await step(2_000)).scan !== null; n++) if (n > 200) throw new Error('The round does not end.');
        expect(await triesOf()).toBe(3);
        await superuser.query(
          `update sync.quality_findings set detail = detail || '{"tries": 9, "again_at": 0}' where subject_id = $1`,
          [broken],
        );
        await round();
        expect(await again()).toBe(24 * 60);
      });
      await superuser.query(
        `update sync.quality_findings set detail = detail - 'again_at' where finding like 'failed.%'`,
      );
      await round();
      expect(await namesOf(broken)).toEqual([]);
    });

    test('goes on behind it where it is the first or the last, and where its look takes too long', async () => {
      const { rows } = await superuser.query('select id from platform.customers order by id');
      for (const { id } of [rows[0], rows.at(-1)])
        await failing(id, '57014', async () => {
          await round();
          expect(await namesOf(id)).toContain('failed.customer');
        });
    });

    test('does not blame the one with whom it was found', async () => {
      const [first, second] = [await person({ phone: '+49306660003' }), await person({ phone: '+49306660003' })];
      await check('customer', first, second);
      expect(await namesOf(second)).toEqual(['duplicate.phone']);
      await failing(second, 'XX001', async () => {
        await round();
        expect([await namesOf(first), (await namesOf(second)).sort()]).toEqual([
          [],
          ['duplicate.phone', 'failed.customer'],
        ]);
      });
      await waitedForFailed();
      await round();
    });
  });

  test('takes away what was found about rows that are gone', async () => {
    const id = await person({ email: 'removed@acme.org', name: 'removed' });
    await check('customer', id);
    await breakQuietly('delete from platform.customers where id = $1', [id]);
    expect(await namesOf(id)).toEqual(['missing.name']);
    await superuser.query(`update sync.quality_scans set place = null, last_ended_at = null, asked_at = null`);
    for (let done = await step(2_000); done.scan !== null; done = await step(2_000));
    expect(await namesOf(id)).toEqual([]);
  });

  test('no login but the worker’s takes steps, and no app repairs or writes a finding', async () => {
    for (const sql of [
      'select sync.quality_step(1)',
      'select sync.repair_findings(array[1])',
      'select sync.customer_file(uuidv7())',
      'select * from sync.quality_findings',
    ])
      await expect(foundation.query(sql)).rejects.toMatchObject({ code: '42501' });
    await expect(sync.query(`update sync.quality_numbers set stored = 0`)).rejects.toMatchObject({ code: '42501' });
    await expect(sync.query(`select sync.mend(null)`)).rejects.toMatchObject({ code: '42501' });
  });

  test('a scan leaves its turn while a repair is at work: it would store what is no longer true', async () => {
    await superuser.query('update sync.quality_scans set place = null, last_ended_at = null, asked_at = null');
    const repairing = await database.connect('sync_app');
    await repairing.query('begin');
    await repairing.query('select sync.repair_findings(array[1])');
    expect(await step(2_000)).toMatchObject({ scan: null, looked: 0, is_asked: false });
    await repairing.query('rollback');
    expect((await step(2_000)).scan).not.toBeNull();
  });

  test('a quick step is followed by a larger one of the same scan, which makes no other scan’s step larger', async () => {
    await superuser.query(`update sync.quality_scans set step_rows = 20, place = null, last_ended_at = null, asked_at = null,
      stepped_at = case name when 'customers' then '-infinity' else now() end::timestamptz`);
    const others = `select name, step_rows from sync.quality_scans where name <> 'customers' order by name`;
    const before = (await superuser.query(others)).rows;
    expect(await step(2_000)).toMatchObject({ scan: 'customers', looked: 20, fault: null });
    const { rows } = await superuser.query(`select step_rows from sync.quality_scans where name = 'customers'`);
    expect(rows[0].step_rows).toBeGreaterThanOrEqual(20);
    expect(rows[0].step_rows).toBeLessThanOrEqual(40);
    expect((await superuser.query(others)).rows).toEqual(before);
  });

  test('a scan whose steps end in an error takes no other scan’s turn, and goes on when the cause is gone', async () => {
    await superuser.query(`update sync.quality_scans set step_rows = 80, place = null, last_ended_at = null, asked_at = null,
      stepped_at = case name when 'customers' then '-infinity' else now() end::timestamptz`);
    const written = await superuser.query(
      `select pg_get_functiondef('sync.find_children(uuid[])'::regprocedure) as sql`,
    );
    await superuser.query(
      `create or replace function sync.find_children(ids uuid[]) returns setof jsonb language plpgsql
       as 'begin raise exception using errcode = ''XX001''; end'`,
    );
    expect(await step(2_000)).toMatchObject({ scan: 'customers', looked: 0, fault: 'XX001' });
    const board = await readQualityBoard({
      query: async (text, values) => (await sync.query(text, values)).rows,
    } as Queryable);
    expect(board.findings.find(({ finding }) => finding === 'missing.name')).toMatchObject({ isFailing: true });
    expect(board.findings.find(({ finding }) => finding === 'drift.stage')).toMatchObject({ isFailing: false });
    const { rows } = await superuser.query(`select step_rows from sync.quality_scans where name = 'customers'`);
    expect(rows[0].step_rows).toBe(20);
    expect((await step(2_000)).scan).not.toBe('customers');
    await superuser.query(written.rows[0].sql);
    await superuser.query(`update sync.quality_scans set stepped_at = '-infinity' where name = 'customers'`);
    expect(await step(2_000)).toMatchObject({ scan: 'customers', looked: 20, fault: null });
  });
});
