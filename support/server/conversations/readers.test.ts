import { atEnd } from '@aether/database/testing';
import type { Caller } from '@aether/http';
import type { ReplicaState, User } from '@aether/platform';
import { startSync } from '@aether/sync';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestSupport, type TestSupport } from '../testing.ts';
import { listenTo, type TestVisitor, type VisitorEar, visit } from '../visitors/testing.visitor.ts';
import { countInbox, listInbox } from './inbox.ts';
import { findListReader, type Reader } from './readers.ts';
import { listSessions } from './sessions.ts';

let app: TestSupport;
let customerId: string;
/** A chat of the widget whose team is Tom alone, and one of the widget without a team. */
let ofTeam: TestVisitor;
let ofAll: TestVisitor;
let tomId: string;
let teamWidget: string;
const email = 'ada@post.example';

beforeAll(async () => {
  app = await startTestSupport();
  const worker = await startSync({ variables: { PLATFORM_DB_URL: app.database.url('sync_app') } });
  atEnd(worker.close);
  const [tom] = await app.support.query<{ id: string }>(`select id from support.agents where user_id = 'tom'`);
  tomId = tom?.id as string;
  const [widget] = await app.support.query<{ id: string }>(
    `insert into support.widgets (key, name) values ('team-widget', 'Team') returning id`,
  );
  teamWidget = widget?.id as string;
  await app.callAs('admin')('PUT', `/api/widgets/${teamWidget}/team`, { agent_ids: [tomId] });
  ofTeam = await visit(app, { email, name: 'Ada Lovelace' }, { key: 'team-widget' });
  ofAll = await visit(app, { email, name: 'Ada Lovelace' });
  for (const visitor of [ofTeam, ofAll]) await visitor.say('My secret question');
  await app.callAs('tom')('POST', `/api/sessions/${ofTeam.id}/notes`, { client_id: 'n', body: 'A note' });
  customerId = (await app.support.getCustomerByEmail(email))?.id as string;
});

const everyRoute = (id: string): [method: string, path: string, body?: Record<string, unknown>][] => [
  ['GET', `/api/sessions/${id}`],
  ['GET', `/api/sessions/${id}/context`],
  ['POST', `/api/sessions/${id}/replies`, { client_id: 'x', body: 'x' }],
  ['POST', `/api/sessions/${id}/notes`, { client_id: 'x', body: 'x' }],
  ['POST', `/api/sessions/${id}/claim`, { take_over: true }],
  ['POST', `/api/sessions/${id}/assign`, { agent_id: null }],
  ['POST', `/api/sessions/${id}/snooze`, { until: null }],
  ['POST', `/api/sessions/${id}/presence`, { is_typing: true }],
  ['POST', `/api/sessions/${id}/seen`, { number: 1 }],
  ['POST', `/api/sessions/${id}/moves`, { customer_id: customerId }],
  ['POST', `/api/sessions/${id}/moves/${customerId}/undo`, {}],
  ['POST', `/api/sessions/${id}/end`, { resolved: true }],
];
const lists = () => ['/api/inbox?view=all', '/api/sessions', `/api/sessions?customer_id=${customerId}`];
const idsIn = async (call: TestSupport['call'], path: string): Promise<string[]> =>
  (await call('GET', path)).body.sessions.map(({ id }: { id: string }) => id);

