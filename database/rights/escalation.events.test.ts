import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing.ts';

let database: TestDatabase;
let sync: pg.Client;
let apps: { foundation: pg.Client; support: pg.Client; console: pg.Client };

beforeAll(async () => {
  database = await createTestDatabase();
  apps = {
    foundation: await database.connect('foundation_app'),
    support: await database.connect('support_app'),
    console: await database.connect('console_app'),
  };
  sync = await database.connect('sync_app');
  await apps.support.query(`insert into support.widgets (key, name) values ('events-widget', 'W')`);
  await apps.support.query(
    `insert into support.sessions (widget_id, visitor_email, visitor_name, token_hash) select id, 'v@example.com', 'V', sha256('x')
      from support.widgets`,
  );
  await apps.foundation.query(`insert into platform.customers (email, name) values ('ada@example.com', 'Ada')`);
  await apps.foundation.query(`insert into sync.subscriptions (name, position) values ('foundation.own', 0)`);
  await apps.support.query(`insert into sync.subscriptions (name, position) values ('support.own', 0)`);
  for (const app of ['foundation', 'support'] as const)
    await apps[app].query(
      `insert into sync.parked (subscription, position, key, state, attempts) values ($1, 1, 'k', 'dead', 1)`,
      [`${app}.own`],
    );
  await sync.query(`begin; select from sync.sequencer for update; select sync.sequence(100, 0); commit`);
});

const attempt = (client: pg.Client, text: string) =>
  client.query(text).then(
    (result) => result.rowCount,
    (error) => error.code,
  );

test('each app reads the shared events and its own, but no others', async () => {
  const types = async (client: pg.Client) =>
    (await client.query('select distinct type from sync.events order by 1')).rows.map((row) => row.type);
  expect(await types(apps.foundation)).toEqual(['customer.created']);
  expect(await types(apps.support)).toEqual(['customer.created', 'session.created']);
  expect(await attempt(await database.connect('observer_app'), 'select from sync.events')).toBe('42501');
});

test('the worker reads the subscriptions and parked events of every app, and changes only its own: acts leave a record', async () => {
  const others = `where subscription in ('foundation.own', 'support.own')`;
  expect(await attempt(sync, `select from sync.parked ${others}`)).toBe(2);
  for (const [text, ends] of [
    [`update sync.subscriptions set position = 99 where name = 'support.own'`, 0],
    [`update sync.subscriptions set is_paused = true, pause_reason = 'x' where name = 'support.own'`, 0],
    [`select from sync.subscriptions where name = 'support.own' for update`, 0],
    [`insert into sync.subscriptions (name, position) values ('support.more', 0)`, '23514'],
    [`delete from sync.subscriptions where name = 'support.own'`, '42501'],
    ['do $$ begin lock table sync.subscriptions in share mode; end $$', '42501'],
    [`update sync.parked set state = 'waiting' ${others}`, 0],
    [`insert into sync.parked (subscription, position, key, state) values ('support.own', 2, 'k', 'dead')`, '42501'],
    [`delete from sync.parked ${others}`, '42501'],
    [`select where sync.remove_subscription('support.own')`, 0],
  ] as const)
    expect([text, await attempt(sync, text)]).toEqual([text, ends]);
  await sync.query(`select sync.unpark('support.own', 1)`);
  expect(await attempt(sync, `select from sync.parked ${others}`)).toBe(2);
  // A relay is a subscription of the worker.
  await sync.query(`insert into sync.subscriptions (name, position) values ('sync.relay', 0)`);
  await sync.query(
    `insert into sync.parked (subscription, position, key, state) values ('sync.relay', 1, 'k', 'dead')`,
  );
  expect(await attempt(sync, `update sync.subscriptions set position = 1 where name = 'sync.relay'`)).toBe(1);
  await sync.query(`select sync.unpark('sync.relay', 1)`);
  expect(await attempt(sync, `select from sync.parked where subscription = 'sync.relay'`)).toBe(0);
  expect(await attempt(sync, `select where sync.remove_subscription('sync.relay')`)).toBe(1);
});

test('the console reads the events of every app, their subscriptions and what is parked, and changes none of them', async () => {
  const read = async (text: string) => (await apps.console.query(text)).rows.map((row) => row.name);
  expect(await read('select distinct type as name from sync.events order by 1')).toEqual([
    'customer.created',
    'session.created',
  ]);
  const own = ['foundation.own', 'support.own'];
  expect(await read('select name from sync.subscriptions order by 1')).toEqual(own);
  expect(await read('select subscription as name from sync.parked order by 1')).toEqual(own);
  expect(await read('select 1 as name from sync.sequencer')).toEqual([1]);
  for (const [text, ends] of [
    ['update sync.subscriptions set position = 99', 0],
    [`insert into sync.subscriptions (name, position) values ('support.more', 0)`, '23514'],
    ['delete from sync.subscriptions', '42501'],
    [`update sync.parked set state = 'waiting'`, 0],
    [`insert into sync.parked (subscription, position, key, state) values ('support.own', 2, 'k', 'dead')`, '42501'],
    ['delete from sync.parked', '42501'],
    [`select where sync.remove_subscription('support.own')`, 0],
    ['select from sync.sequencer for update', '42501'],
    ['select from sync.outbox', '42501'],
    ['select from crm.deals', '42501'],
    ['select from support.messages', '42501'],
    [`update platform.users set role = 'admin'`, '42501'],
  ] as const)
    expect([text, await attempt(apps.console, text)]).toEqual([text, ends]);
});

