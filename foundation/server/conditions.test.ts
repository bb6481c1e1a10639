import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { atEnd, untilSomebodyWaits } from '@aether/database/testing';
import { createLog } from '@aether/http';
import { callerOf } from '@aether/http/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { startFoundation } from './index.ts';
import { startTestFoundation, type TestFoundation } from './testing.ts';

const scopes = ['customers', 'companies', 'deals', 'activities'].flatMap((each) => [`${each}.read`, `${each}.write`]);

let app: TestFoundation;
/** Two servers on one database, as a machine. */
let one: TestFoundation['call'];
let other: TestFoundation['call'];
let customer: { id: string; crm_id: number };
let company: { id: string };

beforeAll(async () => {
  app = await startTestFoundation();
  one = app.callWith(...scopes);
  const log = createLog('test');
  log.level = 'silent';
  const variables = { PLATFORM_DB_URL: app.database.url('foundation_app'), ...app.issuer.variables };
  const server = await startFoundation({ variables, port: 0, log, withoutSubscriptions: true });
  atEnd(() => server.close());
  const headers = { Authorization: `Bearer ${await app.issuer.tokenFor('service', { roles: scopes })}` };
  const call = callerOf(server.url);
  other = (method, path, body, more) => call(method, path, body, { ...headers, ...more });
  customer = (await one('POST', '/api/customers', { name: 'Ada', email: 'ada@example.com' })).body;
  company = (await one('POST', '/api/companies', { name: 'Northwind' })).body;
});

let unique = 0;
const newKey = () => ({ 'Idempotency-Key': `key-${++unique}` });
const newCustomer = () => ({ name: 'Grace', email: `grace${++unique}@example.com` });

