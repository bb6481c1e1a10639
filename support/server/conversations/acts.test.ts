import { beforeAll, describe, expect, test } from 'vitest';
import { startTestSupport, type TestSupport, widgetKey } from '../testing.ts';

let app: TestSupport;
let asPriya: TestSupport['call'];
let asTom: TestSupport['call'];
let agents: Record<string, string>;
let unique = 0;
beforeAll(async () => {
  app = await startTestSupport();
  asPriya = app.callAs('priya');
  asTom = app.callAs('tom');
  const rows = await app.support.query<{ id: string; user_id: string }>('select id, user_id from support.agents');
  agents = Object.fromEntries(rows.map(({ id, user_id }) => [user_id, id]));
});

/** A visitor who has asked a question. @returns the conversation */
async function ask(name = 'Asker'): Promise<string> {
  const { body } = await app.callAnonymously('POST', `/api/widgets/${widgetKey}/sessions`, {
    email: `many${++unique}@post.example`,
    name,
  });
  await app.callAnonymously(
    'POST',
    `/api/sessions/${body.session_id}/messages`,
    { client_id: `v${unique}`, body: 'Where is my order?' },
    { Authorization: `Bearer ${body.visitor_token}` },
  );
  return body.session_id;
}
const askMany = (count: number) => Promise.all(Array.from({ length: count }, () => ask()));
const act = async (ids: string[], what: Record<string, unknown>, only_if?: Record<string, unknown>) =>
  (await asPriya('POST', '/api/sessions/acts', { ids, act: what, only_if })).body;
const read = async (id: string) => (await asPriya('GET', `/api/sessions/${id}`)).body;
const makeTag = async (name: string) => (await asPriya('POST', '/api/tags', { name, colour: 'red' })).body.id;
const kindsOf = async (id: string) => (await read(id)).entries.map(({ kind, body }: never) => [kind, body]);

