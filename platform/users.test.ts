import { createTestDatabase } from '@aether/database/testing';
import { expect, test } from 'vitest';
import { connectPlatform } from './index.ts';

test('Support cannot give a user a role, and the refusal names the field and its owner', async () => {
  const database = await createTestDatabase();
  const [support, foundation] = await Promise.all(
    (['support', 'foundation'] as const).map((app) =>
      connectPlatform({ app, variables: { PLATFORM_DB_URL: database.url(`${app}_app`) } }),
    ),
  );
  await support?.signInUser({ subject: 'tom', email: 'tom@example.com', name: 'Tom' });
  await expect(support?.updateUser('tom', { name: 'Thomas', role: 'admin' })).rejects.toMatchObject({
    code: 'field-not-owned',
    fields: [{ field: 'role', message: 'belongs to foundation' }],
  });
  expect(await foundation?.updateUser('tom', { role: 'admin' })).toMatchObject({ name: 'Tom', role: 'admin' });
  await Promise.all([support?.close(), foundation?.close()]);
});
