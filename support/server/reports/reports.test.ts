import { readMigrations } from '@aether/database';
import { openCsv } from '@aether/http/testing.csv';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestSupport, type TestSupport, widgetKey } from '../testing.ts';
import { type TestVisitor, visit } from '../visitors/testing.visitor.ts';

let app: TestSupport;
let asPriya: TestSupport['call'];
let asTom: TestSupport['call'];
const get = async (call: TestSupport['call'], path: string) => {
  const { status, body } = await call('GET', path);
  expect(status, JSON.stringify(body)).toBe(200);
  return body;
};
const winter = 'from=2026-01-01&to=2026-01-31&zone=Europe/Oslo';

type Told = { at: string; waits?: number; ends?: number; resolved?: boolean; by?: 'priya' | 'bot'; score?: number };

/** Each of these is a conversation that begins at that time; the rest is in seconds after it. */
const told: Told[] = [
  { at: '2026-01-05T08:15:00Z', waits: 60, ends: 600, resolved: true, by: 'priya', score: 5 },
  { at: '2026-01-05T08:45:00Z', waits: 120, ends: 1_200, resolved: true, by: 'priya', score: 2 },
  { at: '2026-01-06T12:00:00Z', ends: 3_600, resolved: false },
  { at: '2026-01-07T12:00:00Z', ends: 100, resolved: false, by: 'bot' },
  { at: '2026-01-31T23:30:00Z', waits: 10 }, // in Oslo it is February
  { at: '2026-03-02T12:00:00Z', waits: -30, by: 'priya' },
];

beforeAll(async () => {
  app = await startTestSupport();
  asPriya = app.callAs('priya');
  asTom = app.callAs('tom');
  const owner = await app.database.connect('postgres');
  // Nobody else writes the times of conversations.
  await owner.query(`set session_replication_role = replica`);
  for (const [index, { at, waits, ends, resolved, by, score }] of told.entries()) {
    const { rows } = await owner.query(
      `insert into support.sessions (widget_id, visitor_name, token_hash, handler, agent_id, status, resolved, started_at, asked_at,
         last_message_at, first_waited_at, first_answered_at, ended_at)
       select w.id, $1::text, sha256($1::text::bytea), $2::text,
         case when $3::boolean then (select id from support.agents where user_id = 'priya') end,
         case when $4::float8 is null then 'active' else 'ended' end, $5::boolean,
         $6::timestamptz, $6::timestamptz, $6::timestamptz,
         case when $2::text = 'agent' then $6::timestamptz end, $6::timestamptz + make_interval(secs => $7::float8),
         $6::timestamptz + make_interval(secs => $4::float8)
       from support.widgets w where w.key = $8 returning id`,
      [
        `visitor ${index}`,
        by === 'bot' ? 'bot' : 'agent',
        by === 'priya',
        ends ?? null,
        resolved ?? null,
        at,
        waits ?? null,
        widgetKey,
      ],
    );
    if (score)
      await owner.query(`insert into support.ratings (session_id, score, comment) values ($1, $2, $3)`, [
        rows[0].id,
        score,
        score < 3 ? 'Too slow' : null,
      ]);
  }
});

