import { atEnd, untilSomebodyWaits } from '@aether/database/testing';
import { collectValues, connectPlatform } from '@aether/platform';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestSupport, type TestSupport, widgetKey } from '../testing.ts';
import { findByIndex } from './inbox.ts';

let app: TestSupport;
let asPriya: TestSupport['call'];
let asTom: TestSupport['call'];
let tomId: string;
let unique = 0;
beforeAll(async () => {
  app = await startTestSupport();
  asPriya = app.callAs('priya');
  asTom = app.callAs('tom');
  const [tom] = await app.support.query<{ id: string }>(`select id from support.agents where user_id = 'tom'`);
  tomId = tom?.id as string;
});

/** A visitor who has asked a question. */
async function ask(body = 'Where is my order?', visitor: Record<string, string> = {}) {
  const opened = await app.callAnonymously('POST', `/api/widgets/${widgetKey}/sessions`, {
    email: `asker${++unique}@post.example`,
    name: `Asker ${unique}`,
    ...visitor,
  });
  const { session_id: id, visitor_token: token } = opened.body;
  const write = (text: string) =>
    app.callAnonymously(
      'POST',
      `/api/sessions/${id}/messages`,
      { client_id: `v${++unique}`, body: text },
      { Authorization: `Bearer ${token}` },
    );
  if (body) await write(body);
  return { id: id as string, token: token as string, write };
}

const idsIn = async (call: TestSupport['call'], query: string): Promise<string[]> => {
  const { body } = await call('GET', `/api/inbox?${query}`);
  return body.sessions.map(({ id }: { id: string }) => id);
};
const entriesOf = async (id: string) => (await asPriya('GET', `/api/sessions/${id}`)).body.entries;

