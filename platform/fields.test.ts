import { createTestDatabase } from '@aether/database/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { patchRow } from './fields.ts';
import { type Company, connectPlatform, InvalidField, type PlatformDb } from './index.ts';

let db: PlatformDb;
let company: Company;
beforeAll(async () => {
  const database = await createTestDatabase();
  db = await connectPlatform({ app: 'foundation', variables: { PLATFORM_DB_URL: database.url('foundation_app') } });
  company = await db.createCompany({ name: 'Tidewater', domain: 'tidewater.example' });
});
afterAll(() => db.close());

async function patch(change: object, writable = ['name', 'domain']) {
  await patchRow(db, 'platform.companies', company.id, change, writable);
  const [row] = await db.query('select name, domain, version from platform.companies where id = $1', [company.id]);
  return row;
}

test('a patch writes the given fields, also those that are null, and no others', async () => {
  expect(await patch({ name: 'Tidewater Robotics', domain: undefined })).toEqual({
    name: 'Tidewater Robotics',
    domain: 'tidewater.example',
    version: 2,
  });
  expect(await patch({ domain: null })).toEqual({ name: 'Tidewater Robotics', domain: null, version: 3 });
});

test('a patch without a field writes nothing', async () => {
  const before = await patch({});
  expect(await patch({ name: undefined })).toEqual(before);
});

test('a patch of a column that is not writable is refused, so that no name reaches SQL unchecked', async () => {
  const before = await patch({});
  await expect(patch({ name: 'x', 'domain = null, name': 'y' })).rejects.toThrow(InvalidField);
  expect(await patch({})).toEqual(before);
});
