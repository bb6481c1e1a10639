import { createLog } from '@aether/http';
import { findLists, findTakenCursors } from '@aether/http/testing.lists';
import { beforeAll, describe, expect, test } from 'vitest';
import { startFoundation } from './index.ts';
import { startTestFoundation, type TestFoundation } from './testing.ts';

type Row = { id: string; name: string };
let app: TestFoundation;
let deals: Row[];
beforeAll(async () => {
  app = await startTestFoundation();
  const company = await app.foundation.createCompany({ name: 'Alder Foods' });
  const [first] = await Promise.all(
    ['Adalbert', 'Bobbie-Jo', 'Cyderella', 'Deirdre'].map((name) =>
      app.foundation.createCustomer({ name, email: `${name}@cursor.example`.toLowerCase(), company_id: company.id }),
    ),
  );
  const make = async (amount: number) =>
    (await app.call('POST', '/api/deals', { customer_id: first?.id, name: `Worth ${amount}`, amount })).body;
  deals = [await make(1), await make(2), await make(3), await make(4)];
});

/** Reads the pages from a cursor on, with one row each. */
async function readFrom(path: string, of: string, from: string | null): Promise<string[]> {
  const names: string[] = [];
  let cursor = from;
  while (cursor !== null) {
    const { body } = await app.call('GET', `${path}&limit=1${cursor && `&cursor=${cursor}`}`);
    names.push(...body[of].map((row: Row) => row.name));
    cursor = body.next_cursor;
  }
  return names;
}
const firstOf = async (path: string) => (await app.call('GET', `${path}&limit=1`)).body;

describe('a list continues after its last shown row', () => {
  test('if that row is renamed', async () => {
    const { customers, next_cursor } = await firstOf('/api/customers?sort=name');
    await app.foundation.updateCustomer(customers[0].id, { name: 'Zed' });
    expect(await readFrom('/api/customers?sort=name', 'customers', next_cursor)).toEqual([
      'Bobbie-Jo',
      'Cyderella',
      'Deirdre',
      'Zed',
    ]);
    await app.foundation.updateCustomer(customers[0].id, { name: 'Adalbert' });
  });

  test('if that row gets another amount', async () => {
    const { next_cursor } = await firstOf('/api/deals?sort=amount');
    await app.call('PATCH', `/api/deals/${deals[0]?.id}`, { amount: 1_000 });
    const rest = await readFrom('/api/deals?sort=amount', 'deals', next_cursor);
    expect(rest).toEqual(['Worth 2', 'Worth 3', 'Worth 4', 'Worth 1']);
  });

  test('if that customer leaves the company', async () => {
    const { customers, next_cursor } = await firstOf('/api/customers?sort=company');
    await app.foundation.updateCustomer(customers[0].id, { company_id: null });
    const rest = await readFrom('/api/customers?sort=company', 'customers', next_cursor);
    expect(rest).toHaveLength(4);
    expect(new Set(rest).size).toBe(4);
  });
});

describe('a cursor', () => {
  test('reveals no name, address or company', async () => {
    for (const sort of ['name', 'email', 'company']) {
      const { customers, next_cursor } = await firstOf(`/api/customers?sort=${sort}`);
      const { id, name, email, company } = customers[0];
      for (const shown of [next_cursor, Buffer.from(next_cursor, 'base64url').toString('latin1')])
        for (const secret of [id, name, email, company?.name ?? email]) expect(shown).not.toContain(secret);
    }
  });

  test('works on another server of the same database', async () => {
    const log = createLog('test');
    log.level = 'silent';
    const variables = { PLATFORM_DB_URL: app.database.url('foundation_app'), ...app.issuer.variables };
    const other = await startFoundation({ variables, port: 0, log });
    const { next_cursor } = await firstOf('/api/customers?sort=name');
    const answer = await fetch(`${other.url}/api/customers?sort=name&limit=1&cursor=${next_cursor}`, {
      headers: await app.headersOf('maya'),
    });
    expect(await answer.json()).toMatchObject({ customers: [{ name: 'Bobbie-Jo' }] });
    await other.close();
  });

  test('of another list or order, forged or cut short is refused', async () => {
    const { next_cursor: cursor } = await firstOf('/api/customers?sort=name');
    const forged = Buffer.from(cursor, 'base64url');
    forged[14] = (forged[14] as number) ^ 1;
    for (const path of [
      `/api/customers?sort=email&cursor=${cursor}`,
      `/api/customers?sort=name&dir=desc&cursor=${cursor}`,
      `/api/companies?sort=name&cursor=${cursor}`,
      `/api/deals?sort=name&cursor=${cursor}`,
      `/api/activities?cursor=${cursor}`,
      `/api/customers?sort=name&cursor=${forged.toString('base64url')}`,
      `/api/customers?sort=name&cursor=${cursor.slice(0, -4)}`,
      `/api/customers?sort=name&cursor=${cursor.slice(0, 20)}`,
      `/api/customers?sort=name&cursor=${Buffer.from('["Bob","x"]').toString('base64url')}`,
      '/api/customers?sort=name&cursor=',
      `/api/customers?sort=name&cursor=${'a'.repeat(4_000)}`,
    ])
      expect(await app.call('GET', path)).toMatchObject({
        status: 422,
        body: { code: 'invalid-field', errors: [{ field: 'cursor', in: 'query' }] },
      });
    expect((await app.call('GET', `/api/customers?sort=name&cursor=${cursor}`)).status).toBe(200);
  });

  test('of a timeline works only for that customer, and cannot be made by hand', async () => {
    const { customers } = (await app.call('GET', '/api/customers?sort=name&limit=2')).body;
    const [path, other] = customers.map(({ id }: Row) => `/api/customers/${id}/timeline`);
    for (const description of ['One', 'Two'])
      await app.call('POST', path.replace('timeline', 'activities'), { type: 'note', description });
    const { next_cursor: cursor } = await firstOf(`${path}?kind=activity`);
    const forge = (place: unknown) => Buffer.from(JSON.stringify(place)).toString('base64url');
    const forged = { at: '0000-01-01T00:00:00.000000Z', id: customers[0].id };
    for (const refused of [
      `${other}?cursor=${cursor}`,
      `${path}?cursor=${forge(forged)}`,
      `${path}?cursor=${forge([forged.at, forged.id])}`,
    ])
      expect(await app.call('GET', refused)).toMatchObject({
        status: 422,
        body: { code: 'invalid-field', errors: [{ field: 'cursor', in: 'query' }] },
      });
    const { body } = await app.call('GET', `${path}?kind=activity&limit=1&cursor=${cursor}`);
    expect(body.entries).toMatchObject([{ description: 'One' }]);
  });

  test('can hold the longest possible name', async () => {
    for (const last of ['x', 'y']) await app.call('POST', '/api/companies', { name: `${'🜁'.repeat(199)}${last}` });
    const found = await readFrom(`/api/companies?search=${encodeURIComponent('🜁🜁🜁')}`, 'companies', '');
    expect(found.map((name) => name.slice(-1))).toEqual(['x', 'y']);
  });
});