describe('a request with an Idempotency-Key', () => {
  const creating: [string, () => Record<string, unknown>][] = [
    ['/api/customers', newCustomer],
    ['/api/customers/find-or-create', newCustomer],
    ['/api/customers/{id}/addresses', () => ({ email: newCustomer().email })],
    ['/api/customers/{id}/phones', () => ({ phone: `+49 30 12345${++unique}` })],
    ['/api/customers/{id}/activities', () => ({ type: 'note', description: `Note ${++unique}` })],
    ['/api/deals', () => ({ customer_id: customer.id, name: `Deal ${++unique}`, amount: 12.5 })],
    ['/api/companies', () => ({ name: `Company ${++unique}` })],
    ['/api/tags', () => ({ name: `Tag ${++unique}` })],
    ['/api/companies/{id}/activities', () => ({ type: 'note', description: `Note ${++unique}` })],
    ['/api/companies/{id}/contacts', () => ({ name: 'Kim', email: newCustomer().email })],
  ];
  const addressOf = (path: string) =>
    path.replace('{id}', path.startsWith('/api/customers') ? String(customer.crm_id) : company.id);

  test.each(creating)(
    'that creates by POST %s gets the first answer again, from another server as well',
    async (path, body) => {
      const [asked, key] = [body(), newKey()];
      const first = await one('POST', addressOf(path), asked, key);
      expect(first).toMatchObject({ status: 201 });
      expect(first.headers.get('idempotency-replayed')).toBeNull();
      const events = await countEvents();
      const again = await other('POST', addressOf(path), asked, key);
      expect([again.status, JSON.stringify(again.body)]).toEqual([201, JSON.stringify(first.body)]);
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      expect(await countEvents()).toBe(events);
    },
  );

  test('is heeded by every route that creates for machines, and the OpenAPI document says so', async () => {
    const { paths } = (await app.callAnonymously('GET', '/openapi.json')).body;
    const heeding = Object.entries<Record<string, { parameters?: { name: string }[] }>>(paths).filter(([, { post }]) =>
      post?.parameters?.some(({ name }) => name === 'Idempotency-Key'),
    );
    expect(heeding.map(([path]) => path).sort()).toEqual(creating.map(([path]) => path).sort());
  });

  test('is refused with another body or at another address, and the key still gives the first answer', async () => {
    const [asked, key] = [newCustomer(), newKey()];
    const first = await one('POST', '/api/customers', asked, key);
    const refused = { status: 422, body: { code: 'idempotency-key-reused' } };
    expect(await one('POST', '/api/customers', { ...asked, name: 'Hopper' }, key)).toMatchObject(refused);
    expect(await one('POST', '/api/customers/find-or-create', asked, key)).toMatchObject(refused);
    const { name, email } = asked;
    expect((await one('POST', '/api/customers', { email, name }, key)).body).toEqual(first.body);
    const bad = await one('POST', '/api/customers', asked, { 'Idempotency-Key': 'a b' });
    expect(bad).toMatchObject({ status: 422, body: { errors: [{ field: 'Idempotency-Key', in: 'header' }] } });
  });

  test('that was refused has no effect and leaves its key free, also for another request', async () => {
    const [asked, key] = [newCustomer(), newKey()];
    const wrong = { ...asked, company_id: '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b' };
    expect(await one('POST', '/api/customers', wrong, key)).toMatchObject({ status: 422 });
    expect(await one('POST', '/api/customers', asked, key)).toMatchObject({ status: 201 });
  });

  test('of another client is another request, and after a day the key is free', async () => {
    const [asked, key] = [{ name: 'Common' }, newKey()];
    const first = await one('POST', '/api/companies', asked, key);
    const ofMaya = await app.call('POST', '/api/companies', asked, key);
    expect(ofMaya.body.id).not.toBe(first.body.id);
    const superuser = await app.database.connect('postgres');
    await superuser.query(`update platform.idempotency_keys set created_at = created_at - interval '25 hours'`);
    const later = await one('POST', '/api/companies', asked, key);
    expect(later).toMatchObject({ status: 201 });
    expect([first.body.id, ofMaya.body.id]).not.toContain(later.body.id);
    expect((await one('POST', '/api/companies', asked, key)).body).toEqual(later.body);
  });

  test('shows of the first answer what the caller may read now, and nothing to one that may not write any more', async () => {
    const [asked, key] = [{ name: 'Withdrawn' }, newKey()];
    const { id } = (await one('POST', '/api/companies', asked, key)).body;
    const again = await app.callWith('companies.write')('POST', '/api/companies', asked, key);
    expect(again).toMatchObject({ status: 201, body: { id, version: 1 } });
    expect(Object.keys(again.body)).toHaveLength(2);
    const refused = await app.callWith('companies.read')('POST', '/api/companies', asked, key);
    expect(refused).toMatchObject({ status: 403, body: { code: 'token-lacks-scope' } });
    expect(JSON.stringify(refused.body)).not.toContain(id);
  });

  test('that comes while the first is under way is refused, at another server as well, and gets the answer afterwards', async () => {
    const [asked, key] = [{ name: 'Slow' }, newKey()];
    const holder = await app.database.connect('postgres');
    await holder.query('begin; lock table platform.companies in share mode');
    const first = one('POST', '/api/companies', asked, key);
    await untilSomebodyWaits(holder);
    for (const call of [one, other]) {
      const second = await call('POST', '/api/companies', asked, key);
      expect(second).toMatchObject({ status: 409, body: { code: 'request-under-way' } });
      expect(second.headers.get('retry-after')).toBe('1');
    }
    await holder.query('rollback');
    expect((await first).status).toBe(201);
    expect((await other('POST', '/api/companies', asked, key)).body).toEqual((await first).body);
  });

  test('gets the first answer from another server if the first one was killed between its commit and its answer', async () => {
    const server = spawn(process.execPath, [join(import.meta.dirname, 'testing.killed.ts')], {
      env: { ...process.env, PLATFORM_DB_URL: app.database.url('foundation_app'), ...app.issuer.variables },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(server, 'exit');
    let url = '';
    for await (const chunk of server.stdout) {
      url += chunk;
      if (url.endsWith('\n')) break;
    }
    const [asked, key] = [newCustomer(), newKey()];
    const headers = { Authorization: `Bearer ${await app.issuer.tokenFor('service', { roles: scopes })}`, ...key };
    await expect(callerOf(url.trim())('POST', '/api/customers', asked, headers)).rejects.toThrow('fetch failed');
    expect(await ended).toEqual([null, 'SIGKILL']);
    const again = await other('POST', '/api/customers', asked, key);
    expect(again).toMatchObject({ status: 201, body: { email: asked.email, version: 1 } });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  });

  test('leaves no copy of an answer about a person who is erased, and of nobody else', async () => {
    const made = (await one('POST', '/api/customers', { name: 'Gone', email: 'gone@example.com' }, newKey())).body;
    const path = `/api/customers/${made.crm_id}`;
    await one('POST', `${path}/activities`, { type: 'note', description: 'Private' }, newKey());
    await one('POST', `${path}/phones`, { phone: '+49 30 5550001' }, newKey());
    await one('POST', '/api/deals', { customer_id: made.id, name: 'Secret' }, newKey());
    const contact = { name: 'Gone', email: 'Gone@Example.com' };
    await one('POST', `/api/companies/${company.id}/contacts`, contact, newKey());
    // Without an address a contact is the person by the number and the name; somebody else of that number is not.
    for (const name of ['Gone', 'Mate'])
      await one('POST', `/api/companies/${company.id}/contacts`, { name, phone: '+49 30 5550001' }, newKey());
    await one('POST', '/api/customers', { name: 'Gone', email: 'not-gone@example.com' }, newKey());
    const superuser = await app.database.connect('postgres');
    const count = async () =>
      (await superuser.query('select count(*)::int as all from platform.idempotency_keys')).rows[0].all;
    const before = await count();
    const privacy = await app.database.connect('privacy_app');
    await privacy.query(`begin; set local aether.actor = 'maya'`);
    const { rows } = await privacy.query('select platform.erase_customer($1, $2) as done', [made.id, 'A request']);
    await privacy.query('commit');
    expect(rows[0].done).toMatchObject({ state: 'erased' });
    expect(await count()).toBe(before - 6);
  });

  async function countEvents(): Promise<number> {
    const superuser = await app.database.connect('postgres');
    const { rows } = await superuser.query(
      'select (select count(*) from sync.outbox)::int + (select count(*) from sync.events)::int as all',
    );
    return rows[0].all;
  }
});

describe('a record with a version', () => {
  test('gives its ETag with a GET, and 304 without a body to a caller that has the same answer', async () => {
    const { paths } = (await app.callAnonymously('GET', '/openapi.json')).body;
    const isRecord = (path: string) => paths[path].get?.responses['200'].content['application/json'] !== undefined;
    const tagged = Object.keys(paths).filter((path) => paths[path].get?.responses['304'] && isRecord(path));
    expect(tagged.sort()).toEqual(['/api/companies/{id}', '/api/customers/{id}', '/api/deals/{id}']);
    const made = (await one('POST', '/api/customers', newCustomer())).body;
    const path = `/api/customers/${made.id}`;
    const first = await one('GET', path);
    const tag = first.headers.get('etag') as string;
    expect(tag).toMatch(/^"1\.[\w-]{22}"$/);
    for (const given of [tag, `"1", W/${tag}`, '*']) {
      const again = await other('GET', path, undefined, { 'If-None-Match': given });
      expect(again).toMatchObject({ status: 304, body: undefined });
      expect(again.headers.get('etag')).toBe(tag);
    }
    // The open deals of the customer are part of the answer, and not of the record.
    const { headers } = await one('POST', '/api/deals', { customer_id: made.id, name: 'Shown', amount: 7 });
    expect(headers.get('etag')).toBe('"1"');
    const changed = await one('GET', path, undefined, { 'If-None-Match': tag });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).toMatch(/^"1\./);
  });

  test('is changed with If-Match at that version only; otherwise 412 says the present one', async () => {
    const made = await one('POST', '/api/companies', { name: 'Tagged' });
    const path = `/api/companies/${made.body.id}`;
    const tag = (await one('GET', path)).headers.get('etag') as string;
    const changed = await one('PATCH', path, { name: 'Changed' }, { 'If-Match': tag });
    expect(changed).toMatchObject({ status: 200, body: { version: 2 } });
    expect(changed.headers.get('etag')).toBe('"2"');
    const stale = await one('PATCH', path, { name: 'Lost' }, { 'If-Match': tag });
    expect(stale).toMatchObject({ status: 412, body: { code: 'precondition-failed', expected: 1, actual: 2 } });
    expect(stale.headers.get('etag')).toBe('"2"');
    expect((await one('PATCH', path, { name: 'Again' }, { 'If-Match': '"2"' })).status).toBe(200);
    expect((await one('PATCH', path, { name: 'Any' }, { 'If-Match': '*' })).body).toMatchObject({ version: 4 });
    expect(await one('PATCH', path, { name: 'x', expected_version: 3 })).toMatchObject({
      status: 409,
      body: { code: 'company-version-conflict', expected: 3, actual: 4 },
    });
    expect((await one('GET', path)).body.company.name).toBe('Any');
  });

  test('of a deal, a customer and a contact is guarded in the same way, and a contact also when it is removed', async () => {
    const made = (await one('POST', '/api/customers', newCustomer())).body;
    const deal = (await one('POST', '/api/deals', { customer_id: made.id, name: 'Guarded' })).body;
    const contact = (await one('POST', `/api/companies/${company.id}/contacts`, { name: 'Lee' })).body;
    const paths = [`/api/deals/${deal.id}`, `/api/customers/${made.crm_id}`, `/api/contacts/${contact.id}`];
    for (const path of paths) {
      expect([path, (await one('PATCH', path, { name: 'x' }, { 'If-Match': '"9"' })).status]).toEqual([path, 412]);
      const done = await one('PATCH', path, { name: 'Kept' }, { 'If-Match': '"1"' });
      expect([path, done.status, done.headers.get('etag')]).toEqual([path, 200, '"2"']);
    }
    const [, , path = ''] = paths;
    expect((await one('DELETE', path, undefined, { 'If-Match': '"1"' })).body).toMatchObject({ actual: 2 });
    // Some clients send a body along, which says nothing.
    expect((await one('DELETE', path, {}, { 'If-Match': '"1"' })).body).toMatchObject({ actual: 2 });
    expect((await one('DELETE', path, {}, { 'If-Match': '"2"' })).status).toBe(204);
  });

  test('refuses an If-Match that is no tag or contradicts the body, and so does a change without a version', async () => {
    const refused = { status: 422, body: { errors: [{ field: 'If-Match', in: 'header' }] } };
    const path = `/api/companies/${company.id}`;
    for (const given of ['7', '"x"', '"1", "2"', '"0"'])
      expect(await one('PATCH', path, { name: 'x' }, { 'If-Match': given })).toMatchObject(refused);
    expect(await one('PATCH', path, { expected_version: 2 }, { 'If-Match': '"1"' })).toMatchObject(refused);
    const note = { type: 'note', description: 'x' };
    const added = await one('POST', `/api/customers/${customer.id}/activities`, note, { 'If-Match': '"1"' });
    expect(added).toMatchObject(refused);
  });
});

describe('find or create', () => {
  test('of a customer gives everybody at once the same one, whatever the spelling, and leaves it as it is', async () => {
    const path = '/api/customers/find-or-create';
    const spellings = ['Ida@Example.com', 'ida@example.com', ' IDA@EXAMPLE.COM ', 'ida@example.com'];
    const found = await Promise.all(
      spellings.map((email, at) =>
        (at % 2 ? one : other)('POST', path, { email, name: `Ida ${at}`, phone: '+49 30 5550011' }),
      ),
    );
    expect(found.map(({ status }) => status).sort()).toEqual([200, 200, 200, 201]);
    expect(new Set(found.map(({ body }) => body.id)).size).toBe(1);
    const { body } = await one('POST', path, { email: 'ida@example.com', name: 'Other', phone: '+49 30 5550012' });
    expect(body).toMatchObject({ phone: '+49 30 5550011', crm_id: expect.any(Number) });
    expect(body.name).toMatch(/^Ida \d$/);
    expect(await one('POST', path, { email: 'nobody', name: 'x' })).toMatchObject({ status: 422 });
  });

  test('gives a machine that may only write the id and the version', async () => {
    const write = app.callWith('customers.write');
    const { body } = await write('POST', '/api/customers/find-or-create', { email: 'ada@example.com', name: 'Ada' });
    expect(Object.keys(body).sort()).toEqual(['id', 'version']);
    const read = await app.callWith('customers.read')('POST', '/api/customers/find-or-create', newCustomer());
    expect(read).toMatchObject({ status: 403 });
  });
});
