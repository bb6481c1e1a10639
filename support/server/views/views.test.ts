import { beforeAll, expect, test } from 'vitest';
import { startTestSupport, type TestSupport } from '../testing.ts';

let app: TestSupport;
beforeAll(async () => {
  app = await startTestSupport();
});
const namesOf = async (who: string) =>
  (await app.callAs(who)('GET', '/api/views')).body.views.map(({ name }: { name: string }) => name);

test('a saved view of the inbox is its agent’s until it is shared; its agent and administrators change a shared one, nobody else does', async () => {
  const [asPriya, asTom, asAdmin] = [app.callAs('priya'), app.callAs('tom'), app.callAs('admin')];
  const { body: urgent } = await asPriya('POST', '/api/views', { name: 'Urgent', query: 'priority=urgent&view=all' });
  expect([await namesOf('priya'), await namesOf('tom')]).toEqual([['Urgent'], []]);
  expect((await asAdmin('PATCH', `/api/views/${urgent.id}`, { name: 'Mine now' })).status).toBe(404);
  await asPriya('PATCH', `/api/views/${urgent.id}`, { is_shared: true });
  expect(await namesOf('tom')).toEqual(['Urgent']);
  expect((await asTom('PATCH', `/api/views/${urgent.id}`, { name: 'Tom’s' })).status).toBe(404);
  expect((await asTom('DELETE', `/api/views/${urgent.id}`)).status).toBe(404);
  expect((await asAdmin('PATCH', `/api/views/${urgent.id}`, { name: 'Now' })).body).toMatchObject({ name: 'Now' });
  expect((await asPriya('POST', '/api/views', { name: 'Now', query: '' })).body).toMatchObject({
    code: 'already-exists',
  });
  expect((await asPriya('DELETE', `/api/views/${urgent.id}`)).status).toBe(204);
  expect(await namesOf('tom')).toEqual([]);
});

test('somebody who is no agent has no saved views of the inbox', async () => {
  expect((await app.callAs('maya')('GET', '/api/views')).body).toMatchObject({ code: 'agent-only' });
  expect((await app.callAs('maya')('POST', '/api/views', { name: 'A', query: '' })).status).toBe(403);
});
