import { once } from 'node:events';
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

test('a server that closes leaves the database only when what goes on beside its answers has written down what came of it', async () => {
  const database = await createTestDatabase();
  let written: unknown;
  const server = await startServer(
    {
      app: 'foundation',
      title: 'T',
      version: '1',
      description: 'T',
      portDefault: 0,
      rights: { scopes: {}, ofEvents: {} },
      addSignIn: () => () => Promise.reject(new Error('nobody signs in')),
      addRoutes(_app, db, { closing, finish }) {
        const work = async () => {
          await once(closing, 'abort');
          await db.query('select pg_sleep(0.3)');
          written = await db.query('select 1 as one');
        };
        finish(work());
        finish(Promise.reject(new Error('work that failed holds nothing up')));
      },
    },
    { port: 0, log: collectLog().log, variables: { PLATFORM_DB_URL: database.url('foundation_app') } },
  );
  await server.close();
  expect(written).toEqual([{ one: 1 }]);
});
