import { SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestSupport, type TestSupport } from '../testing.ts';
import { visit } from '../visitors/testing.visitor.ts';

let app: TestSupport;
let asAdmin: TestSupport['call'];
let asPriya: TestSupport['call'];
beforeAll(async () => {
  app = await startTestSupport();
  asAdmin = app.callAs('admin');
  asPriya = app.callAs('priya');
});

const newWidget = async (name = 'Shop') => (await asAdmin('POST', '/api/widgets', { name })).body;
const configOf = (key: string) => app.callAnonymously('GET', `/api/widgets/${key}/config`);

describe('agents', () => {
  test('set their own availability, and only an administrator sets another agent’s', async () => {
    const { agent } = (await asPriya('GET', '/api/agents/me')).body;
    expect((await asPriya('PATCH', `/api/agents/${agent.id}`, { availability: 'away' })).body.availability).toBe(
      'away',
    );
    const { agent: tom } = (await app.callAs('tom')('GET', '/api/agents/me')).body;
    for (const body of [{ availability: 'online' }, { is_active: false }])
      expect(await asPriya('PATCH', `/api/agents/${tom.id}`, body)).toMatchObject({
        status: 403,
        body: { code: 'admin-only' },
      });
    expect((await asPriya('PATCH', `/api/agents/${agent.id}`, { is_active: false })).status).toBe(403);
    expect((await asAdmin('PATCH', `/api/agents/${tom.id}`, { availability: 'online' })).status).toBe(200);
  });

  test('who leave give back their conversations, lose every right, and are agents again when they are added again', async () => {
    const added = (await asAdmin('POST', '/api/agents', { user_id: 'maya' })).body;
    const asMaya = app.callAs('maya');
    const visitor = await visit(app);
    await visitor.say('hi');
    await asMaya('POST', `/api/sessions/${visitor.id}/claim`, {});
    expect((await asAdmin('GET', '/api/agents')).body.agents).toContainEqual(
      expect.objectContaining({ id: added.id, open_sessions: 1 }),
    );
    await asAdmin('PATCH', `/api/agents/${added.id}`, { is_active: false });
    expect((await asPriya('GET', `/api/sessions/${visitor.id}`)).body.session.agent).toBeNull();
    expect(await asMaya('POST', `/api/sessions/${visitor.id}/claim`, {})).toMatchObject({ status: 403 });
    expect((await asMaya('GET', '/api/agents/me')).body).toEqual({ agent: null, is_admin: false });
    expect((await asAdmin('POST', '/api/agents', { user_id: 'maya' })).body).toMatchObject({
      id: added.id,
      is_active: true,
    });
  });

  test('are made from existing users, by administrators', async () => {
    expect((await asAdmin('POST', '/api/agents', { user_id: 'nobody' })).status).toBe(422);
    expect((await asPriya('POST', '/api/agents', { user_id: 'admin' })).status).toBe(403);
    const { users } = (await asAdmin('GET', '/api/users')).body;
    expect(users).toContainEqual(expect.objectContaining({ id: 'priya', is_agent: true }));
    expect(users).toContainEqual(expect.objectContaining({ id: 'boss', is_agent: false }));
  });
});

test('an agent who has closed the console is not there two minutes later, whatever their availability says', async () => {
  const { agent } = (await asPriya('GET', '/api/agents/me')).body;
  const { key } = await newWidget('Closed console');
  const seen = async () => {
    const { agents } = (await asAdmin('GET', '/api/agents')).body;
    const { availability, is_here } = agents.find(({ id }: { id: string }) => id === agent.id);
    return { availability, is_here, visitorsSee: (await configOf(key)).body.is_online };
  };
  const owner = await app.database.connect('platform_migrator');
  await owner.query('set role platform_owner');
  const lastSeen = (ago: string) =>
    owner.query('update support.agents set last_seen_at = now() - $2::interval where id = $1', [agent.id, ago]);
  await asPriya('PATCH', `/api/agents/${agent.id}`, { availability: 'online' });
  await asPriya('POST', '/api/agents/me/seen', {});
  expect(await seen()).toEqual({ availability: 'online', is_here: true, visitorsSee: true });
  await lastSeen('110 seconds'); // a report or two may be lost
  expect((await seen()).is_here).toBe(true);
  await lastSeen('121 seconds');
  expect(await seen()).toEqual({ availability: 'online', is_here: false, visitorsSee: false });
  await asPriya('POST', '/api/agents/me/seen', {});
  expect((await seen()).is_here).toBe(true);
  await lastSeen('1 day');
});

