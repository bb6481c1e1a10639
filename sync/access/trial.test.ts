import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { NoTrial, openSimulator } from './simulator.ts';

const ada = '00000000-0000-7000-8000-00000000000a';
const note = '00000000-0000-7000-8000-0000000000f0';
const session = '00000000-0000-7000-8000-0000000000e0';

let database: TestDatabase;
let simulator: pg.Client;
let superuser: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  [simulator, superuser] = await Promise.all([database.connect('simulator_app'), database.connect('postgres')]);
  await superuser.query(`
    insert into platform.users (id, email, name, role) values ('u-1', 'u1@acme.org', 'User', 'user');
    insert into platform.customers (id, email, name, created_by_app, crm_id, account_tier)
      values ('${ada}', 'ada@acme.org', 'Ada', 'foundation', 1, 'basic');
    insert into crm.pipelines (name) values ('Sales');
    insert into crm.pipeline_stages (pipeline_id, name, position, outcome) values (1, 'New', 1, 'open');
    insert into crm.deals (customer_id, pipeline_id, stage_id, name) values ('${ada}', 1, 1, 'Deal');
    insert into crm.activities (id, customer_id, type, description, created_by_app) values ('${note}', '${ada}', 'note', 'A', 'foundation');
    insert into support.widgets (key, name) values ('widget-1', 'Shop');
    insert into support.sessions (id, widget_id, customer_id, token_hash)
      select '${session}', id, '${ada}', sha256('x') from support.widgets;
    truncate sync.outbox`);
});

type Asked = { target: string; verb: string; field?: string; row?: string; value?: string };
const tryAs = async (app: string, { target, verb, field, row, value }: Asked) =>
  (
    await simulator.query(`select sync.try_as_${app}($1, $2, $3, $4, $5) as answer`, [
      target,
      verb,
      field ?? null,
      row ?? null,
      value ?? null,
    ])
  ).rows[0].answer;

/** Every row of every table of ours, and the places of the sequences that nobody may miss a number of. */
async function everything(): Promise<string> {
  const { rows } = await superuser.query(
    `select c.oid::regclass::text as name from pg_class c
     where c.relkind in ('r', 'p') and not c.relispartition
       and c.relnamespace::regnamespace::text in ('platform', 'crm', 'support', 'sync') order by 1`,
  );
  const hash = ({ name }: { name: string }) =>
    `select '${name}' as name, count(*), md5(string_agg(t::text, '|' order by t::text)) from ${name} t`;
  // The server may read several of them at once, so that they come in any order.
  const hashes = await superuser.query(`${rows.map(hash).join(' union all ')} order by 1`);
  return JSON.stringify(hashes.rows);
}

test('a table of the log is tried too, and what an app may not do there is refused', async () => {
  await superuser.query(
    `insert into sync.subscriptions (name, app, position) values ('foundation.one', 'foundation', 0)`,
  );
  const move = { target: 'sync.subscriptions', verb: 'update', field: 'position', row: 'foundation.one', value: '9' };
  expect(await tryAs('foundation', move)).toMatchObject({ code: 'done', rows: 1 });
  expect(await tryAs('support', move)).toMatchObject({ code: 'done', rows: 0 });
  expect(await tryAs('console', move)).toMatchObject({ code: 'done', rows: 0 });
  const forge = { target: 'sync.operations', verb: 'update', field: 'reason', value: 'x' };
  await superuser.query(
    `insert into sync.operations (kind, scope, outcome, app, login) values ('test.one', '{}', '{}', 'sync', 'sync_app')`,
  );
  expect(await tryAs('console', forge)).toMatchObject({ code: '42501' });
  await superuser.query(`delete from sync.subscriptions where name = 'foundation.one'`);
});

test('the console tries as each app for which the database has a function, a third app’s too, and as no other', async () => {
  const opened = openSimulator(database.url('simulator_app'));
  try {
    expect(await opened.logins()).toEqual(['console_app', 'foundation_app', 'support_app']);
    const question = {
      login: 'billing_app',
      table: 'platform.tiers',
      verb: 'select',
      column: 'key',
      row: null,
      value: null,
    };
    await expect(opened.tryAs(question as never)).rejects.toThrow(NoTrial);
    await superuser.query(`
      create function sync.try_as_billing(target text, verb text, field text, row_id text, value text) returns jsonb
        language sql as $$ select '{"code": "done", "rows": 1}'::jsonb $$;
      grant execute on function sync.try_as_billing(text, text, text, text, text) to simulator_role`);
    expect(await opened.logins()).toContain('billing_app');
    expect(await opened.tryAs(question as never)).toEqual({ code: 'done', rows: 1 });
  } finally {
    await superuser.query('drop function if exists sync.try_as_billing(text, text, text, text, text)');
    await opened.close();
  }
});

