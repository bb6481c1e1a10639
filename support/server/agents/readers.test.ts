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
