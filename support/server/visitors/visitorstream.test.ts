import { atEnd } from '@aether/database/testing';
import { startSync } from '@aether/sync';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestSupport, type TestSupport } from '../testing.ts';
import { listenTo, type Said, type TestVisitor, type VisitorEar, visit } from './testing.visitor.ts';

let app: TestSupport;
let asPriya: TestSupport['call'];
beforeAll(async () => {
  app = await startTestSupport();
  asPriya = app.callAs('priya');
  const worker = await startSync({ variables: { PLATFORM_DB_URL: app.database.url('sync_app') } });
  atEnd(worker.close);
});

const numbers = (heard: Said[]) => heard.filter(({ event }) => event === 'message').map(({ data }) => data.number);
const states = (heard: Said[]) => heard.filter(({ event }) => event === 'state').map(({ data }) => data);
const count = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe('a visitor’s stream', () => {
  test('has the earlier messages and then the new ones, each once and in order', async () => {
    const visitor = await visit(app);
    await visitor.say('one');
    const ear = await visitor.listen();
    await asPriya('POST', `/api/sessions/${visitor.id}/replies`, { client_id: 'a', body: 'two' });
    await visitor.say('three');
    await ear.until((heard) => numbers(heard).length === 3);
    expect(
      ear.heard.filter(({ event }) => event === 'message').map(({ id, data }) => [id, data.author, data.body]),
    ).toEqual([
      ['1', 'visitor', 'one'],
      ['2', 'agent', 'two'],
      ['3', 'visitor', 'three'],
    ]);
    expect(ear.heard.find(({ id }) => id === '2')?.data).toMatchObject({ agent_name: 'Priya Nair', choices: null });
    ear.close();
  });

  test('in two tabs, while both sides write at once, loses and doubles nothing, also when it reconnects in the middle', {
    timeout: 30_000,
  }, async () => {
    const visitor = await visit(app);
    const first = await visitor.listen();
    const cut = await visitor.listen();
    const write = async (by: 'visitor' | 'agent') => {
      for (let n = 0; n < 40; n += 1)
        if (by === 'visitor') await visitor.say(`v${n}`);
        else await asPriya('POST', `/api/sessions/${visitor.id}/replies`, { client_id: `a${n}`, body: `a${n}` });
    };
    const writing = Promise.all([write('visitor'), write('agent')]);
    await cut.until((heard) => numbers(heard).length >= 20);
    cut.close();
    const before = numbers(cut.heard);
    const back = await visitor.listen(before.at(-1) as number);
    await writing;
    const hasLast = (heard: Said[]) => numbers(heard).at(-1) === 80;
    await Promise.all([first.until(hasLast), back.until(hasLast)]);
    expect(numbers(first.heard)).toEqual(count(1, 80));
    expect([...before, ...numbers(back.heard)]).toEqual(count(1, 80));
    first.close();
    back.close();
  });

  test('shows the state: the assigned agent, how far the agent has read, and the end', async () => {
    const visitor = await visit(app);
    await visitor.say('Hello?');
    const ear = await visitor.listen();
    await asPriya('POST', `/api/sessions/${visitor.id}/claim`, {});
    await ear.until((heard) =>
      states(heard).some(({ agent }) => (agent as { name: string } | null)?.name === 'Priya Nair'),
    );
    await asPriya('POST', `/api/sessions/${visitor.id}/seen`, { number: 1 });
    await ear.until((heard) => states(heard).some(({ agent_read_number }) => agent_read_number === 1));
    await asPriya('POST', `/api/sessions/${visitor.id}/end`, { resolved: true });
    await ear.until((heard) => states(heard).some(({ status, resolved }) => status === 'ended' && resolved === true));
    expect(states(ear.heard)[0]).toMatchObject({
      status: 'active',
      agent: null,
      handler: 'agent',
      identity: 'claimed',
    });
    ear.close();
  });

  test('shows who types to the visitor and to staff, and the visitor’s reading to staff', async () => {
    const visitor = await visit(app);
    await visitor.say('Hello?');
    const [ear, staff] = await Promise.all([visitor.listen(), listenAsStaff()]);
    await asPriya('POST', `/api/sessions/${visitor.id}/presence`, { is_typing: true });
    await ear.until((heard) => heard.some(({ event, data }) => event === 'typing' && data.is_typing === true));
    expect(ear.heard.at(-1)?.data).toEqual({ author: 'agent', name: 'Priya Nair', is_typing: true });
    await visitor.call('POST', 'typing', { is_typing: true });
    await visitor.call('POST', 'read', { number: 1 });
    await staff.until((heard) =>
      ['viewing', 'typing', 'read'].every((kind) =>
        heard.some(({ data }) => data.kind === kind && data.session_id === visitor.id),
      ),
    );
    const viewing = staff.heard.find(({ data }) => data.kind === 'viewing' && data.session_id === visitor.id);
    expect(viewing?.data.agents).toMatchObject([{ name: 'Priya Nair', is_typing: true }]);
    ear.close();
    staff.close();
  });

  test('from another server on the same database shows the same', async () => {
    const visitor = await visit(app);
    const other = await app.startAnother({});
    const ear = await visitor.listen();
    const said = await other(
      'POST',
      `/api/sessions/${visitor.id}/replies`,
      { client_id: 'x', body: 'hi' },
      await app.headersOf('priya'),
    );
    await ear.until((heard) => numbers(heard).includes(said.body.number));
    ear.close();
  });

  test('leaves connections to others while all streams of a server look at once', { timeout: 60_000 }, async () => {
    const visitors = await Promise.all(Array.from({ length: 8 }, () => visit(app)));
    const ears = await Promise.all(visitors.map((visitor) => visitor.listen()));
    await Promise.all(ears.map((ear) => ear.until((heard) => states(heard).length === 1)));
    const held = await app.database.connect('postgres');
    await held.query('begin; lock support.ratings in access exclusive mode');
    for (const { id } of visitors)
      await app.support.signals.send({ kind: 'read', session_id: id, author: 'agent', number: 0 });
    const waitingLooks = async () => {
      const { rows } = await held.query(
        `select count(*)::int as n from pg_locks where not granted and relation = 'support.ratings'::regclass
          and database = (select oid from pg_database where datname = current_database())`,
      );
      return rows[0].n as number;
    };
    await expect.poll(waitingLooks, { timeout: 20_000 }).toBeGreaterThan(0);
    // The server of these tests has two connections.
    expect((await asPriya('GET', '/api/tags')).status).toBe(200);
    expect(await waitingLooks()).toBe(1);
    await held.query('commit');
    for (const ear of ears) ear.close();
  });

  test('ends when its turn to look does not come in the time that a call waits for a connection, and others go on', {
    timeout: 60_000,
  }, async () => {
    const impatient = await startTestSupport({ PLATFORM_DB_CONNECT_TIMEOUT_MS: '1000' });
    const visitors = await Promise.all(Array.from({ length: 4 }, () => visit(impatient)));
    const ears = await Promise.all(visitors.map((visitor) => visitor.listen()));
    await Promise.all(ears.map((ear) => ear.until((heard) => states(heard).length === 1)));
    const held = await impatient.database.connect('postgres');
    await held.query('begin; lock support.ratings in access exclusive mode');
    for (const { id } of visitors)
      await impatient.support.signals.send({ kind: 'read', session_id: id, author: 'agent', number: 0 });
    const open = new Set(ears);
    for (const ear of ears) void ear.ended.then(() => open.delete(ear));
    await expect.poll(() => open.size, { timeout: 6_000 }).toBe(1); // who has the one turn
    await held.query('commit');
    const [ear] = open;
    const said = await (visitors[ears.indexOf(ear as VisitorEar)] as TestVisitor).say('Still here?');
    await ear?.until((heard) => numbers(heard).includes(said.body.number));
    expect(open.size).toBe(1);
    ear?.close();
  });

  test('ends when another token replaces its own', async () => {
    const visitor = await visit(app);
    const ear = await visitor.listen();
    await app.support.query(
      'update support.sessions set token_hash = sha256($2::bytea), snoozed_until = now() where id = $1',
      [visitor.id, Buffer.from('another')],
    );
    await ear.ended;
    await expect(visitor.listen()).rejects.toThrow('404');
  });

  test('cannot be opened with the token of another session, or without one', async () => {
    const [one, two] = [await visit(app), await visit(app)];
    await expect(one.listen(0, two.token)).rejects.toThrow('404');
    const answer = await app.callAnonymously('GET', `/api/sessions/${one.id}/stream`);
    expect(answer).toMatchObject({ status: 401, body: { code: 'token-required' } });
  });
});

async function listenAsStaff() {
  const headers = await app.headersOf('tom');
  return listenTo(`${app.url}/api/events?types=session.created`, headers.Authorization?.replace('Bearer ', '') ?? '');
}