describe('a report of conversations', () => {
  test('says how many were answered, missed and ended by the bot, and in which time, by the median and nine of ten', async () => {
    const { total } = await get(asPriya, `/api/reports/chats?${winter}`);
    expect(total).toEqual({
      chats: 4,
      answered: 2,
      missed: 1,
      bot: 1,
      open: 0,
      resolved: 2,
      ended: 4,
      first_response: { median: 90, p90: 114 },
      resolution: { median: 900, p90: 1_140 },
      rated: 2,
      score: 3.5,
      scores: [0, 1, 0, 0, 1],
    });
  });

  test('has no time of a first answer where the agent wrote before the visitor did', async () => {
    const { total } = await get(asPriya, '/api/reports/chats?from=2026-03-01&to=2026-03-31');
    expect(total).toMatchObject({ chats: 1, answered: 1, first_response: { median: null, p90: null } });
  });

  test('cuts days and hours in the time zone that was asked for', async () => {
    const byDay = async (zone: string) =>
      (await get(asPriya, `/api/reports/chats?from=2026-01-31&to=2026-02-01&by=day&zone=${zone}`)).periods.map(
        ({ chats }: { chats: number }) => chats,
      );
    expect(await byDay('UTC')).toEqual([1, 0]);
    expect(await byDay('Europe/Oslo')).toEqual([0, 1]);
    const { days } = await get(asPriya, `/api/reports/hours?${winter}`);
    expect(days[0][9]).toBe(2); // Monday at nine in Oslo
    expect(days.flat().reduce((sum: number, each: number) => sum + each, 0)).toBe(4);
  });

  test('has behind each number a list of as many conversations', async () => {
    const { total, agents, widgets } = await get(asPriya, `/api/reports/chats?${winter}`);
    const count = async (search: string) =>
      (await get(asPriya, `/api/reports/conversations?${winter}&${search}`)).sessions.length;
    for (const outcome of ['answered', 'missed', 'bot', 'resolved', 'rated'])
      expect(await count(`outcome=${outcome}`), outcome).toBe(total[outcome]);
    for (const { agent, chats } of agents)
      expect(await count(agent ? `agent=${agent.id}` : 'unassigned=true')).toBe(chats);
    expect(await count(`widget=${widgets[0].widget.id}`)).toBe(4);
    expect(await count('hour=9')).toBe(2);
    expect(await count('score=2')).toBe(1);
  });

  test('has no number and no comment of a conversation of another team', async () => {
    const { comments } = await get(asTom, `/api/reports/comments?${winter}`);
    expect(comments).toMatchObject([{ score: 2, comment: 'Too slow', agent: { name: 'Priya Nair' } }]);
    await app.support.query(
      `insert into support.widget_agents (widget_id, agent_id)
       select w.id, a.id from support.widgets w, support.agents a where w.key = $1 and a.user_id = 'priya'`,
      [widgetKey],
    );
    expect((await get(asTom, `/api/reports/chats?${winter}`)).total.chats).toBe(0);
    expect((await get(asTom, `/api/reports/comments?${winter}`)).comments).toEqual([]);
    expect((await get(asPriya, `/api/reports/chats?${winter}`)).total.chats).toBe(4);
    await app.support.query('delete from support.widget_agents');
  });

  test('is refused to somebody who is no agent; a machine with the scope reads the numbers and no words', async () => {
    expect((await app.call('GET', '/api/reports/chats')).body.code).toBe('agent-only');
    const token = await app.issuer.tokenFor('service', { roles: ['reports.read'] });
    const headers = { Authorization: `Bearer ${token}` };
    const ask = (path: string) => fetch(new URL(path, app.url), { headers });
    expect(await (await ask(`/api/reports/chats?${winter}`)).json()).toMatchObject({ total: { chats: 4 } });
    expect((await ask(`/api/reports/comments?${winter}`)).status).toBe(403);
  });

  test('is a file with the same numbers', async () => {
    const headers = await app.headersOf('priya');
    const file = async (path: string) =>
      openCsv(await (await fetch(new URL(`/api/reports/${path}?${winter}`, app.url), { headers })).text());
    expect(await file('agents.csv')).toContainEqual(
      expect.objectContaining({ agent: 'Priya Nair', chats: '2', first_response_median: '90', score: '3.5' }),
    );
    expect(await file('comments.csv')).toMatchObject([{ score: '2', comment: 'Too slow' }]);
    expect(await file('hours.csv')).toHaveLength(168);
  });
});