describe('a widget', () => {
  test('goes with its chatbots, team and secrets, which are named before, and one through which somebody came stays', async () => {
    const widget = await newWidget('Short Lived');
    const { agent } = (await asPriya('GET', '/api/agents/me')).body;
    await asAdmin('PUT', `/api/widgets/${widget.id}/team`, { agent_ids: [agent.id] });
    await asAdmin('POST', `/api/widgets/${widget.id}/secrets`, {});
    const rules = {
      greeting: 'Hello',
      questions: [],
      fallback: 'No',
      hand_over_text: 'Wait',
      out_of_hours_text: 'Later',
    };
    const bot = await asAdmin('POST', '/api/chatbots', { widget_id: widget.id, name: 'Robot', rules });
    expect(bot.status).toBe(201);
    const holdings = { conversations: 0, chatbots: ['Robot'], agents: 1, secrets: 1 };
    expect((await asPriya('GET', `/api/widgets/${widget.id}/holdings`)).body).toEqual(holdings);
    expect((await asAdmin('DELETE', `/api/widgets/${widget.id}`)).status).toBe(204);
    expect((await configOf(widget.key)).status).toBe(404);
    expect((await asAdmin('DELETE', `/api/widgets/${widget.id}`)).status).toBe(404);
    expect((await asAdmin('GET', `/api/widgets/${widget.id}/holdings`)).status).toBe(404);

    const used = await newWidget('Used');
    await visit(app, {}, { key: used.key });
    expect((await asPriya('GET', `/api/widgets/${used.id}/holdings`)).body.conversations).toBe(1);
    expect(await asAdmin('DELETE', `/api/widgets/${used.id}`)).toMatchObject({
      status: 409,
      body: { code: 'widget-in-use', detail: expect.stringContaining('Switch it off instead') },
    });
    expect((await configOf(used.key)).status).toBe(200);
  });

  test('is visible to its visitors as soon as it is made, with the settings that they need and nothing else', async () => {
    const widget = await newWidget();
    expect(widget.snippet).toBe(`<script async src="${app.url}/widget.js" data-key="${widget.key}"></script>`);
    expect((await configOf(widget.key)).body).toEqual({
      name: 'Shop',
      asks_rating: true,
      language: 'en',
      languages: [],
      theme: { color: '#2456d6', mode: 'auto', position: 'right' },
      texts: {},
      ask: 'before',
      is_online: false,
      bot: null,
      opens_at: null,
    });
    await asAdmin('PATCH', `/api/widgets/${widget.id}`, { is_active: false });
    expect((await configOf(widget.key)).status).toBe(404);
  });

  test('says that a person is there when an agent of its team is online and was seen recently', async () => {
    const widget = await newWidget();
    const isOnline = async () => (await configOf(widget.key)).body.is_online;
    const { agent } = (await asPriya('GET', '/api/agents/me')).body;
    await asPriya('PATCH', `/api/agents/${agent.id}`, { availability: 'online' });
    expect(await isOnline()).toBe(false); // online by availability, but not at the console
    await asPriya('POST', '/api/agents/me/seen', {});
    expect(await isOnline()).toBe(true);
    const { agent: tom } = (await app.callAs('tom')('GET', '/api/agents/me')).body;
    await asAdmin('PUT', `/api/widgets/${widget.id}/team`, { agent_ids: [tom.id] });
    expect(await isOnline()).toBe(false);
    await asAdmin('PUT', `/api/widgets/${widget.id}/team`, { agent_ids: [tom.id, agent.id] });
    expect(await isOnline()).toBe(true);
    await asPriya('PATCH', `/api/agents/${agent.id}`, { availability: 'away' });
    expect(await isOnline()).toBe(false);
  });

  test('keeps origins as browsers write them, and refuses a malformed one', async () => {
    const { id } = await newWidget();
    const change = (allowed_origins: string[]) => asAdmin('PATCH', `/api/widgets/${id}`, { allowed_origins });
    expect(
      (await change(['https://Shop.Example:443', 'http://localhost:3000', 'https://bücher.example'])).body
        .allowed_origins,
    ).toEqual(['https://shop.example', 'http://localhost:3000', 'https://xn--bcher-kva.example']);
    for (const wrong of [
      'http://shop.example',
      'https://shop.example/path',
      'shop.example',
      '*',
      'https://*.example',
      'null',
    ])
      expect([wrong, (await change([wrong])).status]).toEqual([wrong, 422]);
  });

  test('is not overwritten by an administrator with an older version', async () => {
    const { id, version } = await newWidget();
    const change = (name: string) => asAdmin('PATCH', `/api/widgets/${id}`, { name, expected_version: version });
    expect((await change('First')).status).toBe(200);
    expect(await change('Second')).toMatchObject({ status: 409, body: { code: 'widget-version-conflict' } });
  });

  test('shows each secret once; the previous one stays valid for a day, and a withdrawn one is invalid at once', async () => {
    const widget = await newWidget();
    const make = async () => (await asAdmin('POST', `/api/widgets/${widget.id}/secrets`, {})).body;
    const first = await make();
    const second = await make();
    const { widgets } = (await asAdmin('GET', '/api/widgets')).body;
    expect(JSON.stringify(widgets)).not.toContain(first.secret);
    const { secrets } = widgets.find(({ id }: { id: string }) => id === widget.id);
    expect(secrets).toMatchObject([
      { id: second.id, retires_at: null },
      { id: first.id, retires_at: expect.any(String) },
    ]);
    const open = async (secret: string) => {
      const identity_token = await new SignJWT({ email: 'a@b.example', name: 'A' })
        .setProtectedHeader({ alg: 'HS256' })
        .setAudience(widget.key)
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(new TextEncoder().encode(secret));
      return (await app.callAnonymously('POST', `/api/widgets/${widget.key}/sessions`, { identity_token })).status;
    };
    expect([await open(first.secret), await open(second.secret)]).toEqual([201, 201]);
    await asAdmin('DELETE', `/api/widgets/${widget.id}/secrets/${first.id}`);
    expect([await open(first.secret), await open(second.secret)]).toEqual([401, 201]);
  });

  test('is changed by administrators only', async () => {
    const { id } = await newWidget();
    for (const [method, path, body] of [
      ['POST', '/api/widgets', { name: 'Mine' }],
      ['PATCH', `/api/widgets/${id}`, { name: 'Mine' }],
      ['PUT', `/api/widgets/${id}/team`, { agent_ids: [] }],
      ['DELETE', `/api/widgets/${id}`],
      ['POST', `/api/widgets/${id}/secrets`, {}],
    ] as const)
      expect(await asPriya(method, path, body)).toMatchObject({ status: 403, body: { code: 'admin-only' } });
    expect((await asPriya('GET', '/api/widgets')).status).toBe(200);
  });
});

