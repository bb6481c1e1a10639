import { beforeAll, expect, test } from 'vitest';
import { startTestSupport, type TestSupport } from '../testing.ts';
import { visit } from '../visitors/testing.visitor.ts';

let app: TestSupport;
let asAdmin: TestSupport['call'];
let asPriya: TestSupport['call'];
let foundation: Awaited<ReturnType<TestSupport['database']['connect']>>;
beforeAll(async () => {
  app = await startTestSupport();
  asAdmin = app.callAs('admin');
  asPriya = app.callAs('priya');
  foundation = await app.database.connect('foundation_app');
});

test('an agent who becomes a reader reads on, gives back their conversations, and answers, claims and is given nothing', async () => {
  const { agent } = (await asPriya('GET', '/api/agents/me')).body;
  await asPriya('PATCH', `/api/agents/${agent.id}`, { availability: 'online' });
  const visitor = await visit(app);
  await visitor.say('hello');
  await asPriya('POST', `/api/sessions/${visitor.id}/claim`, {});
  await foundation.query(`update platform.users set role = 'reader' where id = 'priya'`);

  const { body } = await asPriya('GET', `/api/sessions/${visitor.id}`);
  expect([body.session.agent, body.messages.map((each: { body: string }) => each.body)]).toEqual([null, ['hello']]);
  expect((await asPriya('GET', '/api/inbox?view=unassigned')).status).toBe(200);
  const refused = { status: 403, body: { code: 'readers-only-read' } };
  for (const [path, sent] of [
    ['claim', {}],
    ['replies', { client_id: 'one', body: 'Hi' }],
    ['notes', { client_id: 'two', body: 'A note' }],
    ['end', { resolved: true }],
  ] as const)
    expect([path, await asPriya('POST', `/api/sessions/${visitor.id}/${path}`, sent)]).toEqual([
      path,
      expect.objectContaining({ status: 403, body: expect.objectContaining(refused.body) }),
    ]);
  expect((await asAdmin('GET', '/api/agents')).body.agents).toContainEqual(
    expect.objectContaining({
      id: agent.id,
      is_active: true,
      is_reader: true,
      availability: 'offline',
      open_sessions: 0,
    }),
  );
  const given = await asAdmin('POST', `/api/sessions/${visitor.id}/assign`, { agent_id: agent.id });
  expect([given.status, given.body.errors?.[0]?.message]).toEqual([422, expect.stringContaining('is a reader')]);
  expect((await asAdmin('PATCH', `/api/agents/${agent.id}`, { availability: 'online' })).status).toBe(422);
});

test('a conversation that ended before its agent becomes a reader waits for the team when its visitor returns, and is theirs who opens it again', async () => {
  await foundation.query(`update platform.users set role = 'user' where id = 'priya'`);
  const [returning, reopened] = [await visit(app), await visit(app)];
  for (const visitor of [returning, reopened]) {
    await visitor.say('hello');
    await asPriya('POST', `/api/sessions/${visitor.id}/claim`, {});
    await asPriya('POST', `/api/sessions/${visitor.id}/end`, { resolved: true });
  }
  await foundation.query(`update platform.users set role = 'reader' where id = 'priya'`);
  const read = async (id: string) => (await asAdmin('GET', `/api/sessions/${id}`)).body.session;
  // Who had it stays known.
  expect((await read(returning.id)).agent).toMatchObject({ name: 'Priya Nair' });
  expect((await returning.say('It came broken')).status).toBe(201);
  expect(await read(returning.id)).toMatchObject({ status: 'active', agent: null });
  await asAdmin('POST', `/api/sessions/${reopened.id}/reopen`, {});
  const { agent, status } = await read(reopened.id);
  expect([status, agent?.name !== 'Priya Nair' && agent !== null]).toEqual(['active', true]);
});

test('an agent who becomes a reader while they open a conversation again does not have it', async () => {
  await foundation.query(`update platform.users set role = 'user' where id = 'priya'`);
  const visitor = await visit(app);
  await visitor.say('hello');
  await asAdmin('POST', `/api/sessions/${visitor.id}/end`, { resolved: true });
  await foundation.query('begin');
  await foundation.query(`update platform.users set role = 'reader' where id = 'priya'`);
  let isAnswered = false;
  const opening = asPriya('POST', `/api/sessions/${visitor.id}/reopen`, {}).finally(() => {
    isAnswered = true;
  });
  const waits = async () => {
    const { rows } = await foundation.query(
      'select from pg_locks where not granted and pg_backend_pid() = any (pg_blocking_pids(pid))',
    );
    return isAnswered || rows.length > 0;
  };
  await expect.poll(waits).toBe(true);
  await foundation.query('commit');
  await opening;
  expect((await asAdmin('GET', `/api/sessions/${visitor.id}`)).body.session.agent).toBeNull();
});
