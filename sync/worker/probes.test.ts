import { createTestDatabase } from '@aether/database/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { startSync } from '../index.ts';
import { findPort, until } from '../testing.ts';

afterEach(() => vi.unstubAllEnvs());

test('a worker whose database takes no changes says so at /readyz, and tells its log once a minute', async () => {
  vi.stubEnv('LOG_LEVEL', 'silent'); // each look is a line
  const database = await createTestDatabase();
  const superuser = await database.connect('postgres');
  const port = await findPort();
  const told: string[] = [];
  const tell = (_: object | string, part?: string) => void told.push(`${part}`);
  const worker = await startSync({
    variables: { PLATFORM_DB_URL: database.url('sync_app'), SYNC_PORT: `${port}` },
    log: { info: tell, warn: tell, error: tell },
  });
  try {
    const ready = () => fetch(`http://127.0.0.1:${port}/readyz`);
    await until(async () => (await ready()).status === 200);
    await superuser.query(`alter role sync_app in database ${database.name} set default_transaction_read_only = on`);
    await superuser.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = 'sync_app'`,
    );
    let said = '';
    await until(async () => {
      const { errors = [] } = (await (await ready()).json()) as { errors?: { message: string }[] };
      said = errors.map(({ message }) => message).join();
      return said.includes('takes no changes');
    });
    expect(said).toBe(
      'The database takes no changes at the moment, so that nothing was changed. Reading goes on; try again later.',
    );
    await superuser.query(`alter role sync_app in database ${database.name} reset default_transaction_read_only`);
    await superuser.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = 'sync_app'`,
    );
    await until(async () => (await ready()).status === 200);
    // It looks for imports twice a second: the end of its line and the refusal are two failures, told once each time.
    expect(told.filter((part) => part === 'imports').length).toBeLessThanOrEqual(4);
  } finally {
    await worker.close();
  }
});
