import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cellOf, openCsv } from '@aether/http/testing.csv';
import { findLists, findTakenCursors } from '@aether/http/testing.lists';
import { openSource, type Person, readPersons, recognise } from '@aether/importer';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestSupport, type TestSupport, widgetKey } from './testing.ts';

let app: TestSupport;
let asPriya: TestSupport['call'];
beforeAll(async () => {
  app = await startTestSupport();
  asPriya = app.callAs('priya');
});

async function ask(n: number): Promise<string> {
  const visitor = { email: `list${n}@post.example`, name: `Asker ${n}` };
  const opened = await app.callAnonymously('POST', `/api/widgets/${widgetKey}/sessions`, visitor);
  const { session_id: id, visitor_token: token } = opened.body;
  const message = { client_id: `v${n}`, body: 'Where is my order?' };
  await app.callAnonymously('POST', `/api/sessions/${id}/messages`, message, { Authorization: `Bearer ${token}` });
  return id;
}

const logCall = (n: number) =>
  asPriya('POST', '/api/calls', {
    client_id: `call${n}`,
    direction: 'inbound',
    number: `+49 30 90182${n}`,
    email: `list${n}@post.example`,
    outcome: 'resolved',
    started_at: new Date(Date.now() - 300_000).toISOString(),
    duration_seconds: 240,
  });

const lists = [
  '/api/sessions?',
  '/api/calls?',
  '/api/customers?',
  '/api/inbox?view=mine',
  '/api/inbox?view=unassigned',
  '/api/inbox?view=all',
  '/api/inbox?view=ended',
  '/api/users?',
  '/api/notices?',
  '/api/reports/comments?',
  '/api/reports/conversations?',
  '/api/notices?state=done',
  '/api/setting-changes?',
  '/api/search/text?q=order',
  '/api/search/text?q=order&order=newest',
  '/api/search/text?q=order&kind=message',
  '/api/search/text?q=where',
];

test('every list of Support takes its own cursors and refuses those of the others', async () => {
  const ids = [];
  for (const n of [1, 2, 3, 4, 5, 6]) ids.push(await ask(n));
  for (const id of ids.slice(0, 4)) await asPriya('POST', `/api/sessions/${id}/claim`, {});
  for (const id of ids.slice(0, 2)) await asPriya('POST', `/api/sessions/${id}/end`, { resolved: true });
  for (const [n, id] of ids.slice(0, 4).entries())
    await app.callAs('tom')('POST', `/api/sessions/${id}/notes`, { client_id: `note${n}`, body: '<@priya> look' });
  const { notices } = (await asPriya('GET', '/api/notices?limit=2')).body;
  for (const { id } of notices) await asPriya('PATCH', `/api/notices/${id}`, { is_done: true });
  await app.support.query(
    `insert into support.ratings (session_id, score, comment) select s.id, 4, 'Quick' from support.sessions s`,
  );
  for (const n of [1, 2]) expect(await logCall(n)).toMatchObject({ status: 201 });
  for (const name of ['Long', 'Short']) await asPriya('POST', '/api/tags', { name });
  const call = (method: string, path: string) =>
    (path.startsWith('/api/setting-changes') ? app.callAs('admin') : asPriya)(method, path);
  expect(await findTakenCursors(call, lists)).toEqual(Object.fromEntries(lists.map((list) => [list, [list]])));
});

test('the table of lists has every list that Support shows page by page', async () => {
  expect((await findLists(app.url)).sort()).toEqual([...new Set(lists.map((list) => list.split('?')[0]))].sort());
});

test('the inbox goes on behind conversations in which nobody waits, each once', async () => {
  const ids: string[] = [];
  for (const n of [11, 12, 13]) ids.push(await ask(n));
  for (const id of ids) await asPriya('POST', `/api/sessions/${id}/replies`, { client_id: 'r', body: 'Hello' });
  const seen: string[] = [];
  for (let cursor = ''; cursor !== 'end'; ) {
    const { body } = await asPriya(
      'GET',
      `/api/inbox?view=mine&search=asker+1&limit=1${cursor && `&cursor=${cursor}`}`,
    );
    seen.push(...body.sessions.map(({ id }: { id: string }) => id));
    cursor = body.next_cursor ?? 'end';
  }
  expect(seen.filter((id) => ids.includes(id))).toEqual(ids.toReversed());
  expect(new Set(seen).size).toBe(seen.length);
});