describe('a trial answers what the app would be told', () => {
  test.each([
    [
      'support',
      { target: 'platform.customers', verb: 'update', field: 'account_tier', row: ada, value: 'premium' },
      '42501',
      {},
    ],
    [
      'foundation',
      { target: 'platform.customers', verb: 'update', field: 'account_tier', row: ada, value: 'premium' },
      'done',
      { rows: 1 },
    ],
    [
      'foundation',
      { target: 'platform.customers', verb: 'update', field: 'account_tier', row: ada, value: 'gold' },
      '23514',
      { by: 'platform.check_tier', constraint: 'customers_account_tier_choice' },
    ],
    [
      'support',
      { target: 'platform.customers', verb: 'update', field: 'preferred_language', row: ada, value: 'de' },
      'done',
      { rows: 1 },
    ],
    [
      'foundation',
      { target: 'platform.customers', verb: 'update', field: 'preferred_language', row: ada, value: 'de' },
      '42501',
      {},
    ],
    ['support', { target: 'crm.deals', verb: 'select', field: 'name' }, '42501', {}],
    ['foundation', { target: 'crm.deals', verb: 'select', field: 'name' }, 'done', { rows: 1 }],
    // A policy hides the row: the statement is allowed, and finds nothing.
    ['support', { target: 'crm.activities', verb: 'select', field: 'description', row: note }, 'done', { rows: 0 }],
    ['foundation', { target: 'crm.activities', verb: 'select', field: 'description', row: note }, 'done', { rows: 1 }],
    ['support', { target: 'crm.activities', verb: 'insert', field: 'type', row: note, value: 'note' }, '42501', {}],
    [
      'foundation',
      { target: 'crm.activities', verb: 'insert', field: 'type', row: note, value: 'note' },
      'done',
      { rows: 1 },
    ],
    ['foundation', { target: 'platform.customers', verb: 'delete', row: ada }, '42501', {}],
    ['foundation', { target: 'crm.pipelines', verb: 'delete' }, '23503', {}],
    ['foundation', { target: 'crm.deals', verb: 'update', field: 'amount', value: 'many' }, '22P02', {}],
    [
      'foundation',
      { target: 'crm.deals', verb: 'update', field: 'status', value: 'won' },
      '23514',
      { by: 'crm.tie_status_to_stage' },
    ],
    [
      'support',
      { target: 'support.sessions', verb: 'update', field: 'status', row: session, value: 'ended' },
      '23514',
      {},
    ],
    [
      'foundation',
      { target: 'platform.customers', verb: 'update', field: 'name', row: note, value: 'X' },
      'no_row',
      {},
    ],
  ])('%s, %o: %s', async (app, asked, code, more) => {
    expect(await tryAs(app, asked)).toMatchObject({ code, ...more });
  });

  test('in the words of the app’s own login', async () => {
    const asked = `update platform.customers set account_tier = 'premium' where id = '${ada}'`;
    const support = await database.connect('support_app');
    const own = await support.query(asked).catch((error) => [error.code, error.message]);
    const { code, message } = await tryAs('support', {
      target: 'platform.customers',
      verb: 'update',
      field: 'account_tier',
      row: ada,
      value: 'premium',
    });
    expect([code, message]).toEqual(own);
  });

  test('as the app that is tried, also in triggers and policies that ask which app writes', async () => {
    // A copy of Ada with another address, made by the app that is tried: the number comes from its own sequence.
    const copy = { target: 'platform.customers', verb: 'insert', field: 'email', row: ada, value: 'copy@acme.org' };
    expect(await tryAs('foundation', copy)).toMatchObject({
      code: '23514',
      constraint: 'customers_email_key_canonical',
    });
    expect(await tryAs('support', { ...copy, field: 'created_by_app', value: 'foundation' })).toMatchObject({
      code: '42501',
    });
  });
});

