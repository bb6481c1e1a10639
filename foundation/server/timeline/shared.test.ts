import type { Customer } from '@aether/platform';
import type pg from 'pg';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

let app: TestFoundation;
let superuser: pg.Client;
let support: pg.Client;
let widget: string;
let unique = 0;
beforeAll(async () => {
  app = await startTestFoundation();
  [superuser, support] = await Promise.all([app.database.connect('postgres'), app.database.connect('support_app')]);
  await app.callAs('admin')('GET', '/api/tiers');
  await superuser.query(`update platform.users set role = 'admin' where id = 'admin'`);
  await superuser.query(`insert into platform.users (id, email, name) values ('priya', 'priya@example.com', 'Priya Nair')
    on conflict do nothing`);
  [{ id: widget }] = (
    await superuser.query(`insert into support.widgets (key, name) values ('shared-1', 'Shop') returning id`)
  ).rows;
});
beforeEach(() => share({ conversations: 'nobody', calls: 'nobody' }));

const share = async (readers: Record<string, string>) => {
  for (const [what, who] of Object.entries(readers))
    await support.query('update support.sharing set readers = $2 where what = $1', [what, who]);
};

type Chat = { customer: Customer; session: string; activity: string };

/** A conversation of three messages and a note that has ended, and a call with notes, in the timeline of a customer of Maya. */
async function haveTalked(): Promise<Chat> {
  const customer = await app.foundation.createCustomer({ name: 'Erik', email: `shared${++unique}@example.com` });
  await app.call('PATCH', `/api/customers/${customer.id}`, { account_manager_id: 'maya' });
  const { rows: agents } = await superuser.query(
    `insert into support.agents (user_id) values ('priya') on conflict (user_id) do update set is_active = true returning id`,
  );
  const { rows: sessions } = await superuser.query(
    `insert into support.sessions (widget_id, customer_id, visitor_email, visitor_name, token_hash, message_count)
     values ($1, $2, 'e@example.com', 'Erik H.', sha256($3), 3) returning id`,
    [widget, customer.id, `shared${unique}`],
  );
  const session = sessions[0].id;
  await superuser.query(
    `insert into support.messages (session_id, number, author, agent_id, client_id, body)
     values ($1, 1, 'bot', null, 'c1', 'Hello'), ($1, 2, 'visitor', null, 'c2', 'Is it waterproof?'), ($1, 3, 'agent', $2, 'c3', 'It is.')`,
    [session, agents[0].id],
  );
  await superuser.query(
    `insert into support.session_entries (session_id, kind, agent_id, client_id, body) values ($1, 'note', $2, 'n1', 'He is rude')`,
    [session, agents[0].id],
  );
  await superuser.query(
    `update support.sessions set status = 'ended', resolved = true, ended_at = now() where id = $1`,
    [session],
  );
  const { rows: calls } = await superuser.query(
    `insert into support.calls (customer_id, direction, number_e164, outcome, notes, started_at)
     values ($1, 'inbound', '+4722334455', 'resolved', 'Wants a discount', now()) returning id`,
    [customer.id],
  );
  await support.query(
    `insert into crm.activities (customer_id, type, description, metadata, occurred_at, idempotency_key)
     select customer_id, type, description, metadata, occurred_at, idempotency_key from support.activity_of_session($1)
     union all select $2, 'support_call', 'Inbound call', jsonb_build_object('call_id', $3::uuid), now(), 'call:' || $3`,
    [session, customer.id, calls[0].id],
  );
  const { rows } = await superuser.query(`select id from crm.activities where idempotency_key = $1`, [
    `session:${session}`,
  ]);
  return { customer, session, activity: rows[0].id };
}

const entriesOf = async ({ customer }: Chat, as: TestFoundation['call']) =>
  (await as('GET', `/api/customers/${customer.id}/timeline?kind=activity`)).body.entries;
/** What the timeline says of both. */
const sharedWith = async (chat: Chat, as: TestFoundation['call']) =>
  Object.fromEntries(
    (await entriesOf(chat, as)).map((entry: { type: string; is_conversation_shared?: true; shared_notes?: string }) => [
      entry.type,
      entry.is_conversation_shared ?? entry.shared_notes,
    ]),
  );
const read = (chat: Chat, as: TestFoundation['call'], query = '') =>
  as('GET', `/api/activities/${chat.activity}/conversation${query}`);
const nothing = { support_chat: undefined, support_call: undefined };
const both = { support_chat: true, support_call: 'Wants a discount' };

