import { createTestDatabase } from '@aether/database/testing';
import { expect, test } from 'vitest';
import { collectLog } from '../testing.ts';
import { startServer } from './server.ts';

test('a server that cannot start ends what its routes have begun', async () => {
  const database = await createTestDatabase();
  let closing: AbortSignal | undefined;
  const started = startServer(
    {
      app: 'foundation',
      title: 'T',
      version: '1',
      description: 'T',
      portDefault: 0,
      rights: { scopes: {}, ofEvents: {} },
      addSignIn: () => () => Promise.reject(new Error('nobody signs in')),
      addRoutes(_app, _db, context) {
        closing = context.closing;
        throw new Error('a setting of the app is wrong');
      },
    },
    { port: 0, log: collectLog().log, variables: { PLATFORM_DB_URL: database.url('foundation_app') } },
  );
  await expect(started).rejects.toThrow('a setting of the app is wrong');
  expect(closing?.aborted).toBe(true);
});