describe('one act on many conversations', () => {
  test('assigns them, each with its entry, says what each had before, and its undo leaves alone what somebody took since', async () => {
    const [one, two, ended] = (await askMany(3)) as [string, string, string];
    await asTom('POST', `/api/sessions/${two}/claim`, {});
    await asPriya('POST', `/api/sessions/${ended}/end`, { resolved: true });
    const done = await act([one, two, ended], { kind: 'assign', agent_id: agents.priya });
    expect(done).toMatchObject({
      changed: [
        { id: one, agent_id: null },
        { id: two, agent_id: agents.tom },
      ],
      unchanged: 0,
      refused: [{ session: { id: ended, name: 'Asker' }, code: 'session-ended' }],
    });
    expect(await kindsOf(one)).toContainEqual(['assigned', null]);
    await asTom('POST', `/api/sessions/${one}/claim`, { take_over: true });
    const undone = await act([one], { kind: 'assign', agent_id: null }, { agent_id: agents.priya });
    expect(undone).toMatchObject({ changed: [], refused: [{ session: { id: one }, code: 'session-changed' }] });
    expect((await read(one)).session.agent.id).toBe(agents.tom);
  });

  test('an undo of an assignment gives the snooze back that it ended, unless its time has passed', async () => {
    const id = await ask();
    const until = new Date(Date.now() + 86_400_000).toISOString();
    await asTom('POST', `/api/sessions/${id}/snooze`, { until });
    const done = await act([id], { kind: 'assign', agent_id: agents.priya });
    expect(done.changed).toEqual([{ id, agent_id: agents.tom, priority: 'normal', snoozed_until: until }]);
    expect((await read(id)).session.snoozed_until).toBe(null);
    const back = { kind: 'assign', agent_id: agents.tom, snoozed_until: until };
    expect((await act([id], back, { agent_id: agents.priya })).changed).toHaveLength(1);
    expect((await read(id)).session).toMatchObject({ agent: { id: agents.tom }, snoozed_until: until });
    await act([id], { kind: 'assign', agent_id: agents.priya });
    await act([id], { ...back, snoozed_until: '2026-01-01T00:00:00Z' });
    expect((await read(id)).session).toMatchObject({ agent: { id: agents.tom }, snoozed_until: null });
  });

  test('ends those that this agent may end, with an activity each, and names one that is another agent’s', async () => {
    const [mine, theirs] = (await askMany(2)) as [string, string];
    await asTom('POST', `/api/sessions/${theirs}/claim`, {});
    const done = await act([mine, theirs], { kind: 'end', resolved: true });
    expect(done).toMatchObject({
      changed: [{ id: mine }],
      refused: [{ session: { id: theirs }, code: 'session-claimed' }],
    });
    const activities = await app.foundation.query(
      `select from crm.activities where idempotency_key = 'session:' || $1`,
      [mine],
    );
    expect(activities).toHaveLength(1);
  });

  test('gives and takes a tag and a priority, which the list shows and filters by, and which stand in the history', async () => {
    const ids = await askMany(2);
    const tag = await makeTag('Refund');
    expect((await act(ids, { kind: 'tag', tag_id: tag })).changed).toHaveLength(2);
    expect(await act(ids, { kind: 'tag', tag_id: tag })).toMatchObject({ changed: [], unchanged: 2 });
    await act([ids[0] as string], { kind: 'priority', priority: 'urgent' });
    const listed = async (query: string) =>
      (await asPriya('GET', `/api/inbox?view=unassigned&limit=100&${query}`)).body.sessions;
    expect((await listed(`tag=${tag}`)).map(({ id }: never) => id).sort()).toEqual([...ids].sort());
    expect(await listed('priority=urgent')).toMatchObject([
      { id: ids[0], priority: 'urgent', tags: [{ id: tag, name: 'Refund', colour: 'red' }] },
    ]);
    await act([ids[0] as string], { kind: 'untag', tag_id: tag });
    expect(await kindsOf(ids[0] as string)).toEqual([
      ['tagged', 'Refund'],
      ['prioritised', 'urgent'],
      ['untagged', 'Refund'],
    ]);
  });

  test('beside another agent’s that does the same says once that a conversation was changed', async () => {
    const [id, tag] = [await ask(), await makeTag('Twice at once')];
    const superuser = await app.database.connect('postgres');
    await superuser.query('begin');
    await superuser.query('select from support.sessions where id = $1 for update', [id]);
    const body = { ids: [id], act: { kind: 'tag', tag_id: tag } };
    const calls = [asPriya('POST', '/api/sessions/acts', body), asTom('POST', '/api/sessions/acts', body)];
    const watcher = await app.database.connect('postgres');
    await expect
      .poll(
        async () =>
          (
            await watcher.query(
              `select from pg_stat_activity
               where datname = current_database() and wait_event_type = 'Lock' and usename = 'support_app'`,
            )
          ).rows.length,
      )
      .toBe(2);
    await superuser.query('commit');
    const outcomes = (await Promise.all(calls)).map(({ body }) => [body.changed.length, body.unchanged]);
    expect(outcomes.sort()).toEqual([
      [0, 1],
      [1, 0],
    ]);
    expect(await kindsOf(id)).toEqual([['tagged', 'Twice at once']]);
  });

  test('is refused for more than a hundred, for an unknown act, and of somebody who is no agent', async () => {
    const id = await ask();
    const status = async (call: TestSupport['call'], body: Record<string, unknown>) =>
      (await call('POST', '/api/sessions/acts', body)).status;
    const unknown = Array.from(
      { length: 101 },
      (_, n) => `019a2b3c-4d5e-7f60-8a9b-0c1d2e3f${String(n).padStart(4, '0')}`,
    );
    expect(await status(asPriya, { ids: unknown, act: { kind: 'end', resolved: true } })).toBe(422);
    expect(await status(asPriya, { ids: [id], act: { kind: 'forget' } })).toBe(422);
    const { body } = await app.callAs('maya')('POST', '/api/sessions/acts', {
      ids: [id],
      act: { kind: 'priority', priority: 'high' },
    });
    expect(body).toMatchObject({ changed: [], refused: [{ code: 'agent-only' }] });
    expect(await act([id], { kind: 'tag', tag_id: 4711 })).toMatchObject({
      changed: [],
      refused: [{ session: { id } }],
    });
  });
});

test('a tag is renamed and removed by administrators alone, and goes from its conversations', async () => {
  const id = await ask();
  const tag = await makeTag('Bug');
  await act([id], { kind: 'tag', tag_id: tag });
  expect((await asPriya('DELETE', `/api/tags/${tag}`)).status).toBe(403);
  const asAdmin = app.callAs('admin');
  expect((await asAdmin('PATCH', `/api/tags/${tag}`, { name: 'Fault' })).body).toMatchObject({ name: 'Fault' });
  expect((await read(id)).session.tags).toMatchObject([{ name: 'Fault' }]);
  expect((await asAdmin('DELETE', `/api/tags/${tag}`)).body).toEqual({ conversations: 1 });
  expect((await read(id)).session.tags).toEqual([]);
});

test('an erased person’s conversations lose their tags, and the words of the entries about them', async () => {
  const id = await ask('Gone');
  const tag = await makeTag('Complaint');
  await act([id], { kind: 'tag', tag_id: tag });
  const { customer_id } = (await read(id)).session;
  const privacy = await app.database.connect('privacy_app');
  await privacy.query(`begin; set local aether.actor = 'admin'`);
  await privacy.query('select platform.erase_customer($1, $2)', [customer_id, 'A request']);
  await privacy.query('commit');
  expect((await read(id)).session.tags).toEqual([]);
  expect(await kindsOf(id)).toContainEqual(['tagged', 'Erased']);
});
