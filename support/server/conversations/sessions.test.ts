import { untilSomebodyWaits } from '@aether/database/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { racing, startTestSupport, type TestSupport, widgetKey } from '../testing.ts';

let app: TestSupport;
let asPriya: TestSupport['call'];
let unique = 0;
beforeAll(async () => {
  app = await startTestSupport(racing);
  asPriya = app.callAs('priya');
});

async function openSession(
  email = `visitor${++unique}@post.example`,
): Promise<{ id: string; token: string; email: string }> {
  const { body } = await app.call('POST', `/api/widgets/${widgetKey}/sessions`, { email, name: 'Ada' });
  return { id: body.session_id, token: body.visitor_token, email };
}

const activitiesOf = (sessionId: string) =>
  app.foundation.query(
    `select customer_id, type, description, metadata, created_by_app, created_by, created_by_login from crm.activities
      where idempotency_key = $1`,
    [`session:${sessionId}`],
  );

describe('an agent', () => {
  test('who answers first is assigned the conversation, and the visitor sees the agent’s name', async () => {
    const { id, token } = await openSession();
    const reply = await asPriya('POST', `/api/sessions/${id}/replies`, { client_id: 'r1', body: 'Hello Ada' });
    expect(reply).toMatchObject({ status: 201, body: { number: 1, author: 'agent', agent_name: 'Priya Nair' } });
    const seen = await app.call('GET', `/api/sessions/${id}/messages`, undefined, { Authorization: `Bearer ${token}` });
    expect(seen.body.messages).toEqual([reply.body]);
    const { body } = await asPriya('GET', `/api/sessions/${id}`);
    expect(body).toMatchObject({
      session: { agent: { name: 'Priya Nair' }, identity: 'claimed', message_count: 1, widget: { name: 'Test shop' } },
      messages: [{ body: 'Hello Ada' }],
    });
  });

  test('and a visitor may use the same client_id without affecting each other', async () => {
    const { id, token } = await openSession();
    await app.call(
      'POST',
      `/api/sessions/${id}/messages`,
      { client_id: '1', body: 'Hi' },
      { Authorization: `Bearer ${token}` },
    );
    const reply = await asPriya('POST', `/api/sessions/${id}/replies`, { client_id: '1', body: 'Hello' });
    expect(reply).toMatchObject({ status: 201, body: { number: 2 } });
  });

  test('sends no placeholder that nobody filled in, and saves no canned answer with an unknown one', async () => {
    const { id } = await openSession();
    const refused = {
      status: 422,
      body: { errors: [{ field: 'body', message: expect.stringContaining('placeholders') }] },
    };
    const say = (body: string) => asPriya('POST', `/api/sessions/${id}/replies`, { client_id: `p${++unique}`, body });
    for (const body of ['Hello {{customer.name}}', 'Order {{ order.id }} is here'])
      expect(await say(body)).toMatchObject(refused);
    expect((await say('Write { or {{ as you like')).status).toBe(201);
    const save = (body: string) =>
      asPriya('POST', '/api/canned-answers', { shortcut: `s${++unique}`, title: 'Hello', body });
    expect(await save('Hello {{customer.nmae}}')).toMatchObject(refused);
    expect((await save('Hello {{customer.name}}')).status).toBe(201);
  });

  test('is required: another user is refused', async () => {
    const { id } = await openSession();
    const answer = await app.callAs('maya')('POST', `/api/sessions/${id}/replies`, { client_id: 'r1', body: 'x' });
    expect(answer).toMatchObject({ status: 403, body: { code: 'agent-only' } });
  });

  test('lists conversations newest first, page by page, by customer and status', async () => {
    const email = 'often@example.com';
    const ids = [];
    for (let n = 0; n < 3; n += 1) ids.unshift((await openSession(email)).id);
    await asPriya('POST', `/api/sessions/${ids[1]}/end`, { resolved: true });
    const customer = await app.support.getCustomerByEmail(email);
    const list = async (query: string) => {
      const { body } = await asPriya('GET', `/api/sessions?customer_id=${customer?.id}&${query}`);
      return { ids: body.sessions.map((session: { id: string }) => session.id), cursor: body.next_cursor };
    };
    const first = await list('limit=2');
    expect(first.ids).toEqual(ids.slice(0, 2));
    expect(await list(`limit=2&cursor=${first.cursor}`)).toEqual({ ids: ids.slice(2), cursor: null });
    expect((await list('status=ended')).ids).toEqual([ids[1]]);
  });
});