describe('a visitor', () => {
  const ended = async (): Promise<TestVisitor> => {
    const visitor = await visit(app);
    await visitor.say('Where is my parcel?');
    await asPriya('POST', `/api/sessions/${visitor.id}/replies`, { client_id: 'r', body: 'On its way.' });
    await asPriya('POST', `/api/sessions/${visitor.id}/end`, { resolved: true });
    return visitor;
  };
  const stateOf = async (visitor: TestVisitor) => (await visitor.call('GET', 'messages')).body.session;

  test('rates a conversation once, when it is over; agents and the CRM see the score, the words only agents', async () => {
    const visitor = await ended();
    expect(await stateOf(visitor)).toMatchObject({ asks_rating: true, rating: null });
    const rating = { score: 4, comment: 'Quick answer' };
    expect((await visitor.call('POST', 'rating', rating)).body).toEqual(rating);
    expect((await visitor.call('POST', 'rating', rating)).status).toBe(201);
    expect((await visitor.call('POST', 'rating', { score: 1 })).body.code).toBe('already-rated');
    expect(await stateOf(visitor)).toMatchObject({ asks_rating: false, rating: 4 });
    expect((await get(asPriya, `/api/sessions/${visitor.id}`)).session.rating).toMatchObject(rating);
    const [activity] = await app.foundation.query<{ metadata: Record<string, unknown> }>(
      'select metadata from crm.activities where idempotency_key = $1',
      [`session:${visitor.id}`],
    );
    expect(activity?.metadata).toMatchObject({ rating: 4, resolved: true });
    expect(JSON.stringify(activity)).not.toContain('Quick answer');
  });

  test('rates from the site of the shop: its browser may send a score to the server', async () => {
    const asked = await fetch(new URL(`/api/sessions/${crypto.randomUUID()}/rating`, app.url), {
      method: 'OPTIONS',
      headers: { Origin: 'https://shop.example', 'Access-Control-Request-Method': 'POST' },
    });
    expect(asked.headers.get('access-control-allow-methods')).toContain('POST');
  });

  test('does not rate one that goes on, nor one of somebody else; nobody gives six or nothing', async () => {
    const visitor = await visit(app);
    await visitor.say('Hello');
    expect((await visitor.call('POST', 'rating', { score: 5 })).body.code).toBe('session-open');
    const other = { Authorization: `Bearer ${(await ended()).token}` };
    expect((await visitor.call('POST', 'rating', { score: 5 }, other)).status).toBe(404);
    expect((await visitor.call('POST', 'rating', { score: 6 })).status).toBe(422);
    expect((await visitor.call('POST', 'rating', {})).status).toBe(422);
  });

  test('is not asked where the widget does not ask', async () => {
    await app.support.query(`update support.widgets set settings = '{"asks_rating": false}' where key = $1`, [
      widgetKey,
    ]);
    expect(await stateOf(await ended())).toMatchObject({ asks_rating: false });
    await app.support.query(`update support.widgets set settings = '{}' where key = $1`, [widgetKey]);
  });

  test('is not asked how it was where nobody has said a word to them', async () => {
    const visitor = await visit(app);
    await visitor.say('Anybody there?');
    await asPriya('POST', `/api/sessions/${visitor.id}/end`, { resolved: false });
    expect(await stateOf(visitor)).toMatchObject({ status: 'ended', asks_rating: false });
  });

  test('who is erased leaves the score and no words; what the CRM is told again has the score', async () => {
    const visitor = await ended();
    await visitor.call('POST', 'rating', { score: 2, comment: 'My name is Guest' });
    const [session] = await app.support.query<{ customer_id: string }>(
      'select customer_id from support.sessions where id = $1',
      [visitor.id],
    );
    const told = await app.support.query<{ metadata: unknown }>(
      'select metadata from support.activity_of_session($1)',
      [visitor.id],
    );
    expect(told).toMatchObject([{ metadata: { rating: 2 } }]);
    const privacy = await app.database.connect('privacy_app');
    await privacy.query(`begin; set local aether.actor = 'admin'`);
    await privacy.query('select platform.erase_customer($1, $2)', [session?.customer_id, 'A request']);
    await privacy.query('commit');
    expect(
      await app.support.query('select score, comment from support.ratings where session_id = $1', [visitor.id]),
    ).toEqual([{ score: 2, comment: null }]);
  });
});

test('the first wait and the first answer of a conversation are kept when they happen', async () => {
  const visitor = await visit(app);
  await visitor.say('Anybody there?');
  await visitor.say('Hello?');
  const read = async () =>
    (
      await app.support.query<{ first_waited_at: Date; first_answered_at: Date; asked_at: Date }>(
        'select first_waited_at, first_answered_at, asked_at from support.sessions where id = $1',
        [visitor.id],
      )
    )[0];
  const before = await read();
  expect(before).toMatchObject({ first_answered_at: null, first_waited_at: before?.asked_at });
  await asPriya('POST', `/api/sessions/${visitor.id}/replies`, { client_id: 'a', body: 'Yes.' });
  const first = await read();
  await asPriya('POST', `/api/sessions/${visitor.id}/replies`, { client_id: 'b', body: 'How can I help?' });
  expect(first?.first_answered_at).toBeInstanceOf(Date);
  expect(await read()).toEqual(first);
});

test('conversations of an earlier version get the first wait and the first answer from what was said in them, and nobody is told', async () => {
  const visitor = await visit(app);
  await visitor.say('Was I there before?');
  await asPriya('POST', `/api/sessions/${visitor.id}/replies`, { client_id: 'a', body: 'Yes.' });
  const owner = await app.database.connect('postgres');
  const read = async () =>
    (
      await owner.query(
        `select s.asked_at, s.first_waited_at, abs(extract(epoch from s.first_answered_at - m.created_at)) < 5 as is_answered,
           (select count(*) from sync.outbox) as told
         from support.sessions s join support.messages m on m.session_id = s.id and m.author = 'agent' where s.id = $1`,
        [visitor.id],
      )
    ).rows[0];
  const before = await read();
  expect(before).toMatchObject({ first_waited_at: before.asked_at, is_answered: true });
  await owner.query(`set session_replication_role = replica`);
  await owner.query('update support.sessions set first_waited_at = null, first_answered_at = null where id = $1', [
    visitor.id,
  ]);
  await owner.query('reset session_replication_role');
  const fill = (await readMigrations()).find(({ name }) => name === 'first_answers');
  const migrator = await app.database.connect('platform_migrator');
  await migrator.query('set role platform_owner');
  await migrator.query(fill?.sql ?? '');
  expect(await read()).toEqual(before);
});
