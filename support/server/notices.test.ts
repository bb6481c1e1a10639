import { beforeAll, describe, expect, test } from 'vitest';
import { startTestSupport, type TestSupport } from './testing.ts';
import { type TestVisitor, visit } from './visitors/testing.visitor.ts';

let app: TestSupport;
let priya: TestSupport['call'];
let tom: TestSupport['call'];
let agents: Record<string, string>;
/** A chat of the widget whose team is Tom alone, and one of the widget without a team. */
let ofTeam: TestVisitor;
let ofAll: TestVisitor;
let unique = 0;
const email = 'ada@post.example';

beforeAll(async () => {
  app = await startTestSupport();
  [priya, tom] = [app.callAs('priya'), app.callAs('tom')];
  const rows = await app.support.query<{ id: string; user_id: string }>('select id, user_id from support.agents');
  agents = Object.fromEntries(rows.map(({ id, user_id }) => [user_id, id]));
  const [widget] = await app.support.query<{ id: string }>(
    `insert into support.widgets (key, name) values ('team-widget', 'Team') returning id`,
  );
  await app.callAs('admin')('PUT', `/api/widgets/${widget?.id}/team`, { agent_ids: [agents.tom] });
  ofTeam = await visit(app, { email, name: 'Ada Lovelace' }, { key: 'team-widget' });
  ofAll = await visit(app, { email, name: 'Ada Lovelace' });
  for (const visitor of [ofTeam, ofAll]) await visitor.say('My secret question');
});

const note = (call: TestSupport['call'], id: string, body: string, client_id = `n${++unique}`) =>
  call('POST', `/api/sessions/${id}/notes`, { client_id, body });
const about = async (call: TestSupport['call'], id: string) =>
  (await call('GET', '/api/notices')).body.notices.filter((each: { record_id: string }) => each.record_id === id);

describe('a mention in a note', () => {
  test('tells an agent who may read the conversation, once, with the text; it is no mention to the author', async () => {
    const { body: entry } = await note(tom, ofAll.id, '<@priya> please, <@tom> cannot', 'same');
    expect(entry.mentions).toEqual([
      { id: 'priya', name: 'Priya Nair' },
      { id: 'tom', name: 'Tom Berglund' },
    ]);
    expect((await note(tom, ofAll.id, '<@priya> please, <@tom> cannot', 'same')).body.id).toBe(entry.id);
    expect(await about(priya, ofAll.id)).toMatchObject([
      {
        kind: 'mention',
        app: 'support',
        name: 'Ada Lovelace',
        text: '<@priya> please, <@tom> cannot',
        actor: { id: 'tom' },
      },
    ]);
    expect(await about(tom, ofAll.id)).toEqual([]);
    const { body } = await priya('GET', `/api/sessions/${ofAll.id}`);
    expect(body.entries.find(({ id }: { id: string }) => id === entry.id).mentions).toHaveLength(2);
  });

  test.each([
    ['priya', 'mentions Priya Nair, who may not read this: leave the name out'],
    ['maya', 'mentions Maya Okafor, who may not read this: leave the name out'],
    ['gone', 'mentions somebody who does not exist: gone'],
  ])('of %s, who is no reader of the conversation, is refused', async (who, message) => {
    expect(await note(tom, ofTeam.id, `Ask <@${who}>`)).toMatchObject({
      status: 422,
      body: { errors: [{ field: 'body', message }] },
    });
    const { body } = await tom('GET', `/api/sessions/${ofTeam.id}`);
    expect(body.entries.filter(({ kind }: { kind: string }) => kind === 'note')).toEqual([]);
  });

  test('is told from the note with which a conversation goes back to everybody', async () => {
    const visitor = await visit(app, { email: 'gi@post.example', name: 'Gi' });
    await visitor.say('Hello');
    await tom('POST', `/api/sessions/${visitor.id}/claim`, {});
    await tom('POST', `/api/sessions/${visitor.id}/assign`, { agent_id: null, note: '<@priya> knows more' });
    expect(await about(priya, visitor.id)).toMatchObject([{ kind: 'mention', text: '<@priya> knows more' }]);
  });

  test('of an administrator who is an agent is taken; the list offers readers alone', async () => {
    expect((await note(tom, ofTeam.id, '<@admin> decides')).status).toBe(201);
    const find = async (call: TestSupport['call'], id: string) => call('GET', `/api/sessions/${id}/mentionable`);
    const ids = ({ body }: Awaited<ReturnType<typeof find>>) => body.people.map(({ id }: { id: string }) => id);
    expect(ids(await find(tom, ofTeam.id))).toEqual(['admin', 'tom']);
    expect(ids(await find(tom, ofAll.id))).toEqual(['admin', 'priya', 'tom']);
    expect((await find(priya, ofTeam.id)).body.code).toBe('conversation-of-another-team');
  });

  test('is none in an answer, which the visitor reads', async () => {
    const visitor = await visit(app, { email: 'bo@post.example', name: 'Bo' });
    await visitor.say('Hello');
    await tom('POST', `/api/sessions/${visitor.id}/replies`, { client_id: 'r', body: 'Ask <@priya>' });
    expect(await about(priya, visitor.id)).toEqual([]);
  });
});