describe('a conversation', () => {
  test.each(['maya', 'boss'])('is closed to %s, a person who is not an agent, on every route', async (who) => {
    const call = app.callAs(who);
    for (const [method, path, body] of everyRoute(ofAll.id))
      expect([path, await call(method, path, body)]).toMatchObject([
        path,
        { status: 403, body: { code: 'agent-only' } },
      ]);
    for (const path of [...lists(), '/api/inbox/counts', '/api/calls', `/api/customers/${customerId}/context`])
      expect([path, await call('GET', path)]).toMatchObject([path, { status: 403, body: { code: 'agent-only' } }]);
    const { body } = await call('GET', '/api/search?q=ada');
    expect(body).toMatchObject({ customers: [{ id: customerId }], sessions: [] });
  });

  test('of another team is closed to an agent, on every route, and in no list, search or panel', async () => {
    const asPriya = app.callAs('priya');
    for (const [method, path, body] of everyRoute(ofTeam.id))
      expect([path, await asPriya(method, path, body)]).toMatchObject([
        path,
        { status: 403, body: { code: 'conversation-of-another-team' } },
      ]);
    for (const path of [...lists(), '/api/search?q=ada', `/api/customers/${customerId}/context`]) {
      const ids = await idsIn(asPriya, path);
      expect([path, ids.includes(ofTeam.id), ids.includes(ofAll.id)]).toEqual([path, false, true]);
    }
    expect(await idsIn(asPriya, `/api/sessions/${ofAll.id}/context`)).toEqual([]);
  });

  test('of a team that an agent has left is in no list or count of a replica that does not know it yet; their own are', async () => {
    const counted = async (reader: Reader) => (await countInbox(app.support, reader)).all;
    const at = async (reader: Reader) => [
      (await listInbox(app.support, reader, { view: 'all', limit: 100 })).some(({ id }) => id === ofTeam.id),
      (await listSessions(app.support, reader, { limit: 100 })).some(({ id }) => id === ofTeam.id),
    ];
    // The tables of this database stand for those of the replica: Tom is still of the team there.
    const tom = { agentId: tomId, readsAll: false };
    const [known, left] = [tom, { ...tom, barred: [teamWidget] }];
    expect([await at(known), await at(left)]).toEqual([
      [true, true],
      [false, false],
    ]);
    expect(await counted(left)).toBe((await counted(known)) - 1);

    const besideReplica = { ...app.support, replicaState: () => ({}) as ReplicaState };
    const callerOf = (id: string, role: User['role'] = 'user') => ({ actor: { id, role } }) as Caller;
    expect(await findListReader(besideReplica, callerOf('priya'))).toMatchObject({ barred: [teamWidget] });
    expect(await findListReader(besideReplica, callerOf('tom'))).toEqual({ ...tom, barred: [] });
    expect(await findListReader(app.support, callerOf('priya'))).not.toHaveProperty('barred');
    expect(await findListReader(besideReplica, callerOf('maya'))).toBeUndefined();
  });

  test('is open to the agents of its team and to an administrator who is an agent', async () => {
    for (const who of ['tom', 'admin']) {
      const call = app.callAs(who);
      expect((await call('GET', `/api/sessions/${ofTeam.id}`)).body.entries).toMatchObject([{ body: 'A note' }]);
      for (const path of [...lists(), '/api/search?q=ada', `/api/customers/${customerId}/context`])
        expect([path, (await idsIn(call, path)).includes(ofTeam.id)]).toEqual([path, true]);
    }
    const counts = async (who: string) => (await app.callAs(who)('GET', '/api/inbox/counts')).body.all;
    expect(await counts('tom')).toBe((await counts('priya')) + 1);
  });

  test('of another team is not in the file that an agent downloads, and in that of an agent of the team with what was said', async () => {
    const fileOf = async (who: string, query = '') => {
      const answer = await fetch(`${app.url}/api/conversations.csv${query}`, { headers: await app.headersOf(who) });
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/csv; charset=utf-8']);
      return answer.text();
    };
    const [ofPriya, ofTom] = [await fileOf('priya'), await fileOf('tom')];
    expect([ofPriya.includes(ofTeam.id), ofPriya.includes(ofAll.id)]).toEqual([false, true]);
    expect([ofTom.includes(ofTeam.id), ofTom.includes(ofAll.id)]).toEqual([true, true]);
    expect(ofTom).toMatch(/,\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ visitor: \S/);
    expect(ofTom).not.toContain('A note');
    expect(await fileOf('tom', '?view=ended')).not.toContain(ofTeam.id);
    expect((await app.callAnonymously('GET', '/api/conversations.csv')).status).toBe(401);
    expect((await app.callWith('context.read')('GET', '/api/conversations.csv')).status).toBe(403);
  });

  test('that is assigned to an agent of another team is open to that agent', async () => {
    const { id } = await visit(app, {}, { key: 'team-widget' });
    const asPriya = app.callAs('priya');
    expect((await asPriya('GET', `/api/sessions/${id}`)).status).toBe(403);
    const { body } = await asPriya('GET', '/api/agents/me');
    await app.callAs('tom')('POST', `/api/sessions/${id}/assign`, { agent_id: body.agent.id });
    expect((await asPriya('GET', `/api/sessions/${id}`)).status).toBe(200);
  });

  test('takes no further answer from an agent who has left its team, or is no agent any more, and stores nothing of one', async () => {
    const { id } = await visit(app, {}, { key: 'team-widget' });
    const [asPriya, asTom] = [app.callAs('priya'), app.callAs('tom')];
    const { id: priyaId } = (await asPriya('GET', '/api/agents/me')).body.agent;
    const setTeam = (ids: string[]) =>
      app.callAs('admin')('PUT', `/api/widgets/${teamWidget}/team`, { agent_ids: ids });
    const setActive = (isActive: boolean) =>
      app.support.query('update support.agents set is_active = $2 where id = $1', [priyaId, isActive]);
    const answer = (clientId: string) =>
      asPriya('POST', `/api/sessions/${id}/replies`, { client_id: clientId, body: 'Hello' });
    const isOfAnotherTeam = { status: 403, body: { code: 'conversation-of-another-team' } };
    expect(await answer('as-a-stranger')).toMatchObject(isOfAnotherTeam);
    await setTeam([tomId, priyaId]);
    expect(await answer('of-the-team')).toMatchObject({ status: 201, body: { agent_name: 'Priya Nair' } });
    expect((await asTom('POST', `/api/sessions/${id}/assign`, { agent_id: null })).status).toBe(200);
    await setTeam([tomId]);
    expect(await answer('after-the-team')).toMatchObject(isOfAnotherTeam);
    await setTeam([tomId, priyaId]);
    await setActive(false);
    expect(await answer('no-agent')).toMatchObject({ status: 403, body: { code: 'agent-only' } });
    await setActive(true);
    await setTeam([tomId]);
    const stored = await app.support.query(
      `select client_id from support.messages where session_id = $1 and author = 'agent'`,
      [id],
    );
    expect(stored).toEqual([{ client_id: 'of-the-team' }]);
  });

  test('is open to a machine with the scope of conversations, and to no other machine', async () => {
    expect((await app.callWith('conversations.read')('GET', `/api/sessions/${ofTeam.id}`)).status).toBe(200);
    for (const scope of ['conversations.write', 'context.read', 'calls.read', 'events.read'])
      expect((await app.callWith(scope)('GET', `/api/sessions/${ofTeam.id}`)).status).toBe(403);
  });

  test('shows its panel, with calls and what the CRM knows, to people alone: each part has a scope of its own', async () => {
    const call = app.callWith('conversations.read');
    for (const path of [`/api/sessions/${ofTeam.id}/context`, `/api/customers/${customerId}/context`])
      expect([path, await call('GET', path)]).toMatchObject([path, { status: 403, body: { code: 'person-only' } }]);
  });

  test('that does not exist is 404 for an agent', async () => {
    const id = '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b';
    expect((await app.callAs('priya')('GET', `/api/sessions/${id}`)).status).toBe(404);
  });
});

