import type { Login } from '@aether/database';
import { ConfigurationError, openConnection, openReplica, readSettings } from '@aether/platform/log';
import type { Finding } from './findings.ts';

/** The bound that PLATFORM_DB_REPLICA_AGE_MAX_MS has by default. */
const ageMaxMs = 5_000;

/** Tries a replica as an app does that reads from it. @param place its host, or host:port; the rest of the address is the primary's. */
export async function examineReplica(login: Login, url: string, place: string): Promise<Finding> {
  const say = (state: Finding['state'], found: string, remedy?: string): Finding => ({
    check: 'replica',
    logins: [login],
    state,
    found,
    ...(remedy && { remedy }),
  });
  const there = new URL(url);
  there.host = place;
  for (const parameter of ['pooler', 'direct']) there.searchParams.delete(parameter);
  const open = (address: string) =>
    openConnection('doctor', { ...readSettings({ PLATFORM_DB_URL: address }), searchPath: 'platform' });
  const primary = open(url);
  const replica = openReplica(primary, open(there.href), { url: there.href, ageMaxMs });
  try {
    const trouble = await replica.start();
    return trouble === undefined
      ? say('ok', `the replica at ${place} follows this server, and lets ${login} in`)
      : say('wrong', `the replica at ${place} is not used: ${trouble}`, 'docs/runbooks/replica.md');
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return say('wrong', error.message.replace(/\.$/, ''));
  } finally {
    await replica.close(1_000);
    await primary.close(1_000);
  }
}
