import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import type { LoggedEvent } from '../operations/log.ts';
import { readEvents } from '../operations/searching.ts';
import { startTestPlatform, type TestPlatform, until } from '../testing.ts';

let platform: TestPlatform;
let foundation: pg.Client;
let support: pg.Client;
let owner: pg.Client;
const made: Record<string, string> = {};

beforeAll(async () => {
  platform = await startTestPlatform();
  foundation = await platform.database.connect('foundation_app');
  support = await platform.database.connect('support_app');
  owner = await platform.database.connect('platform_migrator');
  await owner.query('set role platform_owner');
  const id = async (client: pg.Client, text: string, values: unknown[] = []) =>
    (await client.query(text, values)).rows[0].id;
  made.company = await id(foundation, `insert into platform.companies (name) values ('Acme') returning id`);
  made.customer = await id(
    foundation,
    `insert into platform.customers (email, name) values ('ada@example.com', 'Ada') returning id`,
  );
  made.pipeline = await id(foundation, `insert into crm.pipelines (name) values ('Sales') returning id`);
  made.stage = await id(
    foundation,
    `insert into crm.pipeline_stages (pipeline_id, name, position) values ($1, 'Open', 1) returning id`,
    [made.pipeline],
  );
  made.widget = await id(
    support,
    `insert into support.widgets (key, name) values ('capture-widget', 'W') returning id`,
  );
  made.session = await id(
    support,
    `insert into support.sessions (widget_id, customer_id, visitor_email, visitor_name, token_hash)
      values ($1, $2, 'v@example.com', 'V', sha256('secret')) returning id`,
    [made.widget, made.customer],
  );
});

/** The events that a piece of work adds to the log. */
async function eventsOf(work: () => Promise<unknown>): Promise<LoggedEvent[]> {
  await until(async () => (await platform.sync.query('select sync.outbox_age() is null as empty')).rows[0].empty);
  const after = Number(
    (await platform.sync.query('select coalesce(max(position), 0) as head from sync.events')).rows[0].head,
  );
  await work();
  await until(async () => (await platform.sync.query('select sync.outbox_age() is null as empty')).rows[0].empty);
  return readEvents(platform.sync, { after, limit: 100 });
}

const briefly = (events: LoggedEvent[]) =>
  events.map(({ type, customer, app, audience }) => ({ type, customer, app, audience }));

describe('a change of', () => {
  test('a deal is an event of its customer, for Foundation alone', async () => {
    const events = await eventsOf(async () => {
      await foundation.query(
        `insert into crm.deals (customer_id, pipeline_id, stage_id, name) values ($1, $2, $3, 'Pilot')`,
        [made.customer, made.pipeline, made.stage],
      );
      await foundation.query(`update crm.deals set amount = 100 where name = 'Pilot'`);
    });
    expect(briefly(events)).toEqual(
      ['deal.created', 'deal.updated'].map((type) => ({
        type,
        customer: made.customer,
        app: 'foundation',
        audience: 'crm',
      })),
    );
    expect(new Set(events.map(({ key, row_id }) => `${key} of deal:${row_id}`)).size).toBe(1);
    expect(events[0]?.key).toBe(`deal:${events[0]?.row_id}`);
    expect(events[1]).toMatchObject({ version: 2, data: { name: 'Pilot', amount: 100 }, previous: { amount: 0 } });
  });

  test('a message is an event of its session’s customer, for Support alone', async () => {
    const [event] = await eventsOf(() =>
      support.query(
        `insert into support.messages (session_id, number, author, client_id, body) values ($1, 1, 'visitor', 'c1', 'Hello')`,
        [made.session],
      ),
    );
    expect(event).toMatchObject({
      type: 'message.created',
      key: made.session,
      customer: made.customer,
      audience: 'support',
      data: { body: 'Hello', number: 1 },
    });
  });

  test('a company, a user, a contact, a call and an activity are events too', async () => {
    const events = await eventsOf(async () => {
      await foundation.query(`update platform.companies set name = 'Acme Ltd' where id = $1`, [made.company]);
      await foundation.query(`select from platform.sign_in_user('zoe', 'zoe@aether.example', 'Zoe', null, null)`);
      await foundation.query(`insert into crm.contacts (company_id, customer_id, name) values ($1, $2, 'Ada')`, [
        made.company,
        made.customer,
      ]);
      await support.query(
        `insert into support.calls (customer_id, direction, number_e164, started_at) values ($1, 'inbound', '+4930123456', now())`,
        [made.customer],
      );
      await foundation.query(
        `insert into crm.activities (customer_id, type, description) values ($1, 'note', 'A note')`,
        [made.customer],
      );
    });
    expect(events.map((event) => event.type)).toEqual([
      'company.updated',
      'user.created',
      'contact.created',
      'call.created',
      'activity.created',
    ]);
  });

  test('a deleted row is an event with the row’s last values', async () => {
    const [, deleted] = await eventsOf(async () => {
      await owner.query(`insert into platform.companies (name, created_by_app) values ('Short-lived', 'foundation')`);
      await owner.query(`delete from platform.companies where name = 'Short-lived'`);
    });
    expect(deleted).toMatchObject({
      type: 'company.deleted',
      app: 'operator',
      data: {},
      previous: { name: 'Short-lived' },
    });
  });
});

