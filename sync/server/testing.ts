import { atEnd, createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { createLog } from '@aether/http';
import { callerOf } from '@aether/http/testing';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import { type SignedCalls, signCalls, startTestIssuer, type TestIssuer, testTenant } from '@aether/signin/testing';
import { startConsole } from './index.ts';

export type TestConsole = SignedCalls & {
  url: string;
  database: TestDatabase;
  /** The issuer that signs the tokens. */
  issuer: TestIssuer;
  /** The database as the console sees it. */
  console: PlatformDb;
};

/**
 * The console on a database of this file's own. `maya`, the user of `call`, may look; `boss` is an administrator and may
 * act: `callAs('boss')`. No worker runs.
 */
export async function startTestConsole(variables: Record<string, string> = {}): Promise<TestConsole> {
  const database = await createTestDatabase();
  const log = createLog('test');
  log.level = 'silent';
  const ownVariables = {
    PLATFORM_DB_URL: database.url('console_app'),
    PLATFORM_DB_POOL_MAX: '2', // each connection costs as much as fifty queries, and plans everything anew
    SIMULATOR_DB_URL: database.url('simulator_app'),
    PRIVACY_APP_URL: database.url('privacy_app'),
  };
  const db = await connectPlatform({ app: 'console', variables: ownVariables });
  const issuer = await startTestIssuer();
  for (const [id, name] of [
    ['maya', 'Maya Okafor'],
    ['boss', 'Bo Boss'],
  ] as const)
    await db.signInUser({ subject: id, email: `${id}@aether.example`, name, tenantId: testTenant, objectId: id });
  const foundation = await database.connect('foundation_app');
  await foundation.query(`update platform.users set role = 'admin' where id = 'boss'`);
  const server = await startConsole({
    variables: { ...ownVariables, ...issuer.variables, ...variables },
    port: 0,
    log,
  });
  atEnd(async () => {
    await server.close();
    await db.close();
  });
  return { url: server.url, database, issuer, ...signCalls(issuer, callerOf(server.url)), console: db };
}