describe('ending a conversation', () => {
  test('adds one activity to the CRM, as Support, also for a customer whom Foundation has not numbered', async () => {
    const { id, token, email } = await openSession();
    await app.call(
      'POST',
      `/api/sessions/${id}/messages`,
      { client_id: '1', body: 'Hi' },
      { Authorization: `Bearer ${token}` },
    );
    const ended = await asPriya('POST', `/api/sessions/${id}/end`, { resolved: true });
    expect(ended).toMatchObject({
      status: 200,
      body: { already_ended: false, session: { status: 'ended', resolved: true, message_count: 1 } },
    });
    const customer = await app.foundation.getCustomerByEmail(email);
    expect(customer?.crm_id).toBeNull();
    const [activity, ...more] = await activitiesOf(id);
    expect(more).toEqual([]);
    expect(activity).toEqual({
      customer_id: customer?.id,
      type: 'support_chat',
      description: 'Support conversation resolved (unverified visitor)',
      metadata: {
        session_id: id,
        identity: 'claimed',
        message_count: 1,
        duration_seconds: expect.any(Number),
        resolved: true,
        summary: expect.any(String),
      },
      created_by_app: 'support',
      created_by: 'priya',
      created_by_login: 'support_app',
    });
  });

  test('adds the agent’s summary to the timeline, or otherwise the visitor’s first question', async () => {
    const [asked, told] = [await openSession(), await openSession()];
    for (const { id } of [asked, told])
      await asPriya('POST', `/api/sessions/${id}/replies`, { client_id: 'a1', body: 'How can I help?' });
    await app.call(
      'POST',
      `/api/sessions/${asked.id}/messages`,
      { client_id: '1', body: 'Where is my order?' },
      { Authorization: `Bearer ${asked.token}` },
    );
    await asPriya('POST', `/api/sessions/${asked.id}/end`, { resolved: true });
    await asPriya('POST', `/api/sessions/${told.id}/end`, { resolved: true, summary: 'Late parcel, refunded' });
    const summaryOf = async ({ id }: { id: string }) => (await activitiesOf(id))[0]?.metadata.summary;
    expect(await summaryOf(asked)).toBe('Where is my order?');
    expect(await summaryOf(told)).toBe('Late parcel, refunded');
    const tooLong = await asPriya('POST', `/api/sessions/${told.id}/end`, {
      resolved: true,
      summary: 'x'.repeat(401),
    });
    expect(tooLong).toMatchObject({ status: 422, body: { errors: [{ field: 'summary' }] } });
  });

  test('of a verified visitor adds no “unverified”', async () => {
    const { id } = await openSession();
    await app.support.query(`update support.sessions set identity = 'verified' where id = $1`, [id]);
    await asPriya('POST', `/api/sessions/${id}/end`, { resolved: true });
    expect(await activitiesOf(id)).toMatchObject([
      { description: 'Support conversation resolved', metadata: { identity: 'verified' } },
    ]);
  });

  test('without a resolution adds no “resolved”', async () => {
    const { id } = await openSession();
    await asPriya('POST', `/api/sessions/${id}/end`, { resolved: false });
    const [activity] = await activitiesOf(id);
    expect(activity).toMatchObject({
      description: 'Support conversation ended without a resolution (unverified visitor)',
      metadata: { resolved: false },
    });
  });

  test('twenty times at once ends the conversation once', async () => {
    const { id } = await openSession();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => asPriya('POST', `/api/sessions/${id}/end`, { resolved: true })),
    );
    expect(answers.map((answer) => answer.status)).toEqual(Array(20).fill(200));
    expect(answers.filter((answer) => !answer.body.already_ended)).toHaveLength(1);
    expect(await activitiesOf(id)).toHaveLength(1);
  });

  test('again with another result is refused and changes nothing', async () => {
    const { id } = await openSession();
    await asPriya('POST', `/api/sessions/${id}/end`, { resolved: true });
    expect(await asPriya('POST', `/api/sessions/${id}/end`, { resolved: false })).toMatchObject({
      status: 409,
      body: { code: 'session-ended' },
    });
    expect(await activitiesOf(id)).toHaveLength(1);
  });

  test('again with another summary is refused; with the same, or without one, it changes nothing', async () => {
    const { id } = await openSession();
    const end = (summary?: string) => asPriya('POST', `/api/sessions/${id}/end`, { resolved: true, summary });
    await end('Late parcel');
    expect(await end('Refunded')).toMatchObject({ status: 409, body: { code: 'session-ended' } });
    for (const again of [await end('Late parcel'), await end()])
      expect(again).toMatchObject({ status: 200, body: { already_ended: true } });
    expect(await activitiesOf(id)).toMatchObject([{ metadata: { summary: 'Late parcel' } }]);
  });

  test('is for agents, and of another agent’s conversation for administrators and machines', async () => {
    const claimed = async () => {
      const { id } = await openSession();
      await app.callAs('tom')('POST', `/api/sessions/${id}/claim`, {});
      return id;
    };
    const end = (call: TestSupport['call'], id: string) => call('POST', `/api/sessions/${id}/end`, { resolved: true });
    const id = await claimed();
    expect(await end(app.callAs('maya'), id)).toMatchObject({ status: 403, body: { code: 'agent-only' } });
    expect(await end(asPriya, id)).toMatchObject({ status: 409, body: { code: 'session-claimed' } });
    expect(await activitiesOf(id)).toEqual([]);
    expect((await end(app.callAs('tom'), id)).status).toBe(200);
    for (const call of [app.callAs('admin'), app.callWith('conversations.write')]) {
      const id = await claimed();
      expect((await end(call, id)).status).toBe(200);
      expect(await activitiesOf(id)).toHaveLength(1);
    }
  });

  test('by a machine that may not read conversations succeeds, and the answer shows nothing of the conversation', async () => {
    const { id } = await openSession();
    const end = (...scopes: string[]) => app.callWith(...scopes)('POST', `/api/sessions/${id}/end`, { resolved: true });
    expect(await end('conversations.write')).toMatchObject({ status: 200, body: {} });
    expect((await end('conversations.write')).body).toEqual({ already_ended: true });
    expect((await end('conversations.write', 'conversations.read')).body.session).toMatchObject({ id });
  });

  test('of an erased customer succeeds, and adds nothing to the CRM', async () => {
    const { id, token, email } = await openSession();
    const said = { client_id: '1', body: 'My name is Ada' };
    await app.call('POST', `/api/sessions/${id}/messages`, said, { Authorization: `Bearer ${token}` });
    const owner = await app.database.connect('platform_migrator');
    await owner.query('set role platform_owner');
    await owner.query('update platform.customers set erased_at = now() where email = $1', [email]);
    const ended = await asPriya('POST', `/api/sessions/${id}/end`, { resolved: true, summary: 'Ada asked' });
    expect(ended.status).toBe(200);
    expect(await activitiesOf(id)).toEqual([]);
  });

  test('waits for a merge under way, and adds the activity to the surviving customer', async () => {
    const { id, email } = await openSession();
    const loser = await app.support.getCustomerByEmail(email);
    const winner = await app.foundation.createCustomer({ name: 'Goes on', email: 'meanwhile@example.com' });
    const owner = await app.database.connect('platform_migrator');
    await owner.query('set role platform_owner; begin');
    await owner.query('update platform.customers set merged_into = $2 where id = $1', [loser?.id, winner.id]);
    const ending = asPriya('POST', `/api/sessions/${id}/end`, { resolved: true });
    await untilSomebodyWaits(owner);
    await owner.query('commit');
    expect((await ending).status).toBe(200);
    expect(await activitiesOf(id)).toMatchObject([{ customer_id: winner.id }]);
  });

  test('adds the activity to the surviving customer when two were merged during the chat', async () => {
    const { id, email } = await openSession();
    const loser = await app.support.getCustomerByEmail(email);
    const winner = await app.foundation.createCustomer({ name: 'Goes on', email: 'goes-on@example.com' });
    const owner = await app.database.connect('platform_migrator');
    await owner.query('set role platform_owner');
    await owner.query('update platform.customers set merged_into = $2 where id = $1', [loser?.id, winner.id]);
    await asPriya('POST', `/api/sessions/${id}/end`, { resolved: true });
    expect(await activitiesOf(id)).toMatchObject([{ customer_id: winner.id }]);
  });

  test.each([
    [{}, 'resolved'],
    [{ resolved: 'yes' }, 'resolved'],
    [{ resolved: true, note: 'x' }, 'note'],
  ])('with the body %j is refused, naming %s', async (body, field) => {
    const { id } = await openSession();
    const answer = await asPriya('POST', `/api/sessions/${id}/end`, body);
    expect(answer.status).toBe(422);
    expect(answer.body.errors[0].field).toBe(field);
  });

  test('of a conversation that does not exist is 404', async () => {
    const answer = await asPriya('POST', '/api/sessions/019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b/end', { resolved: true });
    expect(answer.status).toBe(404);
  });
});
