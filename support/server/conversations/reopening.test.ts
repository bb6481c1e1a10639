import { atEnd } from '@aether/database/testing';
import { connectPlatform } from '@aether/platform';
import { SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { racing, startTestSupport, type TestSupport, widgetKey } from '../testing.ts';

let app: TestSupport;
let priya: TestSupport['call'];
let admin: TestSupport['call'];
let unique = 0;
beforeAll(async () => {
  app = await startTestSupport(racing, { turnEveryMs: 40 });
  [priya, admin] = [app.callAs('priya'), app.callAs('admin')];
});

type Chat = {
  id: string;
  bearer: Record<string, string>;
  say: (body: string, clientId?: string, more?: object) => ReturnType<TestSupport['call']>;
  read: () => Promise<Seen>;
};
type Seen = { messages: { body: string }[]; session: Record<string, unknown> };

async function begin(body = 'Where is my order?', email = `back${++unique}@post.example`): Promise<Chat> {
  const opened = await app.call('POST', `/api/widgets/${widgetKey}/sessions`, { email, name: 'Vera' });
  const { session_id: id, visitor_token } = opened.body;
  const bearer = { Authorization: `Bearer ${visitor_token}` };
  const say = (words: string, clientId = `m${++unique}`, more = {}) =>
    app.call('POST', `/api/sessions/${id}/messages`, { client_id: clientId, body: words, ...more }, bearer);
  expect((await say(body)).status).toBe(201);
  return {
    ...{ id, bearer, say },
    read: async () => (await app.call('GET', `/api/sessions/${id}/messages`, undefined, bearer)).body,
  };
}

const reply = (id: string) =>
  priya('POST', `/api/sessions/${id}/replies`, { client_id: `r${++unique}`, body: 'Tomorrow' });
const end = (id: string, summary?: string) => priya('POST', `/api/sessions/${id}/end`, { resolved: true, summary });
const kindsOf = async (id: string) =>
  (
    await app.support.query<{ kind: string }>(
      'select kind from support.session_entries where session_id = $1 order by created_at',
      [id],
    )
  ).map(({ kind }) => kind);
const activitiesOf = (id: string) =>
  app.foundation.query<{ description: string; metadata: { duration_seconds: number }; customer_id: string }>(
    'select description, metadata, customer_id from crm.activities where idempotency_key = $1',
    [`session:${id}`],
  );
const change = async (given: Record<string, unknown>) => {
  const { widgets } = (await admin('GET', '/api/widgets')).body;
  const { id } = widgets.find(({ key }: { key: string }) => key === widgetKey);
  expect((await admin('PATCH', `/api/widgets/${id}`, given)).status).toBe(200);
};
/** Nobody has written for so long. */
const age = (id: string, interval: string) =>
  app.support.query(
    `update support.sessions set last_message_at = now() - $2::interval, idle_check_at = now() where id = $1`,
    [id, interval],
  );
const statusOf = async (id: string) => (await priya('GET', `/api/sessions/${id}`)).body.session.status;

describe('a visitor who writes after the end', () => {
  test('opens the same conversation again, with its agent and its tags, and says so to agents', async () => {
    const chat = await begin();
    await reply(chat.id);
    const tag = (await priya('POST', '/api/tags', { name: 'Parcel' })).body;
    await priya('POST', '/api/sessions/acts', { ids: [chat.id], act: { kind: 'tag', tag_id: tag.id } });
    await end(chat.id);
    const { session } = await chat.read();
    expect(Date.parse(`${session.reopens_until}`)).toBeGreaterThan(Date.now() + 6 * 86_400_000);
    expect(await chat.say('It came broken')).toMatchObject({ status: 201, body: { number: 3 } });
    const { body } = await priya('GET', `/api/sessions/${chat.id}`);
    expect(body.session).toMatchObject({
      ...{
        status: 'active',
        resolved: null,
        ended_at: null,
        agent: { name: 'Priya Nair' },
        tags: [{ name: 'Parcel' }],
      },
      waiting_since: expect.any(String),
    });
    expect(await kindsOf(chat.id)).toEqual(['claimed', 'tagged', 'ended', 'returned']);
  });

  test('opens nothing by sending again what was taken before the end', async () => {
    const chat = await begin();
    await chat.say('Once', 'once');
    await end(chat.id);
    expect((await chat.say('Once', 'once')).status).toBe(201);
    expect(await statusOf(chat.id)).toBe('ended');
  });

  test('who only asks whether the conversation has the message opens nothing', async () => {
    const chat = await begin();
    await end(chat.id);
    expect(await chat.say('Did you get this?', 'asked', { reopens: false })).toMatchObject({ status: 409 });
    expect(await statusOf(chat.id)).toBe('ended');
  });

  test('later than the widget’s days is refused, and so is the visitor of a widget that opens none again', async () => {
    const chat = await begin();
    await end(chat.id);
    await app.support.query(`update support.sessions set ended_at = now() - interval '8 days' where id = $1`, [
      chat.id,
    ]);
    expect(await chat.say('Hello?')).toMatchObject({ status: 409, body: { code: 'session-ended' } });
    const other = await begin();
    await end(other.id);
    await change({ reopens_days: 0 });
    expect((await other.read()).session.reopens_until).toBeNull();
    expect((await other.say('Hello?')).status).toBe(409);
    await change({ reopens_days: 7 });
    expect((await other.say('Hello?')).status).toBe(201);
  });

  test('is refused once the person is erased', async () => {
    const chat = await begin('Mine', 'gone@post.example');
    await end(chat.id);
    const owner = await app.database.connect('platform_migrator');
    await owner.query('set role platform_owner');
    await owner.query(`update platform.customers set erased_at = now() where email = 'gone@post.example'`);
    expect((await chat.say('Hello?')).status).toBe(409);
    // Nor does an agent open what would be written about nobody.
    expect(await priya('POST', `/api/sessions/${chat.id}/reopen`, {})).toMatchObject({
      status: 410,
      body: { code: 'customer-erased' },
    });
    expect(await statusOf(chat.id)).toBe('ended');
  });

  test('waits for the team if the agent has not been seen for a day, and for the agent after a night', async () => {
    const seen = (ago: string) =>
      app.support.query(`update support.agents set last_seen_at = now() - $1::interval where user_id = 'priya'`, [ago]);
    const agentOf = async (id: string) => (await admin('GET', `/api/sessions/${id}`)).body.session.agent?.name ?? null;
    const [soon, late] = [await begin(), await begin()];
    for (const { id } of [soon, late]) {
      await reply(id);
      await end(id);
    }
    await seen('14 hours');
    await soon.say('Good morning');
    expect(await agentOf(soon.id)).toBe('Priya Nair');
    await seen('25 hours');
    await late.say('Is anybody there?');
    expect(await agentOf(late.id)).toBeNull();
    await app.support.query(`update support.agents set last_seen_at = null where user_id = 'priya'`);
  });

  test('with ten messages at once opens it once', async () => {
    const chat = await begin();
    await end(chat.id);
    const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => chat.say(`At once ${n}`)));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(201));
    expect((await kindsOf(chat.id)).filter((kind) => kind === 'returned')).toHaveLength(1);
  });
});