describe('the file of customers', () => {
  const readFile = async (path = '/api/customers.csv', who = 'priya') => {
    const answer = await fetch(`${app.url}${path}`, { headers: await app.headersOf(who) });
    return { status: answer.status, text: await answer.text() };
  };

  test('is read by an import as the same customers, also those whose texts begin like a formula', async () => {
    const company = await app.foundation.createCompany({ name: '=Umbrella', domain: 'umbrella.example' });
    const formula = await app.foundation.createCustomer({
      name: "+cmd|' /C calc'!A0",
      email: 'formula@file.example',
      phone: '+49 30 901820',
      company_id: company.id,
      account_tier: 'premium',
      account_manager_id: 'maya',
    });
    await app.foundation.updateCustomer(formula.id, { email: 'now@file.example' });
    const quoted = await app.support.createCustomer({ name: 'Ann "Q", Nyström', email: 'ann@file.example' });
    await app.support.updateCustomer(quoted.id, { preferred_language: 'sv', timezone: 'Europe/Stockholm' });
    const unreached = await app.support.createCustomer({ name: 'Nobody Reached', email: 'mark@unknown.invalid' });
    const { status, text } = await readFile();
    expect([status, text.includes("'+cmd|")]).toEqual([200, true]);

    const folder = await mkdtemp(join(tmpdir(), 'aether-file-'));
    const path = join(folder, 'customers.csv');
    await writeFile(path, `\ufeff${text}`);
    const source = await openSource(path);
    const recognition = await recognise(source);
    expect(recognition).toMatchObject({ format: 'aether', questions: [] });
    const people: Person[] = [];
    for await (const rows of readPersons(source, { recognition }))
      for (const row of rows) people.push(row.kind === 'person' ? row.person : expect.fail(row.reason));
    await source.close();
    await rm(folder, { recursive: true });

    const customers = await app.support.query<{ id: string }>(
      'select id from platform.customers where merged_into is null and erased_at is null order by created_at desc, id desc',
    );
    expect(people.map(({ externalId }) => externalId)).toEqual(customers.map(({ id }) => id));
    const read = (id: string) => people.find(({ externalId }) => externalId === id);
    expect(read(formula.id)).toMatchObject({
      name: "+cmd|' /C calc'!A0",
      emails: [{ key: 'now@file.example' }, { key: 'formula@file.example' }],
      phones: [{ written: '+49 30 901820', key: '+4930901820' }],
      company: { name: '=Umbrella', domain: 'umbrella.example' },
      tier: 'premium',
      owner: 'maya@aether.example',
      createdAt: new Date(formula.created_at),
      remarks: [],
    });
    expect(read(unreached.id)).toMatchObject({ name: 'Nobody Reached', emails: [] });
    expect(read(quoted.id)).toMatchObject({
      name: 'Ann "Q", Nyström',
      emails: [{ key: 'ann@file.example' }],
      language: 'sv',
      timezone: 'Europe/Stockholm',
      remarks: [],
    });
  });

  test('is for agents, and for tokens that may read customers', async () => {
    for (const path of ['/api/customers.csv', '/api/customers']) {
      expect([path, (await app.callAnonymously('GET', path)).status]).toEqual([path, 401]);
      expect([path, (await app.callAs('maya')('GET', path)).status]).toEqual([path, 403]); // she is no agent
      expect([path, (await app.callWith('calls.read')('GET', path)).status]).toEqual([path, 403]);
      expect([path, (await asPriya('GET', `${path}?sort=name`)).status]).toEqual([path, 422]);
    }
    expect((await app.callWith('customers.read')('GET', '/api/customers')).status).toBe(200);
  });
});

test('the file of conversations opens again as what the list has, each with every line that was said', async () => {
  const texts = ['=1+1', '+49 30, "the line"\nand a second one', "'quoted, @home", '|calc', 'Åse ☂ ＝1'];
  const visitor = { email: 'filed@post.example', name: '=Filed, "Visitor"' };
  const { body: opened } = await app.callAnonymously('POST', `/api/widgets/${widgetKey}/sessions`, visitor);
  for (const [n, body] of texts.entries())
    await app.callAnonymously(
      'POST',
      `/api/sessions/${opened.session_id}/messages`,
      { client_id: `f${n}`, body },
      { Authorization: `Bearer ${opened.visitor_token}` },
    );
  const answer = await fetch(`${app.url}/api/conversations.csv`, { headers: await app.headersOf('priya') });
  const rows = openCsv(await answer.text());
  const sessions = (await asPriya('GET', '/api/sessions?limit=100')).body.sessions;
  expect(rows.map(({ id }) => id)).toEqual(sessions.map(({ id }: { id: string }) => id));
  for (const [n, session] of sessions.entries()) {
    expect(rows[n]).toMatchObject({
      customer_id: cellOf(session.customer?.id),
      customer: cellOf(session.customer?.name),
      visitor_name: cellOf(session.visitor_name),
      identity: session.identity,
      widget: session.widget.name,
      agent: cellOf(session.agent?.name),
      status: session.status,
      resolved: cellOf(session.resolved),
      messages: cellOf(session.message_count),
      page: cellOf(session.page?.url),
      started_at: session.started_at,
      last_message_at: cellOf(session.last_message_at),
      ended_at: cellOf(session.ended_at),
    });
    const { messages } = (await asPriya('GET', `/api/sessions/${session.id}`)).body;
    const lines = messages.map(
      ({ created_at, author, body }: Record<string, string>) => `${created_at?.slice(0, 19)}Z ${author}: ${body}`,
    );
    expect(rows[n]?.transcript).toBe(lines.join('\n'));
  }
  const filed = rows.find(({ id }) => id === opened.session_id);
  expect(filed?.visitor_name).toBe(visitor.name);
  for (const text of texts) expect(filed?.transcript).toContain(` visitor: ${text}`);
});
