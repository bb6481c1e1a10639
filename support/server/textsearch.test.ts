import { beforeAll, describe, expect, test } from 'vitest';
import { startTestSupport, type TestSupport } from './testing.ts';
import { visit } from './visitors/testing.visitor.ts';

let app: TestSupport;
let tomId: string;
beforeAll(async () => {
  app = await startTestSupport();
  const [tom] = await app.support.query<{ id: string }>(`select id from support.agents where user_id = 'tom'`);
  tomId = tom?.id as string;
});

type Found = Record<string, unknown> & { id: string; excerpt: { text: string; marks: { from: number; to: number }[] } };
type Call = TestSupport['call'];

/** All that is found, page by page. */
async function searchAll(call: Call, query: Record<string, string>): Promise<Found[]> {
  const found: Found[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const { status, body } = await call(
      'GET',
      `/api/search/text?${new URLSearchParams({ ...query, ...(cursor && { cursor }) })}`,
    );
    if (status !== 200) throw new Error(JSON.stringify(body));
    found.push(...body.results);
    cursor = body.next_cursor;
  }
  return found;
}
const markedIn = ({ excerpt: { text, marks } }: Found) => marks.map(({ from, to }) => text.slice(from, to));

test('messages, notes and the notes of calls are found, with the words marked and what they belong to', async () => {
  const asPriya = app.callAs('priya');
  const visitor = await visit(app, { name: 'Ada Lovelace', email: 'ada@texts.example' });
  await visitor.say('Hello');
  await visitor.say('My kettle AB-1234 leaks');
  await asPriya('POST', `/api/sessions/${visitor.id}/notes`, { client_id: 'n', body: 'The kettle is under warranty' });
  const { body } = await asPriya('POST', '/api/calls', {
    client_id: 'call',
    direction: 'inbound',
    number: '+49 30 1234567',
    email: 'ada@texts.example',
    name: 'Ada Lovelace',
    outcome: 'resolved',
    notes: 'She sent the kettle back',
    started_at: new Date().toISOString(),
    duration_seconds: 60,
  });
  const found = await searchAll(asPriya, { q: 'kettle', order: 'newest' });
  expect(found).toMatchObject([
    { kind: 'call', id: body.call.id, session: null, customer: { name: 'Ada Lovelace' }, author_name: 'Priya Nair' },
    { kind: 'note', session: { id: visitor.id, visitor_name: 'Ada Lovelace' }, author: 'agent', number: null },
    { kind: 'message', session: { id: visitor.id, identity: 'claimed' }, author: 'visitor', number: 2 },
  ]);
  for (const hit of found) expect(markedIn(hit)).toEqual(['kettle']);
  for (const q of ['1234', 'AB-1234', 'ab1234', '"kettle ab"', 'leak -warranty'])
    expect([q, await searchAll(asPriya, { q })]).toMatchObject([q, [{ kind: 'message', number: 2 }]]);
  expect(await searchAll(asPriya, { q: 'kettle', kind: 'note' })).toMatchObject([{ kind: 'note' }]);
  expect(await searchAll(asPriya, { q: 'kettle -warranty' })).toHaveLength(2);
  expect(await searchAll(asPriya, { q: 'kettles' })).toEqual([]);
});

test('words of every language of the widget are found, and Chinese, Japanese and Korean by their characters', async () => {
  const asPriya = app.callAs('priya');
  const visitor = await visit(app);
  const texts = {
    'Die Rückerstattung für die Großbestellung fehlt': 'rückerstattung grossbestellung',
    'Où est mon remboursement, s’il vous plaît ?': 'plait remboursement',
    '¿Dónde está mi devolución?': 'donde devolucion',
    'İadem nerede kaldı?': 'iadem kaldi',
    返金はいつ届きますか: '返金',
    我的退款在哪里: '退款',
    '환불은 언제 되나요': '환불',
    'write to mary+test@shop.example': 'mary+test@shop.example',
  };
  for (const text of Object.keys(texts)) await visitor.say(text);
  for (const [text, q] of Object.entries(texts))
    expect([q, (await searchAll(asPriya, { q })).map(({ excerpt }) => excerpt.text)]).toEqual([q, [text]]);
  expect(await searchAll(asPriya, { q: '金返' })).toEqual([]);
});