describe.each(['foundation', 'support'] as const)('%s', (app) => {
  test.each([
    'select from sync.outbox',
    `insert into sync.outbox (type, key, row_id, audience, app, login, data)
      values ('customer.updated', 'x', 'x', 'platform', 'support', 'x', '{}')`,
    'delete from sync.outbox',
    `insert into sync.events (position, id, type, key, row_id, audience, app, login, data, previous, occurred_at)
      values (1000, 1, 't', 'k', 'r', 'platform', 'a', 'l', '{}', '{}', now())`,
    `update sync.events set data = '{}'`,
    'delete from sync.events',
    'truncate sync.events',
    'select from sync.events_p0',
    'select from sync.sequencer for update',
    'select sync.sequence(10, 0)',
    'select sync.add_partitions()',
    `select sync.drop_oldest_partition('0')`,
    'select sync.list_holders(0, 1)',
    'select sync.ring()',
    'drop table sync.events_p0',
    'alter table sync.events detach partition sync.events_p0',
    'update sync.sequencer set floor_id = 9000000',
    `select nextval('sync.outbox_id')`,
    `select sync.capture_platform_customers()`,
    `call sync.capture('platform.customers', 'customer', 'platform', 'r.id', 'r.id')`,
    `create trigger forged after insert on platform.customers for each row execute function sync.capture_crm_deals()`,
    'alter table platform.customers disable trigger z_capture',
    `set session_replication_role = replica`,
    `select sync.publish('customer.updated', 'k', '{}', 'platform')`,
    `select sync.publish('operator.shutdown', 'k', '{}', 'platform')`,
    `insert into sync.subscriptions (name, app, position) values ('x.forged', 'sync', 0)`,
  ])('cannot %s', async (text) => {
    expect(await attempt(apps[app], text)).toBe('42501');
  });

  test('cannot publish an event in the name of the other app, or one for the other app alone', async () => {
    const other = app === 'foundation' ? 'support' : 'foundation';
    const others = app === 'foundation' ? 'support' : 'crm';
    expect(await attempt(apps[app], `select sync.publish('${other}.x', 'k', '{}', 'platform')`)).toBe('42501');
    expect(await attempt(apps[app], `select sync.publish('${app}.x', 'k', '{}', '${others}')`)).toBe('42501');
    expect(await attempt(apps[app], `select sync.publish('${app}.x', 'k', '[]', 'platform')`)).toBe('23514');
    expect(await attempt(apps[app], `select sync.publish('${app}.x', 'k', '{}', 'platform')`)).toBe(1);
  });

  test.each(['sync.subscriptions', 'sync.parked', 'sync.events', 'sync.sequencer'])(
    'cannot lock the whole of %s and stop the other app with it',
    async (table) => {
      const lock = (mode: string) => attempt(apps[app], `do $$ begin lock table ${table} in ${mode} mode; end $$`);
      expect(await lock('access exclusive')).toBe('42501');
      expect(await lock('share')).toBe('42501');
    },
  );

  test('cannot take the name of a subscription before the other app does', async () => {
    const other = app === 'foundation' ? 'support' : 'foundation';
    const insert = (name: string) => `insert into sync.subscriptions (name, position) values ('${name}', 0)`;
    expect(await attempt(apps[app], insert(`${other}.customer.updated`))).toBe('23514');
    expect(await attempt(apps[app], insert('nobody.at-all'))).toBe('23514');
    expect(await attempt(apps[app], insert(`${app}.customer.updated`))).toBe(1);
  });

  test('cannot see or move the subscriptions and parked events of the other app', async () => {
    const other = app === 'foundation' ? 'support' : 'foundation';
    expect(await attempt(apps[app], `select from sync.subscriptions where name = '${other}.own'`)).toBe(0);
    expect(await attempt(apps[app], `update sync.subscriptions set position = 99 where name = '${other}.own'`)).toBe(0);
    expect(await attempt(apps[app], `delete from sync.subscriptions where name = '${other}.own'`)).toBe('42501');
    expect(
      await attempt(
        apps[app],
        `insert into sync.parked (subscription, position, key, state) values ('${other}.own', 1, 'k', 'dead')`,
      ),
    ).toBe('42501');
    expect(await attempt(apps[app], `update sync.subscriptions set app = '${other}'`)).toBe('42501');
    expect(
      await attempt(apps[app], `update sync.parked set state = 'waiting' where subscription = '${other}.own'`),
    ).toBe(0);
    expect(await attempt(apps[app], `delete from sync.parked where subscription = '${other}.own'`)).toBe('42501');
    expect(await attempt(apps[app], `select from sync.parked where subscription = '${other}.own'`)).toBe(0);
    expect(await attempt(apps[app], `select where sync.remove_subscription('${other}.own')`)).toBe(0);
    await apps[app].query(`insert into sync.subscriptions (name, position) values ('${app}.gone', 0)`);
    expect(await attempt(apps[app], `select where sync.remove_subscription('${app}.gone')`)).toBe(1);
    expect(await attempt(apps[app], `update sync.subscriptions set position = 1 where name = '${app}.own'`)).toBe(1);
  });
});
