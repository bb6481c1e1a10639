/**
 * Lets managed identities of Azure sign in as our logins: labels each login with the object id of an identity, as Azure's PostgreSQL wants it.
 * Run after `aether migrate bootstrap`, as the server's Entra administrator: PLATFORM_ADMIN_URL, in the database `postgres`, where alone the
 * labels of Entra are. AETHER_PRINCIPALS names them: foundation_app=<object id>,support_app=<object id>. A repetition changes what has changed.
 */
import { openClient } from '@aether/platform/log';

const isLogin = /^[a-z_]+_(?:app|migrator)$/;
const isObjectId = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The statements for a list such as `foundation_app=<object id>`. Pure. @throws Error naming what is wrong */
export function labelsFor(principals: string): string[] {
  const pairs = principals.split(',').map((each) => each.trim().split('='));
  for (const [login = '', id = ''] of pairs)
    if (!isLogin.test(login) || !isObjectId.test(id))
      throw new Error(
        `AETHER_PRINCIPALS has \`${login}=${id}\`, and should have a login and the object id of an identity.`,
      );
  return pairs.map(
    ([login, id]) =>
      `security label for "pgaadauth" on role "${login}" is 'aadauth,oid=${id?.toLowerCase()},type=service'`,
  );
}

if (process.argv[1] === import.meta.filename) {
  try {
    const { PLATFORM_ADMIN_URL = '', AETHER_PRINCIPALS = '' } = process.env;
    const labels = labelsFor(AETHER_PRINCIPALS);
    const client = await openClient({
      url: PLATFORM_ADMIN_URL,
      connectionTimeoutMillis: 15_000,
      query_timeout: 30_000,
    });
    try {
      for (const label of labels) await client.query(label);
    } finally {
      await client.end();
    }
    console.log(`${labels.length} logins have their identities.`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
