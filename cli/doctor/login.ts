import { findLacking, type Login, logins, rolesWithMore } from '@aether/database';
import {
  ConfigurationError,
  DatabaseUnavailable,
  findLending,
  isClear,
  isDatabaseUnknown,
  isLoginRefused,
  type Lending,
  readCertificate,
  SecondSessionRefused,
  translateRefusal,
} from '@aether/platform/log';
import type pg from 'pg';
import { type Finding, some } from './findings.ts';

/** The app as which the database knows a login. */
const appOf: Partial<Record<Login, string>> = {
  foundation_app: 'foundation',
  support_app: 'support',
  console_app: 'console',
  sync_app: 'sync',
};
/** Logins of apps: they may come through a transaction pooler, and `bootstrap` gives them limits of time. */
const apps: readonly Login[] = ['foundation_app', 'support_app', 'console_app'];
const schemaOf: Partial<Record<Login, string>> = {
  foundation_app: 'crm',
  support_app: 'support',
  console_app: 'sync',
};
const limitsOfApps = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'];
const certificateDaysMin = 14;
const dayMs = 86_400_000;
const repeatBootstrap = 'run `aether migrate bootstrap` again: it keeps passwords, and gives roles and settings';

type Words = Pick<Finding, 'found' | 'remedy'>;

/** Why a login does not get in, and what to do. */
export function describeRefusal(error: unknown, url: string): Words {
  const database = decodeURI(new URL(url).pathname.slice(1));
  const { code = '', message = String(error) } = (error ?? {}) as { code?: string; message?: string };
  if (isDatabaseUnknown(error))
    return {
      found: `the server, or the pooler before it, has no database ${database} (${message})`,
      remedy: 'correct the address, name the database in the pooler, or run `aether migrate bootstrap`',
    };
  const refusal = translateRefusal(error);
  if (isLoginRefused(error))
    return {
      found: `is refused (${message})`,
      remedy:
        'correct the name and the password; behind a pooler, its own list of logins too. `aether migrate bootstrap --new-passwords` makes new ones',
    };
  if (code === '53300')
    return {
      found: `gets no connection: ${message}`,
      remedy: 'end what is open, raise max_connections, or `<LOGIN>_CONNECTIONS` of `aether migrate bootstrap`',
    };
  if (code === '57P03') return { found: message, remedy: 'wait until the server has started' };
  if (code === '42501')
    return {
      found: message,
      remedy: 'run `aether migrate bootstrap` for this database: it grants what the logins need to connect',
    };
  if (refusal instanceof ConfigurationError) return { found: refusal.message };
  if (refusal instanceof DatabaseUnavailable)
    return {
      found: `no answer (${code || message})`,
      remedy: 'is the address right, does the server run, and does a firewall let this machine in?',
    };
  return { found: message };
}

/** Examines what is this login's own: the line to the server, a pooler on it, its role, privileges and settings. */
export async function examineLogin(
  client: pg.Client,
  login: Login,
  url: string,
): Promise<{ found: Finding[]; lending: Lending | undefined }> {
  const say = (check: string, state: Finding['state'], found: string, remedy?: string): Finding => ({
    check,
    logins: [login],
    state,
    found,
    ...(remedy && { remedy }),
  });
  const found: Finding[] = [say(...lineOf(client, url))];
  const lending = await findLending(url).catch((error) => {
    if (!(error instanceof SecondSessionRefused)) throw error;
    return undefined;
  });
  found.push(say(...poolerOf(login, lending)));
  const { rows } = await client.query<{
    login: string;
    migrated: boolean;
    path: string;
    unlimited: string[];
    compiles: boolean;
  }>(
    `select session_user::text as login,
       exists (select from pg_catalog.pg_proc where pronamespace = pg_catalog.to_regnamespace('platform')
         and proname = 'current_app') as migrated,
       pg_catalog.current_setting('search_path') as path,
       coalesce(pg_catalog.current_setting('jit', true) = 'on', false) as compiles,
       array(select name from unnest($1::text[]) name where pg_catalog.current_setting(name) = '0') as unlimited`,
    [limitsOfApps],
  );
  const me = rows[0] as (typeof rows)[number];
  if (me.login !== login) {
    found.push(say('login', 'wrong', `the address is that of ${me.login}`, `give the address of ${login}`));
    return { found, lending };
  }
  const lacking = await findLacking(client, login);
  if (!lacking.role) found.push(say('role', 'wrong', `does not have the role ${logins[login]}`, repeatBootstrap));
  found.push(...(await examineRights(client, login, say, lacking, me.migrated)));
  if (me.migrated && lacking.role && appOf[login]) {
    const app = (await client.query<{ app: string }>('select platform.current_app() as app')).rows[0]?.app;
    found.push(
      app === appOf[login]
        ? say('login', 'ok', `connects, and is the app ${app}`)
        : say('login', 'wrong', `is the app ${app}, not ${appOf[login]}`, 'correct platform.apps'),
    );
  } else found.push(say('login', 'ok', 'connects'));
  found.push(...settingsOf(login, say, me));
  return { found, lending };
}

