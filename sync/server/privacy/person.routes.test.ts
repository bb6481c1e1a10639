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

const get = async (path: string, headers: Record<string, string>) =>
  fetch(`${app.url}/api/privacy/${path}`, { headers });
// biome-ignore lint/suspicious/noExplicitAny: what a test looks at
type Answer = { status: number } & Record<string, any>;
const answerOf = async (asked: Promise<Response>): Promise<Answer> => {
  const answer = await asked;
  return { ...((await answer.json()) as object), status: answer.status };
};

test('an erasure is previewed by a steward, held back by a hold, done for a tool with its scope, and has a receipt', async () => {
  const [maya, tool, reading] = [await steward(), await machine('privacy.write'), await machine('privacy.read')];
  const preview = await answerOf(ask('erasures/preview', { customer: formerAda }, maya));
  expect(preview).toMatchObject({ status: 200, customer: ada, people: [ada, formerAda], hold: null, needs_two: false });
  expect(preview.tables).toContainEqual(expect.objectContaining({ table: 'crm.activities', act: 'scrub', rows: 1 }));

  const held = await answerOf(ask('holds', { customer: ada, reason: 'A lawsuit' }, maya));
  expect(held).toMatchObject({ status: 200, id: expect.any(String) });
  expect(await answerOf(ask('erasures', { customer: ada, reason: 'request 13' }, tool))).toMatchObject({
    status: 409,
    code: 'legal-hold',
  });
  expect(await answerOf(get('holds', maya))).toMatchObject({
    holds: [{ customer_name: 'Ada King', held_by_name: 'Maya Okafor', reason: 'A lawsuit', released_at: null }],
  });
  expect(await answerOf(ask(`holds/${held.id}/release`, { reason: 'It is settled' }, maya))).toEqual({
    status: 200,
    released: true,
  });

  for (const headers of [maya, reading])
    expect((await ask('erasures', { customer: ada, reason: 'request 13' }, headers)).status).toBe(403);
  const erased = await answerOf(ask('erasures', { customer: ada, reason: 'request 13' }, tool));
  // A scope to write does not read: the answer has what names the receipt.
  expect(erased).toEqual({ status: 200, id: expect.any(String), already_done: false });
  // The clean-up goes on behind the answer.
  expect(['erased', 'clean']).toContain((await answerOf(get(`receipts/${erased.id}`, reading))).state);
  expect(await answerOf(get(`receipts?customer=${formerAda}`, maya))).toMatchObject({
    receipts: [{ id: erased.id, reason: 'request 13', erased_by: 'machine', people: [ada, formerAda] }],
  });
  expect(await answerOf(get(`receipts/${ada}`, reading))).toMatchObject({ status: 404 });
  expect(await answerOf(ask('find', { who: 'ada@person.example' }, reading))).toMatchObject({ customers: [] });
  // The list answers about one address, and an administrator lets it come back.
  const boss = await app.headersOf('boss');
  for (const [who, suppressed] of [
    ['Ada@Person.example', true],
    ['+49307654321', true],
    ['nora@nowhere.example', false],
  ] as const)
    expect(await answerOf(ask('suppressions/find', { who }, maya))).toMatchObject({ suppressed });
  const lifting = { who: 'ada@person.example', reason: 'They came back' };
  expect((await ask('suppressions/lift', lifting, maya)).status).toBe(403);
  expect(await answerOf(ask('suppressions/lift', { ...lifting, who: ada }, boss))).toMatchObject({
    code: 'not-a-person',
  });
  expect(await answerOf(ask('suppressions/lift', lifting, boss))).toMatchObject({ status: 200, lifted: true });
  expect(await answerOf(ask('suppressions/find', { who: lifting.who }, maya))).toMatchObject({ suppressed: false });
  expect(await answerOf(ask('holds', { customer: ada, reason: 'Too late' }, maya))).toMatchObject({
    status: 409,
    code: 'customer-erased',
  });
});

test('rules of retention are seen by stewards and changed by administrators, and a short one is refused in words', async () => {
  const [maya, boss] = [await steward(), await app.headersOf('boss')];
  const { rules } = await answerOf(get('retention', maya));
  expect(rules).toContainEqual(expect.objectContaining({ kind: 'calls', days: null, next: [] }));
  expect(await answerOf(get('retention/sign_ins/preview?days=1', maya))).toMatchObject({
    next: [{ table: 'platform.sign_ins', rows: 0, oldest: null }],
  });
  expect((await ask('retention/calls', { days: 400, reason: 'By law' }, maya)).status).toBe(403);
  expect(await answerOf(ask('retention/calls', { days: 30, reason: 'By law' }, boss))).toMatchObject({
    status: 422,
    detail: 'The log keeps a copy of them for 90 days: a rule cannot be shorter.',
  });
  expect(await answerOf(ask('retention/calls', { days: 400, reason: 'By law' }, boss))).toMatchObject({ status: 200 });
  const changed = (await answerOf(get('retention', boss))).rules.find(
    (rule: { kind: string }) => rule.kind === 'calls',
  );
  expect(changed).toMatchObject({ days: 400, changed_by_name: 'Bo Boss' });
});

test('a console without the login of privacy says so', () => {
  expect(() => requirePrivacy(undefined)).toThrow(expect.objectContaining({ status: 503, code: 'privacy-missing' }));
});
