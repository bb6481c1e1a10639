import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTestLine } from '../testing.line.ts';
import { startTestPooler } from '../testing.pooler.ts';
import { ConfigurationError } from './errors.ts';
import { requireOwnSession } from './ownsession.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});

describe('an address', () => {
  test('of a pooler that cannot give a second session is refused, with the pooler’s own words', async () => {
    const pooler = await startTestPooler(database.url('sync_app'), 1, 'session');
    try {
      await expect(requireOwnSession(pooler.url, '--url', 500)).rejects.toThrow(
        /--url leads .* "Query read timeout" to a second/,
      );
    } finally {
      await pooler.close();
    }
  });

  test('of PostgreSQL itself is accepted, also through a proxy that passes everything on', async () => {
    const url = database.url('sync_app');
    await requireOwnSession(url, 'PLATFORM_DB_URL');
    const line = await startTestLine(url);
    try {
      await requireOwnSession(line.url, 'PLATFORM_DB_URL');
    } finally {
      await line.close();
    }
  });

  test('of a pooler that lends a connection for a whole session is accepted', async () => {
    const pooler = await startTestPooler(database.url('sync_app'), 3, 'session');
    try {
      await requireOwnSession(pooler.url, 'PLATFORM_DB_URL');
    } finally {
      await pooler.close();
    }
  });

  test.each([1, 2, 3, 8])(
    'of a transaction pooler with %i connections is refused, and the setting is named',
    async (servers) => {
      const pooler = await startTestPooler(database.url('sync_app'), servers);
      try {
        const refused = requireOwnSession(pooler.url, 'SYNC_APP_URL');
        await expect(refused).rejects.toThrow(ConfigurationError);
        await expect(refused).rejects.toThrow(
          /^SYNC_APP_URL leads through a connection pooler that lends its connections for a transaction at a time/,
        );
      } finally {
        await pooler.close();
      }
    },
  );
});
