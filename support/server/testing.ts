import { atEnd, createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { createLog } from '@aether/http';
import { callerOf } from '@aether/http/testing';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import { type SignedCalls, signCalls, startTestIssuer, type TestIssuer, testTenant } from '@aether/signin/testing';
import { startSupport } from './index.ts';

export const widgetKey = 'test-widget';

export type TestSupport = SignedCalls & {
  url: string;
  database: TestDatabase;
  /** The issuer that signs the tokens. */
  issuer: TestIssuer;
  /** The same database as both apps see it. */
  foundation: PlatformDb;
  support: PlatformDb;
  /** Another Support on the same database, with more settings, called as the agent `priya`. */
  startAnother(variables: Record<string, string>): Promise<SignedCalls['call']>;
};

/** The setting for a file in which more than two requests race each other within the database. */
export const racing = { PLATFORM_DB_POOL_MAX: '4' };

/**
 * Support on a database of this file's own, with one widget and three agents: the users `priya`, `tom` and `admin`, who is also an
 * administrator. `maya`, the user of `call`, is not an agent. `boss` is an administrator and not an agent.
 *
 * @param options `turnEveryMs`: how often it looks at what conversations need by themselves; a test that waits for that looks often.
 */
export async function startTestSupport(
  settings: Record<string, string> = {},
  { turnEveryMs }: { turnEveryMs?: number } = {},
): Promise<TestSupport> {
  const database = await createTestDatabase();
  const log = createLog('test');
  log.level = 'silent';
  const url = database.url('support_app');
  const foundation = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.url('foundation_app') },
  });
  const support = await connectPlatform({ app: 'support', variables: { PLATFORM_DB_URL: url } });
  const issuer = await startTestIssuer();
  for (const [id, name] of [
    ['priya', 'Priya Nair'],
    ['tom', 'Tom Berglund'],
    ['maya', 'Maya Okafor'],
    ['admin', 'Ada Admin'],
    ['boss', 'Bo Boss'],
  ] as const)
    await support.signInUser({ subject: id, email: `${id}@aether.example`, name, tenantId: testTenant, objectId: id });
  for (const id of ['admin', 'boss']) await foundation.updateUser(id, { role: 'admin' });
  await support.query(`insert into support.agents (user_id) values ('priya'), ('tom'), ('admin')`);
  await support.query('insert into support.widgets (key, name) values ($1, $2)', [widgetKey, 'Test shop']);
  await support.query(`insert into support.widgets (key, name, is_active) values ('retired-widget', 'Retired', false)`);

  const start = async (variables: Record<string, string>) => {
    const server = await startSupport({
      variables: {
        PLATFORM_DB_URL: url,
        PLATFORM_DB_POOL_MAX: '2', // each connection costs as much as fifty queries, and plans everything anew
        SUPPORT_RATE_FACTOR: '1000', // a test makes more requests than a visitor, and all from one address
        ...issuer.variables,
        ...variables,
      },
      port: 0,
      log,
      turnEveryMs,
    });
    atEnd(server.close);
    return server;
  };
  atEnd(() => Promise.all([foundation.close(), support.close()]));
  const server = await start(settings);
  return {
    url: server.url,
    database,
    issuer,
    ...signCalls(issuer, callerOf(server.url)),
    foundation,
    support,
    startAnother: async (variables) => signCalls(issuer, callerOf((await start(variables)).url)).callAs('priya'),
  };
}