describe('the stream of events', { timeout: 20_000 }, () => {
  const listen = async (authorization: { Authorization: string }, types = '') => {
    const ear = await listenTo(`${app.url}/api/events${types}`, authorization.Authorization.slice('Bearer '.length));
    atEnd(async () => ear.close());
    return ear;
  };
  const listenAs = async (who: string) => listen(await app.headersOf(who));
  const bodies = ({ heard }: VisitorEar) => heard.map(({ data }) => (data.data as { body?: string })?.body);
  /** Changes this customer's name: an event that all staff gets, after all earlier ones. */
  const mark = async (name: string) => {
    const { id, version } = (await app.support.getCustomerById(customerId)) as { id: string; version: number };
    await app.support.updateCustomer(id, { name }, { expectedVersion: version });
    return (ear: VisitorEar) =>
      ear.until((heard) => heard.some(({ data }) => (data.data as { name?: string })?.name === name));
  };

  test('gives each caller the events of the conversations that they may read, and of the shared records', async () => {
    const [tom, priya, admin, maya, boss] = await Promise.all(
      ['tom', 'priya', 'admin', 'maya', 'boss'].map((who) => listenAs(who)),
    );
    await ofTeam.say('to the team');
    await ofAll.say('to all');
    await app.callAs('tom')('POST', `/api/sessions/${ofTeam.id}/notes`, { client_id: 'n2', body: 'a note on it' });
    const marked = await mark('Ada King');
    const ears = [tom, priya, admin, maya, boss] as VisitorEar[];
    await Promise.all(ears.map(marked));
    const told = ears.map((ear) => bodies(ear).filter((body) => body !== undefined));
    const all = ['to the team', 'to all', 'a note on it'];
    expect(told).toEqual([all, ['to all'], all, [], []]);
    for (const ear of ears.slice(3)) expect(ear.heard.map(({ event }) => event)).toEqual(['customer.updated']);
  });

  test('stops for an agent who leaves the team, and starts for one who joins, while it is open', async () => {
    const [tom, priya] = [await listenAs('tom'), await listenAs('priya')];
    const { agent } = (await app.callAs('priya')('GET', '/api/agents/me')).body;
    const setTeam = (agent_ids: string[]) =>
      app.callAs('admin')('PUT', `/api/widgets/${teamWidget}/team`, { agent_ids });
    await setTeam([agent.id]);
    await ofTeam.say('after the change');
    const marked = await mark('Ada Byron');
    await Promise.all([tom, priya].map(marked));
    expect(bodies(tom)).not.toContain('after the change');
    expect(bodies(priya)).toContain('after the change');
    await setTeam([tomId]);
  });

  test('stops, for calls too, when an agent is no longer an agent', async () => {
    const ear = await listenAs('priya');
    const { agent } = (await app.callAs('priya')('GET', '/api/agents/me')).body;
    const setActive = (is_active: boolean) => app.callAs('admin')('PATCH', `/api/agents/${agent.id}`, { is_active });
    await setActive(false);
    await ofAll.say('without her');
    await app.callAs('tom')('POST', '/api/calls', {
      ...{ client_id: 'c', direction: 'inbound', number: '+4930901820', customer_id: customerId, outcome: 'resolved' },
      ...{ started_at: new Date().toISOString(), duration_seconds: 5, notes: 'said in confidence' },
    });
    await (await mark('Ada Noel'))(ear);
    expect(bodies(ear)).not.toContain('without her');
    expect(ear.heard.map(({ event }) => event)).not.toContain('call.created');
    await setActive(true);
  });

  test('gives an agent the events of a conversation from its assignment on', async () => {
    const visitor = await visit(app, {}, { key: 'team-widget' });
    const ear = await listenAs('priya');
    await visitor.say('before it');
    const { agent } = (await app.callAs('priya')('GET', '/api/agents/me')).body;
    await app.callAs('tom')('POST', `/api/sessions/${visitor.id}/assign`, { agent_id: agent.id });
    await ear.until((heard) => heard.some(({ event }) => event === 'session.updated'));
    await visitor.say('after it');
    await ear.until(() => bodies(ear).includes('after it'));
  });

  test('passes typing signals on only to the readers of the conversation', async () => {
    const [tom, priya, maya] = [await listenAs('tom'), await listenAs('priya'), await listenAs('maya')];
    await ofTeam.call('POST', 'typing', { is_typing: true });
    await ofAll.call('POST', 'typing', { is_typing: true });
    const sessions = ({ heard }: VisitorEar) =>
      heard.flatMap(({ event, data }) => (event === 'signal' ? [data.session_id] : []));
    await Promise.all([
      tom.until(() => sessions(tom).includes(ofTeam.id) && sessions(tom).includes(ofAll.id)),
      priya.until(() => sessions(priya).includes(ofAll.id)),
    ]);
    await (await mark('Ada Ada'))(maya);
    expect(sessions(priya)).not.toContain(ofTeam.id);
    expect(sessions(maya)).toEqual([]);
  });

  test('gives a machine only the events that its scopes may read', async () => {
    const machine = async (...roles: string[]) => ({
      Authorization: `Bearer ${await app.issuer.tokenFor('service', { roles })}`,
    });
    const customers = await listen(await machine('events.read', 'customers.read'));
    const conversations = await listen(await machine('events.read', 'conversations.read', 'customers.read'));
    const maya = await listenAs('maya');
    await ofAll.say('for machines');
    await app.support.addAddress(customerId, 'ada@second.example');
    const marked = await mark('Ada Last');
    await Promise.all([customers, conversations, maya].map(marked));
    for (const ear of [customers, maya]) expect(ear.heard.map(({ event }) => event)).toContain('address.created');
    expect(bodies(customers)).not.toContain('for machines');
    expect(bodies(conversations)).toContain('for machines');
    const refused = await fetch(`${app.url}/api/events?types=message.created`, {
      headers: await machine('events.read', 'customers.read'),
    });
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
      403,
      expect.stringContaining('conversations.read'),
    ]);
  });
});