describe('a handed conversation', () => {
  test('is told to its new agent until they open it, and not to one who takes it', async () => {
    const visitor = await visit(app, { email: 'cy@post.example', name: 'Cy' });
    await visitor.say('Hello');
    await tom('POST', `/api/sessions/${visitor.id}/claim`, {});
    expect(await about(tom, visitor.id)).toEqual([]);
    await tom('POST', `/api/sessions/${visitor.id}/assign`, { agent_id: agents.priya, note: 'For <@priya>' });
    expect((await about(priya, visitor.id)).map(({ kind }: { kind: string }) => kind).sort()).toEqual([
      'handover',
      'mention',
    ]);
    const counts = async () => (await priya('GET', '/api/notices/unread')).body;
    const { handed_over } = await counts();
    await priya('POST', `/api/sessions/${visitor.id}/seen`, { number: 1 });
    expect((await counts()).handed_over).toBe(handed_over - 1);
    expect(
      (await about(priya, visitor.id)).find(({ kind }: { kind: string }) => kind === 'handover').read_at,
    ).not.toBeNull();
  });

  test('that goes on to somebody else before it was seen is told to them alone', async () => {
    const visitor = await visit(app, { email: 'di@post.example', name: 'Di' });
    await visitor.say('Hello');
    for (const to of ['priya', 'admin'])
      await tom('POST', `/api/sessions/${visitor.id}/assign`, { agent_id: agents[to] });
    expect(await about(priya, visitor.id)).toEqual([]);
    expect(await about(app.callAs('admin'), visitor.id)).toMatchObject([{ kind: 'handover', name: 'Di' }]);
  });
});

describe('a notice', () => {
  test('says nothing of a conversation that its person may no longer read, nor of customers to who is no agent', async () => {
    const visitor = await visit(app, { email: 'ed@post.example', name: 'Ed Secret' }, { key: 'team-widget' });
    await visitor.say('Hello');
    await tom('POST', `/api/sessions/${visitor.id}/assign`, { agent_id: agents.priya });
    await note(tom, visitor.id, '<@priya> the secret');
    expect(await about(priya, visitor.id)).toMatchObject([
      { text: '<@priya> the secret', is_readable: true },
      { name: 'Ed Secret', is_readable: true },
    ]);
    await tom('POST', `/api/sessions/${visitor.id}/assign`, { agent_id: null });
    const after = await about(priya, visitor.id);
    expect(after).toMatchObject([
      { kind: 'mention', name: null, text: null, mentions: [], customer: null, is_readable: false },
    ]);
    const customer = await app.foundation.createCustomer({ name: 'Flo', email: 'flo@post.example' });
    await app.foundation.updateCustomer(
      customer.id,
      { account_manager_id: 'maya' },
      { expectedVersion: customer.version },
    );
    expect(await about(app.callAs('maya'), customer.id)).toMatchObject([
      { kind: 'assignment', app: 'foundation', customer: null },
    ]);
  });
});
