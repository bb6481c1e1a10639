import { beforeAll, expect, test } from 'vitest';
import { ada, canary, fillHouse, formerAda } from '../../privacy/testing.house.ts';
import { unzip } from '../../privacy/testing.zip.ts';
import { startTestConsole, type TestConsole } from '../testing.ts';
import { requirePrivacy } from './problems.ts';

let app: TestConsole;
beforeAll(async () => {
  app = await startTestConsole();
  await fillHouse(await app.database.connect('postgres'), await app.database.connect('sync_app'));
});

async function ask(path: string, body: object, headers: Record<string, string>): Promise<Response> {
  return fetch(`${app.url}/api/privacy/${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}
const steward = async () => {
  const superuser = await app.database.connect('postgres');
  await superuser.query(`update platform.users set role = 'steward' where id = 'maya'`);
  return app.headersOf('maya');
};
const machine = async (...roles: string[]) => ({
  Authorization: `Bearer ${await app.issuer.tokenFor('service', { roles })}`,
});

test('a steward finds a person: what is held, where and why, by a question that no log has', async () => {
  const answer = await ask('find', { who: 'ADA@person.example' }, await steward());
  expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store']);
  const found = (await answer.json()) as { held: object[] };
  expect(found).toMatchObject({
    customers: [{ id: ada, name: 'Ada King', erased_at: null }],
    person: { customers: [ada, formerAda], conversations: 1 },
  });
  expect(found.held).toContainEqual({
    table: 'crm.deals',
    chapter: 'deals',
    title: 'Deals',
    why: 'Deals with the customer.',
    rows: 1,
  });
});

test('a machine with the scope gets the zip, of which nobody else is part, and the export is recorded', async () => {
  const answer = await ask('export', { who: ada, reason: 'request 12' }, await machine('privacy.read'));
  expect([answer.status, answer.headers.get('content-type'), answer.headers.get('cache-control')]).toEqual([
    200,
    'application/zip',
    'no-store',
  ]);
  expect(answer.headers.get('content-disposition')).toMatch(/^attachment; filename="person-\d+\.zip"$/);
  const files = await unzip(Buffer.from(await answer.arrayBuffer()));
  expect([...files.keys()]).toEqual(expect.arrayContaining(['index.html', 'manifest.json', 'customer.json']));
  expect([...files.values()].join('\n').toLowerCase()).not.toContain(canary.toLowerCase());
  const superuser = await app.database.connect('postgres');
  const { rows } = await superuser.query(
    `select scope, reason, login from sync.operations where kind = 'privacy.export' order by id desc limit 1`,
  );
  expect(rows).toEqual([{ scope: { customers: [ada], sessions: 1 }, reason: 'request 12', login: 'privacy_app' }]);
});

test('a reader that goes away in the middle frees the connection for others', async () => {
  const headers = await machine('privacy.read');
  for (let n = 0; n < 5; n++) {
    const answer = await ask('export', { who: ada }, headers);
    expect(answer.status).toBe(200);
    await answer.body?.cancel();
  }
  expect((await ask('find', { who: ada }, headers)).status).toBe(200);
});

test('whoever is nobody, several or not meant is refused in words', async () => {
  const headers = await machine('privacy.read');
  const problem = async (path: string, body: object) => (await ask(path, body, headers)).json();
  expect(await problem('find', { who: 'two words' })).toMatchObject({ status: 422, code: 'not-a-person' });
  const superuser = await app.database.connect('postgres');
  await superuser.query(`
    insert into platform.customers (email, name, phone, phone_key, created_by_app) values
      ('one@home.example', 'One', '+4930555000', '+4930555000', 'foundation'),
      ('two@home.example', 'Two', '+4930555000', '+4930555000', 'foundation')`);
  expect(await problem('export', { who: '+4930555000' })).toMatchObject({ status: 409, code: 'several-persons' });
  expect(await problem('find', { who: '+4930555000' })).toMatchObject({ person: null, held: [] });
});

test('a console without the login of privacy says so', () => {
  expect(() => requirePrivacy(undefined)).toThrow(expect.objectContaining({ status: 503, code: 'privacy-missing' }));
});