test('the CRM has one entry of a conversation that ended twice: opened again meanwhile, with the last summary at the end', async () => {
  const chat = await begin();
  await end(chat.id, 'Late parcel');
  expect(await activitiesOf(chat.id)).toMatchObject([
    { description: 'Support conversation resolved (unverified visitor)', metadata: { summary: 'Late parcel' } },
  ]);
  await chat.say('Broken');
  expect(await activitiesOf(chat.id)).toMatchObject([
    { description: 'Support conversation opened again (unverified visitor)', metadata: { resolved: null } },
  ]);
  await end(chat.id, 'Broken parcel, replaced');
  const [activity, ...more] = await activitiesOf(chat.id);
  expect(more).toEqual([]);
  expect(activity).toMatchObject({
    description: 'Support conversation resolved (unverified visitor)',
    metadata: { summary: 'Broken parcel, replaced', message_count: 2, resolved: true },
  });
});

describe('the CRM’s entry of a conversation that ends again', () => {
  const customerOf = async (id: string) => (await priya('GET', `/api/sessions/${id}`)).body.session.customer.id;

  test('goes to the customer whom its visitor has proved to be since', async () => {
    const secret = 'R'.repeat(43);
    await app.support.query(
      'insert into support.widget_secrets (widget_id, secret) select id, $2 from support.widgets where key = $1',
      [widgetKey, secret],
    );
    const { id, bearer } = await begin('Hello?', 'typed@post.example');
    await end(id);
    const typed = await customerOf(id);
    const identity_token = await new SignJWT({ email: 'proved@post.example', name: 'Vera', aud: widgetKey })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuedAt()
      .setExpirationTime('10m')
      .sign(new TextEncoder().encode(secret));
    const { body } = await app.call('POST', `/api/sessions/${id}/identity`, { identity_token }, bearer);
    const said = { client_id: 'm2', body: 'It came broken' };
    const proved = { Authorization: `Bearer ${body.visitor_token}` };
    expect((await app.call('POST', `/api/sessions/${id}/messages`, said, proved)).status).toBe(201);
    await end(id);
    expect(await customerOf(id)).not.toBe(typed);
    expect(await activitiesOf(id)).toMatchObject([
      {
        customer_id: await customerOf(id),
        description: 'Support conversation resolved',
        metadata: { message_count: 2 },
      },
    ]);
  });

  test('is one entry of the right customer also after a merge in between, and after the undo of it', async () => {
    const platform = await connectPlatform({
      app: 'console',
      variables: { PLATFORM_DB_URL: app.database.url('console_app') },
    });
    atEnd(() => platform.close());
    const chat = await begin('Mine', 'loser@post.example');
    const loser = await customerOf(chat.id);
    const { id: survivor } = await app.foundation.createCustomer({ name: 'Vera', email: 'survivor@post.example' });
    await end(chat.id);
    const { merges } = await platform.mergeCustomers(survivor, [loser], { actor: 'admin' });
    expect((await chat.say('Once more')).status).toBe(201);
    expect(await activitiesOf(chat.id)).toMatchObject([
      { customer_id: survivor, description: 'Support conversation opened again (unverified visitor)' },
    ]);
    await end(chat.id);
    await platform.unmergeCustomers(merges[0]?.merge as string, { actor: 'admin' });
    expect(await activitiesOf(chat.id)).toMatchObject([{ customer_id: loser }]);
    expect((await chat.say('And again')).status).toBe(201);
    await end(chat.id, 'All of it');
    expect(await activitiesOf(chat.id)).toMatchObject([
      { customer_id: loser, metadata: { message_count: 3, summary: 'All of it' } },
    ]);
  });
});

