import { atEnd, createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { createLog } from '@aether/http';
import { callerOf } from '@aether/http/testing';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import { type SignedCalls, signCalls, startTestIssuer, type TestIssuer, testTenant } from '@aether/signin/testing';
import { startFoundation } from './index.ts';

export type TestFoundation = SignedCalls & {
  url: string;
  database: TestDatabase;
  /** The issuer that signs the tokens; `variables` are the settings of another server that accepts them. */
  issuer: TestIssuer;
  /** The same database with the eyes of each app. */
  foundation: PlatformDb;
  support: PlatformDb;
};

/** The setting for a file in which more than two requests race each other within the database. */
export const racing = { PLATFORM_DB_POOL_MAX: '4' };

/** Foundation on a database of this file's own, with one pipeline (Qualified, Proposal, Won, Lost) and one user, `maya`, who is the caller of `call`. */
export async function startTestFoundation(settings: Record<string, string> = {}): Promise<TestFoundation> {
  const database = await createTestDatabase();
  const log = createLog('test');
  log.level = 'silent';
  const foundation = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: database.url('foundation_app') },
  });
  const support = await connectPlatform({
    app: 'support',
    variables: { PLATFORM_DB_URL: database.url('support_app') },
  });
  const issuer = await startTestIssuer();
  const maya = { subject: 'maya', email: 'maya@aether.example', name: 'Maya Okafor' };
  await foundation.signInUser({ ...maya, tenantId: testTenant, objectId: 'maya' });
  await foundation.query(`
    with pipeline as (insert into crm.pipelines (name, is_default) values ('Sales', true) returning id)
    insert into crm.pipeline_stages (pipeline_id, name, position, outcome)
    select pipeline.id, s.name, s.position, s.outcome
    from pipeline, (values ('Qualified', 1, 'open'), ('Proposal', 2, 'open'), ('Won', 3, 'won'), ('Lost', 4, 'lost')) as s (name, position,
      outcome)`);
  const server = await startFoundation({
    // Each connection costs as much as fifty queries, and plans everything anew.
    variables: {
      PLATFORM_DB_URL: database.url('foundation_app'),
      PLATFORM_DB_POOL_MAX: '2',
      ...issuer.variables,
      ...settings,
    },
    port: 0,
    log,
  });
  atEnd(async () => {
    await server.close();
    await Promise.all([foundation.close(), support.close()]);
  });
  return { url: server.url, database, issuer, ...signCalls(issuer, callerOf(server.url)), foundation, support };
}