describe('the inbox', () => {
  test('lists visitors who have asked a question, the longest waiting first, and none who only opened the widget', async () => {
    const silent = await ask('');
    const first = await ask('first');
    const second = await ask('second');
    await first.write('still there?');
    const ids = await idsIn(asPriya, 'view=unassigned&limit=100');
    expect(ids).not.toContain(silent.id);
    expect(ids.indexOf(first.id)).toBeGreaterThan(-1);
    expect(ids.indexOf(first.id)).toBeLessThan(ids.indexOf(second.id));
  });

  test('shows a conversation in one view at a time: unassigned, then the agent’s own, then ended', async () => {
    const { id } = await ask();
    const placesOf = async (call: TestSupport['call']) => {
      const found = [];
      for (const view of ['mine', 'unassigned', 'all', 'snoozed', 'ended'])
        if ((await idsIn(call, `view=${view}&limit=100`)).includes(id)) found.push(view);
      return found;
    };
    expect(await placesOf(asPriya)).toEqual(['unassigned', 'all']);
    await asPriya('POST', `/api/sessions/${id}/claim`, {});
    expect(await placesOf(asPriya)).toEqual(['mine', 'all']);
    expect(await placesOf(asTom)).toEqual(['all']);
    await asPriya('POST', `/api/sessions/${id}/end`, { resolved: true });
    expect(await placesOf(asPriya)).toEqual(['ended']);
  });

  test('lists each conversation once across its pages, also when one is answered between two pages', async () => {
    const asked = [];
    for (let n = 0; n < 5; n += 1) asked.push((await ask('page', { name: 'Pager' })).id);
    const query = 'view=unassigned&search=pager&limit=2';
    const { body: first } = await asPriya('GET', `/api/inbox?${query}`);
    await asPriya('POST', `/api/sessions/${asked[1]}/replies`, { client_id: 'r', body: 'Hello' });
    const { body: second } = await asPriya('GET', `/api/inbox?${query}&cursor=${first.next_cursor}`);
    const { body: third } = await asPriya('GET', `/api/inbox?${query}&cursor=${second.next_cursor}`);
    const seen = [first, second, third].flatMap(({ sessions }) => sessions.map(({ id }: { id: string }) => id));
    expect(seen).toEqual(asked);
    expect(third.next_cursor).toBeNull();
  });

  test('finds conversations by the name and the address that visitors typed, and by a second number', async () => {
    const { id } = await ask('hi', { name: 'Zebedee Quill', email: 'zq@quill.example' });
    expect(await idsIn(asPriya, 'search=bedee')).toEqual([id]);
    expect(await idsIn(asPriya, 'search=ZQ@quill')).toEqual([id]);
    const customer = await app.foundation.getCustomerByEmail('zq@quill.example');
    for (const phone of ['+49 40 5551987', '+49 170 55512345'])
      await app.foundation.addPhone(customer?.id as string, phone);
    expect(await idsIn(asPriya, `search=${encodeURIComponent('0170/5551 2345')}`)).toEqual([id]);
    expect(await idsIn(asPriya, 'search=%25')).toEqual([]);
    // The visitor has the customer's name and address: each of these ends one searched text and begins the next.
    for (const typed of ['quill-zebedee', 'quill-zq', 'example-zq'])
      expect(await idsIn(asPriya, `search=${typed}`)).toEqual([]);
    const { id: accented } = await ask('hi', { name: 'Zoë O’Brian-山田' });
    for (const typed of ["zoe o'brian", 'OBRIAN', '田'])
      expect(await idsIn(asPriya, `search=${encodeURIComponent(typed)}`)).toEqual([accented]);
  });

  test('finds a conversation by the customer with whom its own was merged, and not by the name that is gone', async () => {
    const { id } = await ask('hi', { name: 'Vee', email: 'orla.former@merged.example' });
    const { id: other } = await ask('hi', { name: 'Vee', email: 'quentin.present@merged.example' });
    const [former, present] = await Promise.all(
      ['orla.former@merged.example', 'quentin.present@merged.example'].map(
        async (email) => await app.foundation.getCustomerByEmail(email),
      ),
    );
    await app.foundation.query(`update platform.customers set name = 'Orla Formerly' where id = $1`, [former?.id]);
    await app.foundation.query(`update platform.customers set name = 'Quentin Presently' where id = $1`, [present?.id]);
    expect(await idsIn(asPriya, 'search=formerly')).toEqual([id]);
    const console = await connectPlatform({
      app: 'console',
      variables: { PLATFORM_DB_URL: app.database.url('console_app') },
    });
    atEnd(() => console.close());
    await console.mergeCustomers(present?.id as string, [former?.id as string], { actor: 'admin' });
    expect((await idsIn(asPriya, 'search=presently')).sort()).toEqual([id, other].sort());
    expect(await idsIn(asPriya, 'search=formerly')).toEqual([]);
  });

  test('of several words the rarest is looked for by the indexes, wherever the others are', async () => {
    const made: string[] = [];
    for (const name of ['Wilma Xantippe', 'Wilma Yttrium', 'Wilma'])
      made.push((await ask('hi', { name, email: `${name.slice(6) || 'w'}@wilma.example` })).id);
    expect(await idsIn(asPriya, 'search=wilma%20xantippe')).toEqual([made[0]]);
    expect(await idsIn(asPriya, 'search=yttrium@wilma%20wilma')).toEqual([made[1]]);
    expect(await idsIn(asPriya, 'search=wilma%20xantippe%20yttrium')).toEqual([]);
  });

  test.each([
    ['quill', ['sessions_words', 'sessions_folded', 'customers_words', 'customers_folded']],
    ['zq@quill.example', ['sessions_words', 'sessions_folded', 'customers_words']],
    ['山田', ['sessions_folded', 'customers_folded']],
  ])('PostgreSQL answers a search for %s by indexes', async (word, indexes) => {
    const superuser = await app.database.connect('postgres');
    await superuser.query('set enable_seqscan = off; set enable_indexscan = off');
    const { values, parameter } = collectValues();
    const { rows } = await superuser.query(`explain select ${findByIndex(word, undefined, parameter)}`, values);
    const plan = JSON.stringify(rows);
    expect(indexes.filter((name) => !plan.includes(`on ${name}`))).toEqual([]);
    expect(plan).not.toContain('Seq Scan');
  });

  test('counts the conversations in each view', async () => {
    const before = (await asPriya('GET', '/api/inbox/counts')).body;
    const { id } = await ask();
    expect((await asPriya('GET', '/api/inbox/counts')).body).toEqual({
      ...before,
      unassigned: before.unassigned + 1,
      all: before.all + 1,
    });
    await asPriya('POST', `/api/sessions/${id}/claim`, {});
    expect((await asPriya('GET', '/api/inbox/counts')).body).toMatchObject({ mine: before.mine + 1 });
  });
});