type Say = (check: string, state: Finding['state'], found: string, remedy?: string) => Finding;
type Said = Parameters<Say>;

/** Whether others could listen on the way. */
function lineOf(client: pg.Client, url: string): Said {
  const { tls, certificate_until: until } = readCertificate(client);
  if (!tls && isClear(url))
    return [
      'tls',
      'warning',
      'no TLS to another machine: whoever is in between reads everything',
      'take sslmode=disable out of the address, and set ssl = on on the server',
    ];
  if (!tls) return ['tls', 'ok', 'no TLS, and nothing leaves this machine'];
  const parameters = new URL(url).searchParams;
  if (parameters.get('sslmode') === 'require' && !parameters.get('sslrootcert'))
    return [
      'tls',
      'warning',
      'TLS, but nobody checks whose certificate it is',
      'write sslmode=verify-full, and sslrootcert for an authority of your own',
    ];
  const days = until === undefined ? undefined : Math.floor((until * 1_000 - Date.now()) / dayMs);
  if (days !== undefined && days < certificateDaysMin)
    return ['tls', 'warning', `the certificate of the server ends in ${days} days`, 'renew it on the server'];
  return ['tls', 'ok', `TLS${days === undefined ? '' : `, with a certificate for ${days} more days`}`];
}

function poolerOf(login: Login, lending: Lending | undefined): Said {
  if (lending === undefined)
    return [
      'pooler',
      'warning',
      'leads through a pooler that takes no second session, so that nobody knows how it lends its connections',
      'raise its pool size, or give the address of PostgreSQL itself',
    ];
  if (lending === 'none') return ['pooler', 'ok', 'leads to PostgreSQL itself'];
  if (lending === 'session') return ['pooler', 'ok', 'leads through a pooler that lends a connection for a session'];
  const found = 'leads through a pooler that lends its connections for a transaction at a time (PgBouncer)';
  return apps.includes(login)
    ? [
        'pooler',
        'ok',
        `${found}; the app needs PLATFORM_DB_POOLER=transaction, and PLATFORM_DB_LISTEN_URL past the pooler`,
      ]
    : ['pooler', 'wrong', found, `give ${login} the address of PostgreSQL itself: it keeps locks, roles or settings`];
}

async function examineRights(
  client: pg.Client,
  login: Login,
  say: Say,
  lacking: { role: boolean; privileges: string[] },
  isMigrated: boolean,
): Promise<Finding[]> {
  const { rows } = await client.query<{ role: string; power: string }>(rolesWithMore);
  const more = rows.filter(({ role }) => role === login || role === logins[login]);
  if (more.length > 0)
    return [
      say(
        'rights',
        'wrong',
        `can do more than it should: ${some(more.map(({ role, power }) => `${role} is ${power}`))}`,
        'take that back, with `alter role` or `revoke`',
      ),
    ];
  if (!lacking.role || (!isMigrated && login !== 'platform_migrator')) return [];
  return lacking.privileges.length > 0
    ? [
        say(
          'rights',
          'wrong',
          `lacks ${lacking.privileges.length} privileges: ${some(lacking.privileges)}`,
          'somebody has revoked them: `aether migrate check` shows the statements, which platform_owner grants again',
        ),
      ]
    : [say('rights', 'ok', 'has its role, and every privilege of database/privileges.txt')];
}

function settingsOf(
  login: Login,
  say: Say,
  { path, unlimited, compiles }: { path: string; unlimited: string[]; compiles: boolean },
): Finding[] {
  const found: Finding[] = [];
  if (compiles)
    found.push(
      say(
        'settings',
        'warning',
        'has its statements compiled where the server can (jit = on): a short one with a large estimate takes a tenth of a second longer',
        repeatBootstrap,
      ),
    );
  if (!apps.includes(login)) return found;
  if (path.split(',')[0]?.trim() !== schemaOf[login])
    found.push(
      say('settings', 'warning', `its search_path is ${path}, and behind a pooler that counts`, repeatBootstrap),
    );
  if (unlimited.length > 0)
    found.push(
      say(
        'settings',
        'warning',
        `has no limit of ${unlimited.join(', ')}: one statement could hold up others for ever`,
        repeatBootstrap,
      ),
    );
  return found.length > 0 ? found : [say('settings', 'ok', 'has its schema and its limits of time')];
}
