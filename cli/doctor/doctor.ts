import { type Login, loginNames } from '@aether/database';
import { openClient } from '@aether/platform/log';
import type pg from 'pg';
import { examineConnections } from './connections.ts';
import { arrange, type Finding } from './findings.ts';
import { describeRefusal, examineLogin } from './login.ts';
import { examineMigrations } from './migrations.ts';
import { examineReplica } from './replica.ts';
import { examineServer } from './server.ts';
import { examineLogOf } from './serverlog.ts';

export type Addresses = Partial<Record<Login, string>>;

export type DoctorOptions = {
  /** How many processes of each app, and how many workers, run at once. */
  processes?: number;
  /** PLATFORM_DB_POOL_MAX of the apps. */
  poolMax?: number;
  /** The host, or host:port, of a streaming replica from which the apps read. */
  replica?: string;
  /** This machine's clock, in milliseconds since 1970. */
  now?: () => number;
};

/** Whose lookups and lists may come from a replica. */
const readers: readonly Login[] = ['foundation_app', 'support_app'];
/** How long a connection, and each answer, may take. */
const answerMs = 10_000;

/**
 * Tries a server as each login whose address is given, and says what is missing. It writes nothing, and holds one connection at a time,
 * and one more while it looks for a pooler.
 *
 * @returns the worst first
 */
export async function examine(
  addresses: Addresses,
  { processes = 1, poolMax = 10, replica, now = Date.now }: DoctorOptions = {},
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const pooled = new Set<Login>();
  let isServerExamined = false;
  for (const login of loginNames) {
    const url = addresses[login];
    if (url === undefined) {
      findings.push({ check: 'login', logins: [login], state: 'untried', found: 'no address was given' });
      continue;
    }
    await withLogin(url, async (client) => {
      const { found, lending } = await examineLogin(client, login, url);
      findings.push(...found, ...(await examineLogOf(client, login)));
      if (lending === 'transaction') pooled.add(login);
      if (replica && readers.includes(login)) findings.push(await examineReplica(login, url, replica));
      if (isServerExamined) return;
      isServerExamined = true;
      findings.push(...(await examineServer(client, now)));
    }).catch((error) => {
      findings.push({ check: 'login', logins: [login], state: 'wrong', ...describeRefusal(error, url) });
    });
  }
  const direct = loginNames.find((login) => addresses[login] && !pooled.has(login));
  if (isServerExamined && direct)
    await withLogin(addresses[direct] as string, async (client) => {
      findings.push(...(await examineConnections(client, { processes, poolMax, pooled })));
    }).catch(() => {}); // this login is refused, as is said above
  // It takes on a role, which must not stay on a connection that others share.
  const migrator = pooled.has('platform_migrator') ? undefined : addresses.platform_migrator;
  findings.push(...(await examineMigrations(migrator)));
  return arrange(findings);
}

async function withLogin(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = await openClient({
    url,
    application_name: 'aether-doctor',
    connectionTimeoutMillis: answerMs,
    query_timeout: answerMs,
  });
  try {
    await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}