describe('a conversation', () => {
  test('that two agents claim at once is assigned to one, and the other learns to whom', async () => {
    const { id } = await ask();
    const answers = await Promise.all([asPriya, asTom].map((call) => call('POST', `/api/sessions/${id}/claim`, {})));
    const [won, lost] = answers.toSorted((a, b) => a.status - b.status);
    expect(won?.status).toBe(200);
    expect(lost).toMatchObject({ status: 409, body: { code: 'session-claimed' } });
    expect(lost?.body.detail).toContain(won?.body.session.agent.name);
    expect((await entriesOf(id)).filter(({ kind }: { kind: string }) => kind === 'claimed')).toHaveLength(1);
  });

  test('of another agent is taken over only by an agent who asks for that explicitly', async () => {
    const { id } = await ask();
    await asTom('POST', `/api/sessions/${id}/claim`, {});
    const reply = { client_id: 'r1', body: 'Hello' };
    expect(await asPriya('POST', `/api/sessions/${id}/replies`, reply)).toMatchObject({
      status: 409,
      body: { code: 'session-claimed', detail: expect.stringContaining('Tom Berglund') },
    });
    const taken = await asPriya('POST', `/api/sessions/${id}/claim`, { take_over: true });
    expect(taken.body.session.agent.name).toBe('Priya Nair');
    expect((await asPriya('POST', `/api/sessions/${id}/replies`, reply)).status).toBe(201);
    // Tom's own repetition of his earlier message is still his message.
    expect(await asTom('POST', `/api/sessions/${id}/replies`, reply)).toMatchObject({ status: 409 });
  });

  test('is new to the agent to whom a colleague assigned it until that one opens it, although it was read', async () => {
    const { id } = await ask();
    const isNew = async () => (await asPriya('GET', `/api/sessions/${id}`)).body.session.is_new_to_agent;
    const seen = (call: typeof asPriya) => call('POST', `/api/sessions/${id}/seen`, { number: 1 });
    await asPriya('POST', `/api/sessions/${id}/claim`, {});
    await seen(asPriya);
    expect(await isNew(), 'of the agent who took it').toBe(false);
    await asPriya('POST', `/api/sessions/${id}/assign`, { agent_id: tomId });
    expect(await isNew()).toBe(true);
    await seen(asPriya);
    expect(await isNew(), 'when the colleague looks again').toBe(true);
    await seen(asTom);
    expect(await isNew()).toBe(false);
    await asPriya('POST', `/api/sessions/${id}/claim`, { take_over: true });
    await asPriya('POST', `/api/sessions/${id}/assign`, { agent_id: tomId });
    await asTom('POST', `/api/sessions/${id}/assign`, { agent_id: null });
    expect(await isNew(), 'when nobody has it').toBe(false);
  });

  test('is assigned to another agent with a note, or returned to everybody, but is refused to an agent who has left', async () => {
    const { id } = await ask();
    const given = await asPriya('POST', `/api/sessions/${id}/assign`, { agent_id: tomId, note: 'Yours: billing' });
    expect(given.body.session.agent).toEqual({ id: tomId, name: 'Tom Berglund' });
    expect(await entriesOf(id)).toMatchObject([
      { kind: 'assigned', agent: { name: 'Priya Nair' }, to_agent: { name: 'Tom Berglund' }, body: 'Yours: billing' },
    ]);
    const released = await asTom('POST', `/api/sessions/${id}/assign`, { agent_id: null });
    expect(released.body.session.agent).toBeNull();
    const [left] = await app.support.query<{ id: string }>(
      `with made as (insert into support.agents (user_id) values ('maya') returning id) select id from made`,
    );
    await app.support.query('update support.agents set is_active = false where id = $1', [left?.id]);
    expect(await asTom('POST', `/api/sessions/${id}/assign`, { agent_id: left?.id })).toMatchObject({
      status: 409,
      body: { code: 'agent-inactive' },
    });
  });

  test('counts as waiting from the first unanswered message until an agent answers', async () => {
    const { id, write } = await ask();
    const read = async () => (await asPriya('GET', `/api/sessions/${id}`)).body.session.waiting_since;
    const since = await read();
    expect(since).not.toBeNull();
    await write('Hello?');
    expect(await read()).toBe(since);
    await asPriya('POST', `/api/sessions/${id}/replies`, { client_id: 'a', body: 'Here.' });
    expect(await read()).toBeNull();
  });

  test('that was snoozed comes back when the visitor writes, and cannot be snoozed into the past', async () => {
    const { id, write } = await ask();
    const until = new Date(Date.now() + 3_600_000).toISOString();
    expect((await asPriya('POST', `/api/sessions/${id}/snooze`, { until })).body.session.snoozed_until).toBe(until);
    expect(await idsIn(asPriya, 'view=mine&limit=100')).not.toContain(id);
    expect(await idsIn(asPriya, 'view=snoozed&limit=100')).toContain(id);
    await write('One more thing');
    expect(await idsIn(asPriya, 'view=mine&limit=100')).toContain(id);
    expect(await asPriya('POST', `/api/sessions/${id}/snooze`, { until: '2026-01-01T00:00:00Z' })).toMatchObject({
      status: 422,
      body: { errors: [{ field: 'until' }] },
    });
  });

  test('leaves the time for which it was snoozed out of the duration that the CRM is told', async () => {
    const { id } = await ask();
    const owner = await app.database.connect('postgres');
    await owner.query(`update support.sessions set started_at = now() - interval '10 hours' where id = $1`, [id]);
    await owner.query(
      `insert into support.session_entries (session_id, kind, body, created_at)
       select $1, kind, (now() + until::interval)::text, now() - ago::interval
       from (values ('snoozed', '-5 hours', '8 hours'), ('snoozed', '1 hour', '4 hours'), ('woken', null, '3 hours')) e (kind, until, ago)`,
      [id],
    );
    await asPriya('POST', `/api/sessions/${id}/end`, { resolved: true });
    const [told] = await app.foundation.query<{ seconds: number }>(
      `select (metadata ->> 'duration_seconds')::float as seconds from crm.activities where idempotency_key = $1`,
      [`session:${id}`],
    );
    expect(told?.seconds).toBeGreaterThan(6 * 3_600 - 1); // ten hours without three and without one
    expect(told?.seconds).toBeLessThan(6 * 3_600 + 60);
  });

  test('has notes that the visitor does not see; a repeated note is the same note', async () => {
    const { id, token } = await ask();
    const note = { client_id: 'n1', body: 'Asked twice already' };
    const [first, again] = [
      await asPriya('POST', `/api/sessions/${id}/notes`, note),
      await asPriya('POST', `/api/sessions/${id}/notes`, note),
    ];
    expect(first).toMatchObject({ status: 201, body: { kind: 'note', agent: { name: 'Priya Nair' } } });
    expect(again.body).toEqual(first.body);
    const seen = await app.callAnonymously('GET', `/api/sessions/${id}/messages`, undefined, {
      Authorization: `Bearer ${token}`,
    });
    expect(JSON.stringify(seen.body)).not.toContain('Asked twice');
    expect(await entriesOf(id)).toHaveLength(1);
  });

  test('loses no note: a used client_id with another text or from another agent is refused', async () => {
    const { id } = await ask();
    const note = { client_id: 'n1', body: 'Asked twice already' };
    await asPriya('POST', `/api/sessions/${id}/notes`, note);
    for (const refused of [
      await asPriya('POST', `/api/sessions/${id}/notes`, { ...note, body: 'Something else' }),
      await asTom('POST', `/api/sessions/${id}/notes`, note),
    ])
      expect(refused).toMatchObject({
        status: 409,
        body: { code: 'client-id-reused', errors: [{ field: 'client_id' }] },
      });
    expect(await entriesOf(id)).toHaveLength(1);
  });

  test('loses no answer: a used client_id with another text or from another agent is refused', async () => {
    const { id } = await ask();
    const reply = { client_id: 'r1', body: 'On its way' };
    await asPriya('POST', `/api/sessions/${id}/replies`, reply);
    const refused = { status: 409, body: { code: 'client-id-reused', errors: [{ field: 'client_id' }] } };
    expect(await asPriya('POST', `/api/sessions/${id}/replies`, { ...reply, body: 'Lost' })).toMatchObject(refused);
    await asTom('POST', `/api/sessions/${id}/claim`, { take_over: true });
    expect(await asTom('POST', `/api/sessions/${id}/replies`, reply)).toMatchObject(refused);
    const { messages } = (await asPriya('GET', `/api/sessions/${id}`)).body;
    expect(messages.map(({ body }: { body: string }) => body)).toEqual(['Where is my order?', 'On its way']);
  });

  test('is not assigned to an agent who leaves at that moment', async () => {
    const { id } = await ask();
    const rival = await app.database.connect('support_app');
    await rival.query('begin');
    await rival.query('update support.agents set is_active = false where id = $1', [tomId]);
    const assigned = asPriya('POST', `/api/sessions/${id}/assign`, { agent_id: tomId });
    await untilSomebodyWaits(rival);
    await rival.query('commit');
    expect(await assigned).toMatchObject({ status: 409, body: { code: 'agent-inactive' } });
    await rival.query('update support.agents set is_active = true where id = $1', [tomId]);
    expect(await asPriya('POST', `/api/sessions/${id}/assign`, { agent_id: tomId })).toMatchObject({ status: 200 });
  });

  test.each([
    ['claims', 'claim', {}],
    ['answers', 'replies', { client_id: 'leaving', body: 'Hello' }],
    ['puts aside', 'snooze', { until: new Date(Date.now() + 60_000).toISOString() }],
  ])('stays unassigned when the agent who %s it leaves at that moment', async (_, what, body) => {
    const { id } = await ask();
    const rival = await app.database.connect('support_app');
    await rival.query('begin');
    await rival.query('update support.agents set is_active = false where id = $1', [tomId]);
    const answer = asTom('POST', `/api/sessions/${id}/${what}`, body);
    await untilSomebodyWaits(rival);
    await rival.query('commit');
    expect(await answer).toMatchObject({ status: 409, body: { code: 'agent-inactive' } });
    expect((await asPriya('GET', `/api/sessions/${id}`)).body.session.agent).toBeNull();
    await rival.query('update support.agents set is_active = true where id = $1', [tomId]);
  });

  test('that has ended cannot be claimed, assigned or snoozed', async () => {
    const { id } = await ask();
    await asPriya('POST', `/api/sessions/${id}/end`, { resolved: true });
    for (const [what, body] of [
      ['claim', {}],
      ['assign', { agent_id: tomId }],
      ['snooze', { until: new Date(Date.now() + 60_000).toISOString() }],
    ] as const)
      expect(await asPriya('POST', `/api/sessions/${id}/${what}`, body)).toMatchObject({
        status: 409,
        body: { code: 'session-ended' },
      });
  });
});
