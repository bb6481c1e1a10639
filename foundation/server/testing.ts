import { atEnd, createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { createLog } from '@aether/http';
import { callerOf } from '@aether/http/testing';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import { startFoundation } from './index.ts';

export type TestFoundation = {
  url: string;
  database: TestDatabase;
  call: ReturnType<typeof callerOf>;
  /** The same database as both apps see it. */
  foundation: PlatformDb;
  support: PlatformDb;
};

/** Foundation on a database of this file's own, with one pipeline (Qualified, Proposal, Won, Lost) and one user, `maya`. */
export async function startTestFoundation(): Promise<TestFoundation> {
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
  await foundation.signInUser({ subject: 'maya', email: 'maya@aether.example', name: 'Maya Okafor' });
  await foundation.query(`
    with pipeline as (insert into crm.pipelines (name, is_default) values ('Sales', true) returning id)
    insert into crm.pipeline_stages (pipeline_id, name, position, outcome)
    select pipeline.id, s.name, s.position, s.outcome
    from pipeline, (values ('Qualified', 1, 'open'), ('Proposal', 2, 'open'), ('Won', 3, 'won'), ('Lost', 4, 'lost')) as s (name, position, outcome)`);
  const server = await startFoundation({
    variables: { PLATFORM_DB_URL: database.url('foundation_app') },
    port: 0,
    log,
  });
  atEnd(async () => {
    await server.close();
    await Promise.all([foundation.close(), support.close()]);
  });
  return { url: server.url, database, call: callerOf(server.url), foundation, support };
}