describe('pages', () => {
  test('show every text once, in either order, also if more comes meanwhile; a cursor leads on in no other search', async () => {
    const asPriya = app.callAs('priya');
    const visitor = await visit(app);
    const said = Array.from(
      { length: 30 },
      (_, n) => `pagination ${n} ${n % 7 === 0 ? 'of sheets' : 'with some sheets'}`,
    );
    for (const text of said) await visitor.say(text);
    for (const order of ['best', 'newest']) {
      const shown: string[] = [];
      let cursor: string | null = '';
      for (let page = 0; cursor !== null; page++) {
        const query = new URLSearchParams({ q: 'pagination sheets', order, limit: '7', ...(cursor && { cursor }) });
        const { body } = await asPriya('GET', `/api/search/text?${query}`);
        shown.push(...body.results.map(({ excerpt }: Found) => excerpt.text));
        cursor = body.next_cursor;
        if (page === 0) {
          await visitor.say('pagination of sheets, said later');
          expect(
            (
              await asPriya(
                'GET',
                `/api/search/text?${new URLSearchParams({ q: 'sheets', order, cursor: cursor ?? '' })}`,
              )
            ).status,
          ).toBe(422);
        }
      }
      const first = shown.filter((text) => !text.endsWith('later'));
      expect([order, first.toSorted()]).toEqual([order, said.toSorted()]);
      if (order === 'newest') expect(first).toEqual(said.toReversed());
    }
  });
});

describe('a reader', () => {
  test('finds nothing of a conversation of another team, nor that there is something; an agent of it does', async () => {
    const [widget] = await app.support.query<{ id: string }>(
      `insert into support.widgets (key, name) values ('team-texts', 'Team') returning id`,
    );
    await app.callAs('admin')('PUT', `/api/widgets/${widget?.id}/team`, { agent_ids: [tomId] });
    const visitor = await visit(app, {}, { key: 'team-texts' });
    await visitor.say('The clandestine plan');
    await app.callAs('tom')('POST', `/api/sessions/${visitor.id}/notes`, { client_id: 'n', body: 'So clandestine' });
    const { body } = await app.callAs('priya')('GET', '/api/search/text?q=clandestine');
    expect(body).toEqual({ results: [], next_cursor: null, searched_to: null });
    for (const who of ['tom', 'admin']) expect(await searchAll(app.callAs(who), { q: 'clandestine' })).toHaveLength(2);
  });

  test('who is not an agent, a machine, a visitor and nobody search no texts', async () => {
    const path = '/api/search/text?q=kettle';
    for (const who of ['maya', 'boss'])
      expect(await app.callAs(who)('GET', path)).toMatchObject({ status: 403, body: { code: 'agent-only' } });
    expect((await app.callWith('conversations.read')('GET', path)).status).toBe(403);
    expect((await app.callAnonymously('GET', path)).status).toBe(401);
    const visitor = await visit(app);
    expect(
      (await app.callAnonymously('GET', path, undefined, { Authorization: `Bearer ${visitor.token}` })).status,
    ).toBe(401);
  });

  test('is told what is wrong with a search', async () => {
    const asPriya = app.callAs('priya');
    for (const [q, detail] of [
      ['', 'must not be empty'],
      ['...', 'needs a word'],
      ['-refund', 'needs a word that is in the text'],
      ['x'.repeat(201), 'at most 200 characters'],
    ] as const) {
      const { status, body } = await asPriya('GET', `/api/search/text?${new URLSearchParams({ q })}`);
      expect([q, status, JSON.stringify(body)]).toEqual([q, 422, expect.stringContaining(detail)]);
    }
    expect((await asPriya('GET', '/api/search/text?q=a&kind=deal')).status).toBe(422);
  });
});

test('the texts of a merged customer lead to the survivor, and those of an erased one are gone', async () => {
  const asPriya = app.callAs('priya');
  const visitor = await visit(app, { name: 'Zoe', email: 'zoe@texts.example' });
  await visitor.say('An ephemeral question');
  const loser = (await app.support.getCustomerByEmail('zoe@texts.example'))?.id as string;
  const survivor = (await app.foundation.createCustomer({ name: 'Zoe Whole', email: 'zoe.whole@texts.example' })).id;
  const merging = await app.database.connect('sync_app');
  await merging.query('select platform.merge_customers($1, $2)', [survivor, [loser]]);
  expect(await searchAll(asPriya, { q: 'ephemeral' })).toMatchObject([
    { customer: { id: survivor, name: 'Zoe Whole' } },
  ]);

  const privacy = await app.database.connect('privacy_app');
  await privacy.query(`select set_config('aether.actor', 'tom', false)`);
  await privacy.query('select platform.erase_customer($1, $2)', [survivor, 'A request']);
  expect(await searchAll(asPriya, { q: 'ephemeral' })).toEqual([]);
});

test('the index of texts finds messages, and no other way is taken, also in a table of few', async () => {
  const client = await app.database.connect('support_app');
  const { rows } = await client.query(
    `explain select m.id from support.messages m where platform.text_terms(m.body, m.created_at) @@ '''26a0kettle'''::tsquery`,
  );
  expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toContain('messages_words');
});
