import { findLists, findTakenCursors } from '@aether/http/testing.lists';
import { beforeAll, expect, test } from 'vitest';
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
  '/api/inbox?view=mine',
  '/api/inbox?view=unassigned',
  '/api/inbox?view=all',
  '/api/inbox?view=ended',
  '/api/users?',
];

test('every list of Support takes its own cursors and refuses those of the others', async () => {
  const ids = [];
  for (const n of [1, 2, 3, 4, 5, 6]) ids.push(await ask(n));
  for (const id of ids.slice(0, 4)) await asPriya('POST', `/api/sessions/${id}/claim`, {});
  for (const id of ids.slice(0, 2)) await asPriya('POST', `/api/sessions/${id}/end`, { resolved: true });
  for (const n of [1, 2]) expect(await logCall(n)).toMatchObject({ status: 201 });
  expect(await findTakenCursors(asPriya, lists)).toEqual(Object.fromEntries(lists.map((list) => [list, [list]])));
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