describe('what Support shares', () => {
  test('is nothing until an administrator of Support says otherwise', async () => {
    const chat = await haveTalked();
    for (const who of ['maya', 'admin']) {
      expect(await sharedWith(chat, app.callAs(who))).toEqual(nothing);
      expect(await read(chat, app.callAs(who))).toMatchObject({
        status: 403,
        body: { code: 'conversation-not-shared' },
      });
    }
  });

  test('with managers is for the customer’s own one and for administrators, and nobody else', async () => {
    const chat = await haveTalked();
    await share({ conversations: 'managers', calls: 'managers' });
    for (const who of ['maya', 'admin']) expect(await sharedWith(chat, app.callAs(who))).toEqual(both);
    expect(await sharedWith(chat, app.callAs('tom'))).toEqual(nothing);
    expect((await read(chat, app.callAs('tom'))).status).toBe(403);
    await app.call('PATCH', `/api/customers/${chat.customer.id}`, { account_manager_id: 'tom' });
    expect((await read(chat, app.callAs('tom'))).status).toBe(200);
    expect((await read(chat, app.callAs('maya'))).status).toBe(403);
  });

  test('with everybody is what was said, in order and by pages, without the agents’ notes', async () => {
    const chat = await haveTalked();
    await share({ conversations: 'everybody' });
    expect(await sharedWith(chat, app.callAs('tom'))).toEqual({ ...nothing, support_chat: true });
    expect((await read(chat, app.callAs('tom'))).body.messages).toEqual([
      { number: 1, author: 'bot', name: null, body: 'Hello', files: 0, at: expect.any(String) },
      { number: 2, author: 'visitor', name: 'Erik H.', body: 'Is it waterproof?', files: 0, at: expect.any(String) },
      { number: 3, author: 'agent', name: 'Priya Nair', body: 'It is.', files: 0, at: expect.any(String) },
    ]);
    const page = (await read(chat, app.callAs('tom'), '?after=1&limit=1')).body.messages;
    expect(page.map(({ number }: { number: number }) => number)).toEqual([2]);
  });

  test('leaves out a conversation that goes on, one of a team, and one that has gone to an erased customer', async () => {
    await share({ conversations: 'everybody', calls: 'everybody' });
    const [open, teams, gone] = [await haveTalked(), await haveTalked(), await haveTalked()];
    await superuser.query(
      `update support.sessions set status = 'active', resolved = null, ended_at = null where id = $1`,
      [open.session],
    );
    expect((await read(open, app.callAs('tom'))).status).toBe(403);
    await superuser.query('update platform.customers set erased_at = now() where id = $1', [gone.customer.id]);
    expect((await read(gone, app.callAs('tom'))).status).toBe(403);
    await superuser.query(
      `insert into support.widget_agents (widget_id, agent_id) select $1, id from support.agents where user_id = 'priya'`,
      [widget],
    );
    expect((await read(teams, app.callAs('tom'))).status).toBe(403);
    expect(await sharedWith(teams, app.callAs('tom'))).toEqual({ ...both, support_chat: undefined });
    await superuser.query('delete from support.widget_agents');
  });

  test('follows a correction of the notes, and a merge', async () => {
    await share({ conversations: 'managers', calls: 'managers' });
    const chat = await haveTalked();
    const survivor = await app.foundation.createCustomer({ name: 'Erika', email: `shared-s${unique}@example.com` });
    await app.call('PATCH', `/api/customers/${survivor.id}`, { account_manager_id: 'tom' });
    await superuser.query(`update support.calls set notes = 'Gets none' where customer_id = $1`, [chat.customer.id]);
    const steward = await app.database.connect('console_app');
    await steward.query(`select set_config('aether.actor', 'admin', false)`);
    await steward.query('select platform.merge_customers($1, array[$2]::uuid[])', [survivor.id, chat.customer.id]);
    expect(await sharedWith({ ...chat, customer: survivor }, app.callAs('tom'))).toEqual({
      ...both,
      support_call: 'Gets none',
    });
  });

  test('is nothing of an entry whose words are gone with their time, which stays in the timeline', async () => {
    await share({ conversations: 'everybody', calls: 'everybody' });
    const chat = await haveTalked();
    const { rows } = await superuser.query('select id from crm.activities where customer_id = $1', [chat.customer.id]);
    await superuser.query(`select platform.scrub_aged('crm.activities', 'r.id = any ($1)', $1, 0)`, [
      rows.map(({ id }) => id),
    ]);
    expect(await sharedWith(chat, app.callAs('tom'))).toEqual(nothing);
    expect((await read(chat, app.callAs('tom'))).status).toBe(404);
  });

  test('is no entry of another kind, none that somebody of the CRM has made look like one, and none that there is not', async () => {
    await share({ conversations: 'everybody' });
    const { customer, session } = await haveTalked();
    const forged = await app.call('POST', `/api/customers/${customer.id}/activities`, {
      ...{ type: 'support_chat', description: 'Hi', metadata: { session_id: session } },
    });
    expect(forged.status).toBe(422);
    const note = (
      await app.call('POST', `/api/customers/${customer.id}/activities`, { type: 'note', description: 'Hi' })
    ).body;
    for (const id of [note.id, '01900000-0000-7000-8000-000000000000'])
      expect(await app.call('GET', `/api/activities/${id}/conversation`)).toMatchObject({ status: 404 });
  });

  test('cannot be asked for by Support’s role, nor decided by the CRM’s', async () => {
    const foundation = await app.database.connect('foundation_app');
    await expect(foundation.query('select * from support.sharing')).rejects.toThrow('permission denied');
    await expect(foundation.query('select body from support.messages')).rejects.toThrow('permission denied');
    await expect(support.query(`select platform.read_shared_calls('{}')`)).rejects.toThrow('permission denied');
  });
});