/** Every list of Foundation, those with orders in more than one. The ids are put in by `fill`. */
const lists = [
  '/api/customers?sort=name',
  '/api/customers?sort=name&dir=desc',
  '/api/customers?sort=email',
  '/api/customers/{customer}/timeline?',
  '/api/customers/{other}/timeline?',
  '/api/companies?sort=name',
  '/api/companies?sort=created',
  '/api/companies/{company}/contacts?',
  '/api/companies/{company}/customers?',
  '/api/companies/{company}/timeline?',
  '/api/deals?sort=name',
  '/api/deals?sort=amount',
  '/api/activities?',
  '/api/currency-rates?',
  '/api/notices?',
  '/api/notices?state=done',
  '/api/users?',
  '/api/setting-changes?',
  '/api/search/text?q=task',
  '/api/search/text?q=task&order=newest',
  '/api/search/text?q=worth',
];

/** Gives each list a second page. */
async function fillLists(): Promise<string[]> {
  await app.foundation.updateUser('maya', { role: 'admin' });
  for (const name of ['Long', 'Short']) await app.call('POST', '/api/tags', { name });
  const { customers } = (await app.call('GET', '/api/customers?sort=name&limit=2')).body;
  const [customer, other] = customers.map(({ id }: Row) => id);
  const { body: company } = await app.call('POST', '/api/companies', { name: 'Beacon' });
  for (const id of [customer, other]) await app.call('PATCH', `/api/customers/${id}`, { company_id: company.id });
  for (const n of [1, 2]) {
    await app.call('POST', `/api/companies/${company.id}/contacts`, { name: `Contact ${n}` });
    for (const id of [customer, other])
      await app.call('POST', `/api/customers/${id}/activities`, {
        type: 'task',
        description: `Task ${n}`,
        due_at: '2026-01-02T12:00:00Z',
      });
    await app.foundation.signInUser({ subject: `user${n}`, email: `user${n}@aether.example`, name: `User ${n}` });
  }
  await app.foundation.query(
    `insert into crm.currency_rates (base, currency, valid_from, rate)
     values ('EUR', 'USD', '2026-01-01', 0.9), ('EUR', 'USD', '2026-02-01', 1)`,
  );
  const { notices } = (await app.call('GET', '/api/notices?limit=2')).body;
  for (const { id } of notices) await app.call('PATCH', `/api/notices/${id}`, { is_done: true });
  const ids: Record<string, string> = { customer, other, company: company.id };
  return lists.map((list) => list.replace(/\{(\w+)\}/, (_, name) => ids[name] as string));
}

test('every list of Foundation takes its own cursors and refuses those of the others', async () => {
  const filled = await fillLists();
  expect(await findTakenCursors(app.call, filled)).toEqual(Object.fromEntries(filled.map((list) => [list, [list]])));
});

test('the table of lists has every list that Foundation shows page by page', async () => {
  const known = lists.map((list) => list.split('?')[0]?.replace(/\{\w+\}/, '{id}'));
  expect((await findLists(app.url)).sort()).toEqual([...new Set(known)].sort());
});

test('the staff is read page by page, each person once', async () => {
  const { body: all } = await app.call('GET', '/api/users');
  const staff = all.users.map(({ name }: Row) => name);
  expect(staff.length).toBeGreaterThan(2);
  expect(await readFrom('/api/users?', 'users', '')).toEqual(staff);
});