test('an agent opens a conversation again, and has it if nobody does; one of another agent stays theirs, and they are told', async () => {
  const [free, toms] = [await begin(), await begin()];
  await app.callAs('tom')('POST', `/api/sessions/${toms.id}/claim`, {});
  await app.callAs('tom')('POST', `/api/sessions/${toms.id}/end`, { resolved: false });
  await end(free.id);
  const reopen = (id: string, call = priya) => call('POST', `/api/sessions/${id}/reopen`, {});
  expect(await reopen(free.id)).toMatchObject({
    status: 200,
    body: { was_open: false, session: { status: 'active', agent: { name: 'Priya Nair' } } },
  });
  expect(await reopen(free.id)).toMatchObject({ body: { was_open: true } });
  expect(await reopen(toms.id)).toMatchObject({
    body: { session: { agent: { name: 'Tom Berglund' }, is_new_to_agent: true } },
  });
  expect(await kindsOf(free.id)).toEqual(['ended', 'reopened']);
  expect((await reopen(free.id, app.callAs('maya'))).status).toBe(403);
  expect((await reopen('00000000-0000-4000-8000-000000000000')).status).toBe(404);
});

describe('a conversation in which nobody writes', () => {
  test('ends by itself after the hours of its widget, in the CRM too, and once, with two servers', async () => {
    await app.startAnother({});
    const chats = await Promise.all(Array.from({ length: 12 }, () => begin()));
    for (const { id } of chats) {
      await reply(id);
      await age(id, '73 hours');
    }
    await expect.poll(() => Promise.all(chats.map(({ id }) => statusOf(id)))).toEqual(chats.map(() => 'ended'));
    for (const { id } of chats) {
      expect((await kindsOf(id)).filter((kind) => kind === 'expired')).toHaveLength(1);
      expect(await activitiesOf(id)).toMatchObject([
        { description: 'Support conversation ended by itself (unverified visitor)', metadata: { resolved: false } },
      ]);
    }
    // It took no three days: it was over with the last message.
    expect((await activitiesOf(chats[0]?.id as string))[0]?.metadata.duration_seconds).toBeLessThan(3_600);
  });

  test('stays open while the visitor waits for an answer, while it is snoozed, and where the widget ends none', async () => {
    const [waiting, snoozed, spared, due] = [await begin(), await begin(), await begin(), await begin()];
    for (const { id } of [snoozed, spared, due]) await reply(id);
    const until = new Date(Date.now() + 3_600_000).toISOString();
    await priya('POST', `/api/sessions/${snoozed.id}/snooze`, { until });
    for (const { id } of [waiting, snoozed]) await age(id, '73 hours');
    await age(due.id, '73 hours');
    await expect.poll(() => statusOf(due.id)).toBe('ended');
    await change({ ends_after_hours: null });
    await age(spared.id, '1000 hours');
    const looked = async (id: string) =>
      (await app.support.query('select idle_check_at from support.sessions where id = $1', [id]))[0]?.idle_check_at;
    await expect.poll(() => looked(spared.id)).toBeNull();
    expect(await Promise.all([waiting, snoozed, spared].map(({ id }) => statusOf(id)))).toEqual(
      Array(3).fill('active'),
    );
    // The setting is changed back: what waits for no look is looked at again.
    await change({ ends_after_hours: 72 });
    await expect.poll(() => statusOf(spared.id)).toBe('ended');
    expect((await priya('GET', `/api/sessions/${snoozed.id}`)).body.session.status).toBe('active');
  });

  test('is told to its visitor beforehand: the widget knows the hours, unless an agent has put it aside', async () => {
    const chat = await begin();
    await reply(chat.id);
    expect((await chat.read()).session).toMatchObject({ ends_after_hours: 72, reopens_until: null });
    await priya('POST', `/api/sessions/${chat.id}/snooze`, { until: new Date(Date.now() + 60_000).toISOString() });
    expect((await chat.read()).session).toMatchObject({ ends_after_hours: null });
  });
});