test('secrets and the database’s internal columns are in no event', async () => {
  const events = await eventsOf(async () => {
    await support.query(
      `update support.sessions set token_hash = sha256('another'), message_count = 5, visitor_name = 'Ada K' where id = $1`,
      [made.session],
    );
    await foundation.query(`select from platform.sign_in_user('max', 'max@aether.example', 'Max', 't', 'o')`);
    await foundation.query(`update platform.customers set email = 'Ada.King@example.com' where id = $1`, [
      made.customer,
    ]);
  });
  expect(events.map((event) => event.type)).toEqual(['session.updated', 'user.created', 'customer.updated']);
  const shown = events.flatMap((event) => [...Object.keys(event.data), ...Object.keys(event.previous)]);
  for (const hidden of [
    'token_hash',
    'directory_tenant_id',
    'directory_object_id',
    'email_key',
    'message_count',
    'version',
    'updated_at',
  ])
    expect(shown).not.toContain(hidden);
});

test('a row without a customer is an event with a key and without a customer', async () => {
  const events = await eventsOf(() =>
    support.query(
      `insert into support.sessions (widget_id, visitor_email, visitor_name, token_hash)
        values ($1, 'n@example.com', 'N', sha256('nobody'))`,
      [made.widget],
    ),
  );
  expect(events).toMatchObject([{ type: 'session.created', key: events[0]?.row_id, customer: null }]);
});

test('events carry the actor, the login and the trace of their transaction', async () => {
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const [event] = await eventsOf(() =>
    platform.foundation.transaction({ actor: 'zoe', trace }, (tx) =>
      platform.foundation.updateCustomer(made.customer as string, { phone: '+1 212 555 0101' }, { tx }),
    ),
  );
  expect(event).toMatchObject({ actor: 'zoe', trace, login: 'foundation_app', app: 'foundation' });
});

test('every captured table either captures or deliberately hides each of its columns', async () => {
  const left = new Set([
    'version',
    'updated_at',
    'token_hash',
    'email_key',
    'directory_tenant_id',
    'directory_object_id',
    'message_count',
    'last_message_at',
    'visitor_read_number',
    'agent_read_number',
    'is_new_to_agent',
    'idle_check_at',
    'due_at',
    'warn_at',
    'warned_at',
    'clocked_at',
    'page',
    'client_id',
    'request_digest',
  ]);
  const { rows } = await platform.superuser.query(
    `select t.tgrelid::regclass::text as name, p.prosrc as body, array_agg(a.attname::text) as columns
     from pg_trigger t join pg_proc p on p.oid = t.tgfoid
       join pg_attribute a on a.attrelid = t.tgrelid and a.attnum > 0 and not a.attisdropped
     where t.tgname = 'z_capture' group by 1, 2`,
  );
  expect(rows).toHaveLength(16);
  for (const { name, body, columns } of rows)
    for (const column of columns.filter((each: string) => !left.has(each)))
      expect(body, `${name} forgets ${column}`).toContain(`'${column}'`);
});

describe('publishing an app’s own event', () => {
  test('commits with the transaction, under the app’s name, and reaches both apps', async () => {
    const { foundation: db } = platform;
    const publish = (tx: Parameters<typeof db.events.publish>[2]) =>
      db.events.publish('foundation.report_made' as never, { pages: 3 } as never, tx, { key: made.customer });
    const events = await eventsOf(async () => {
      await db.transaction({}, publish);
      await expect(
        db.transaction({}, async (tx) => {
          await publish(tx);
          throw new Error('changed my mind');
        }),
      ).rejects.toThrow('changed my mind');
    });
    expect(events).toMatchObject([
      {
        type: 'foundation.report_made',
        key: made.customer,
        audience: 'platform',
        app: 'foundation',
        data: { pages: 3 },
      },
    ]);
  });

  test.each([
    ['customer.updated', { name: 'Forged' }, 'type'],
    ['support.greeting_sent', {}, 'type'],
    ['foundation.big', { text: 'x'.repeat(70_000) }, 'data'],
    ['foundation.list', [], 'data'],
  ])('of type %s with data %j is refused', async (type, data, field) => {
    const refused = platform.foundation.transaction({}, (tx) =>
      platform.foundation.events.publish(type as never, data as never, tx),
    );
    await expect(refused).rejects.toMatchObject({ code: 'invalid-field', fields: [{ field }] });
  });
});
