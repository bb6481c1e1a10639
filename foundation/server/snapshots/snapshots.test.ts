import { beforeAll, describe, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';
import type { SnapshotPage } from './snapshots.ts';

let app: TestFoundation;
let ids: string[];
beforeAll(async () => {
  app = await startTestFoundation();
  ids = [];
  for (let n = 1; n <= 5; n++)
    ids.push((await app.foundation.createCustomer({ name: `Person ${n}`, email: `person${n}@tidewater.example` })).id);
  const superuser = await app.database.connect('postgres');
  await superuser.query('update platform.customers set merged_into = $2 where id = $1', [ids[1], ids[0]]);
  await superuser.query('update platform.customers set erased_at = now() where id = $1', [ids[2]]);
});

const read = async (query: string) => {
  const { status, body } = await app.callWith('snapshots.read')('GET', `/api/snapshots/customers${query}`);
  return { status, body: body as SnapshotPage };
};

test('a snapshot has each customer once, in pages, with where merged ones went and nothing of an erased one', async () => {
  const seen: SnapshotPage['customers'] = [];
  let after: string | null = null;
  do {
    const { body }: { body: SnapshotPage } = await read(`?limit=2${after ? `&after=${after}` : ''}`);
    expect(body.position).toMatch(/^\d+$/);
    seen.push(...body.customers);
    after = body.next;
  } while (after);
  expect(seen.map(({ id }) => id)).toEqual(ids);
  expect(seen[1]).toMatchObject({ merged_into: ids[0], erased_at: null });
  expect(seen[2]).toMatchObject({ name: null, email: null, account_tier: null, erased_at: expect.any(String) });
  expect(seen[4]).toMatchObject({
    name: 'Person 5',
    email: 'person5@tidewater.example',
    version: 1,
    merged_into: null,
  });
});

test('a customer that is made while the pages are read is in a later page, and the first page is not changed by it', async () => {
  const { body: first } = await read('?limit=3');
  const { id } = await app.foundation.createCustomer({ name: 'Late', email: 'late@tidewater.example' });
  const { body: rest } = await read(`?after=${first.next}`);
  expect(rest.customers.map((customer) => customer.id)).toEqual([...ids.slice(3), id]);
});

test('some customers are read by id, and one that does not exist is missing', async () => {
  const { body } = await read(`?ids=${ids[4]},019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b,${ids[0]}`);
  expect(body.customers.map(({ id }) => id)).toEqual([ids[0], ids[4]]);
  expect(body.next).toBeNull();
});

describe('is refused', () => {
  test.each([
    ['?ids=5', 'ids'],
    ['?limit=5001', 'limit'],
    ['?after=5', 'after'],
    ['?ids=019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b&after=019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b', 'after'],
  ])('a snapshot of %s, and the field is named', async (query, field) => {
    expect(await read(query)).toMatchObject({ status: 422, body: { errors: [{ field }] } });
  });

  test('a snapshot to a token that may only read customers', async () => {
    const { status } = await app.callWith('customers.read')('GET', '/api/snapshots/customers');
    expect(status).toBe(403);
  });
});