describe('a trial leaves nothing', () => {
  test('no row, no event, no NOTIFY and no lock, whatever it tried and however often', async () => {
    const heard: unknown[] = [];
    superuser.on('notification', (message) => heard.push(message));
    await superuser.query('listen sync_outbox; listen sync_events');
    const before = await everything();
    for (const [app, asked] of [
      [
        'foundation',
        { target: 'platform.customers', verb: 'update', field: 'account_tier', row: ada, value: 'premium' },
      ],
      ['foundation', { target: 'platform.customers', verb: 'update', field: 'email', row: ada, value: 'new@acme.org' }],
      ['foundation', { target: 'crm.activities', verb: 'insert', field: 'type', row: note, value: 'note' }],
      ['foundation', { target: 'platform.tiers', verb: 'delete' }],
      ['support', { target: 'support.sessions', verb: 'update', field: 'handler', row: session, value: 'bot' }],
      ['console', { target: 'platform.customers', verb: 'update', field: 'name', row: ada, value: 'Eve' }],
    ] as const)
      expect(await tryAs(app, asked)).toMatchObject({ code: expect.stringMatching(/^(done|23503)$/) });
    // Inside a transaction that its caller commits.
    await simulator.query('begin');
    await tryAs('foundation', { target: 'platform.customers', verb: 'update', field: 'name', row: ada, value: 'Eve' });
    const { rows: locks } = await superuser.query(
      `select from pg_locks where pid = $1 and relation = 'platform.customers'::regclass and mode = 'RowExclusiveLock'`,
      [(await simulator.query('select pg_backend_pid() as pid')).rows[0].pid],
    );
    expect(locks).toEqual([]);
    await simulator.query('commit');
    await superuser.query('select 1');
    expect(await everything()).toBe(before);
    expect(heard).toEqual([]);
  });

  test('it waits for nobody: a row that a writer holds is answered as held', async () => {
    const writer = await database.connect('postgres');
    await writer.query('begin');
    await writer.query(`update platform.customers set name = name where id = '${ada}'`);
    const asked = { target: 'platform.customers', verb: 'update', field: 'name', row: ada, value: 'Eve' };
    expect(await tryAs('foundation', asked)).toMatchObject({ code: '55P03' });
    await writer.query('rollback');
  });
});

describe('the login of trials can do nothing else', () => {
  test.each([
    `select * from platform.customers`,
    `select * from sync.events`,
    `update platform.customers set name = 'Eve'`,
    `select sync.try_statement('foundation', 'platform.customers', 'select', 'name', null, null)`,
    `select sync.row_of_trial('platform.customers', null)`,
    `set role foundation_role`,
    `set role foundation_trial`,
    `set session authorization foundation_app`,
    `create temporary table t ()`,
    `create or replace function sync.try_as_foundation(target text, verb text, field text, row_id text, value text) returns jsonb
       language sql as 'select null::jsonb'`,
    `alter function sync.try_as_foundation(text, text, text, text, text) security invoker`,
    // The setting names an app to the trial alone: without rights it opens nothing.
    `set aether.trial = 'foundation'; select sync.publish('foundation.x', 'k', '{}')`,
  ])('%s', async (attack) => {
    await expect(simulator.query(attack)).rejects.toMatchObject({ code: '42501' });
  });

  test('names are looked up, and a value is a value: no SQL comes through', async () => {
    const bad = '22023';
    for (const asked of [
      { target: 'platform.customers; drop table platform.tiers', verb: 'delete' },
      { target: 'pg_catalog.pg_authid', verb: 'select', field: 'rolpassword' },
      { target: 'ext.anything', verb: 'select', field: 'data' },
      { target: 'platform.customers', verb: 'truncate' },
      { target: 'platform.customers', verb: 'update', field: 'name = (select 1), email', row: ada, value: 'x' },
      { target: 'platform.customers', verb: 'update', field: 'ctid', row: ada, value: '(0,1)' },
    ])
      await expect(tryAs('foundation', asked)).rejects.toMatchObject({ code: bad });
    const value = `', email = 'stolen@acme.org`;
    expect(
      await tryAs('foundation', { target: 'platform.customers', verb: 'update', field: 'name', row: ada, value }),
    ).toMatchObject({
      code: 'done',
    });
    expect(
      await tryAs('foundation', { target: 'platform.customers', verb: 'select', field: 'name', row: `' or true` }),
    ).toMatchObject({
      code: 'no_row',
    });
  });

  test('an answer holds nothing of the row', async () => {
    const answers = await Promise.all([
      tryAs('foundation', { target: 'platform.customers', verb: 'select', field: 'email', row: ada }),
      tryAs('foundation', { target: 'platform.customers', verb: 'insert', field: 'name', row: ada, value: 'X' }),
    ]);
    expect(JSON.stringify(answers)).not.toMatch(/ada/i);
  });

  test('no other login may try anything', async () => {
    for (const login of ['foundation_app', 'support_app', 'console_app', 'sync_app', 'observer_app'] as const) {
      const client = await database.connect(login);
      await expect(
        client.query(`select sync.try_as_support('platform.customers', 'select', 'name', null, null)`),
      ).rejects.toMatchObject({ code: '42501' });
    }
  });
});