describe('canned answers', () => {
  test('are shared by all agents, each under a shortcut of its own', async () => {
    const unknown = { shortcut: 'order', title: 'Order', body: 'Your order {{order.id}}.' };
    expect((await app.callAs('priya')('POST', '/api/canned-answers', unknown)).body.errors).toMatchObject([
      { field: 'body', message: expect.stringContaining('{{customer.first_name}}') },
    ]);
    const given = { shortcut: 'ship', title: 'Shipping', body: 'Two days, {{ customer.name }}.' };
    const made = await asPriya('POST', '/api/canned-answers', given);
    expect(made).toMatchObject({ status: 201, body: given });
    const taken = { status: 409, body: { code: 'already-exists', errors: [{ field: 'shortcut' }] } };
    expect(await asPriya('POST', '/api/canned-answers', { ...given, body: 'Other words' })).toMatchObject(taken);
    const asTom = app.callAs('tom');
    expect((await asTom('GET', '/api/canned-answers?search=SHIPP')).body.canned_answers).toEqual([made.body]);
    expect((await asTom('PATCH', `/api/canned-answers/${made.body.id}`, { title: 'Sending' })).body).toEqual({
      ...made.body,
      title: 'Sending',
    });
    expect((await asTom('DELETE', `/api/canned-answers/${made.body.id}`)).status).toBe(204);
    expect((await asTom('DELETE', `/api/canned-answers/${made.body.id}`)).status).toBe(404);
  });

  test.each([
    ['shortcut', 'Not One'],
    ['body', ''],
    ['title', 'two\nlines'],
  ])('with a %s of %j are refused', async (field, value) => {
    const given = { shortcut: 'x', title: 'X', body: 'X', [field]: value };
    expect(await asPriya('POST', '/api/canned-answers', given)).toMatchObject({
      status: 422,
      body: { errors: [{ field }] },
    });
  });
});
