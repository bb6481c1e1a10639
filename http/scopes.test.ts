import { createTestDatabase } from '@aether/database/testing';
import { expect, test } from 'vitest';
import { scopeOfEvent } from './scopes.ts';

test('every kind of event has a scope that reads it, but for custom values: of a customer, a company or a deal, they would need one of three', async () => {
  const database = await createTestDatabase();
  const superuser = await database.connect('postgres');
  const { rows } = await superuser.query<{ name: string }>('select name from sync.entities order by name');
  expect(rows.length).toBeGreaterThan(10);
  const unread = rows.map(({ name }) => name).filter((name) => scopeOfEvent(`${name}.created`) === undefined);
  expect(unread).toEqual(['custom_value']);
});
