import pg from 'pg';
import { type Address, toConfig } from './address.ts';
import { createDatabaseWithLetters, requireLetters } from './letters.ts';
import {
  appRole,
  functionRoles,
  isApp,
  type Login,
  loginNames,
  logins,
  type Passwords,
  trialRoles,
} from './rights/logins.ts';
import { rolesWithMore } from './rights/roles.ts';
import { takeTurn } from './turn.ts';

const searchPaths: Partial<Record<Login, string>> = {
  foundation_app: 'crm, platform',
  support_app: 'support, platform',
  console_app: 'sync, platform',
};
/** How long connecting, and each statement, may take. Making a database copies files, so a statement gets a minute. */
export type BootstrapLimits = { connectMs: number; statementMs: number };
const limitsDefault: BootstrapLimits = { connectMs: 15_000, statementMs: 60_000 };
/** The server gives a statement up by itself; after so much longer the line to it counts as lost. */
const answerLateMs = 5_000;

const connectionLimits: Record<Login, number> = {
  platform_migrator: 20,
  foundation_app: 100,
  support_app: 100,
  console_app: 40,
  sync_app: 90, // a worker has ten, two more while it imports, and up to seven while it delivers webhooks; at an update two start beside the two that run, and commands come on top
  privacy_app: 12, // the console has three and one more for a clean-up, a worker one at a time, and commands come on top
  observer_app: 5,
  simulator_app: 5,
};

/**
 * Makes a server ready for the migrations: roles, logins, the database, its grants, extensions. Safe to repeat, and to
 * run twice at once. Passwords are set last: a failure before that changes no password.
 *
 * @param administrator of the server, a login with CREATEROLE and CREATEDB; not a superuser (Azure has none).
 * @param passwords set for every login named.
 * @param passwordsOfNew for logins that are created now and are not named in `passwords`; all other logins keep their
 *   password.
 * @param connections how many connections a login may have at once, if not as many as here; a repetition lowers no limit that it is not
 *   given.
 * @param onPasswords called with the passwords before they are valid. If it fails, they never are.
 * @returns the passwords that were set.
 * @throws when the server is older than PostgreSQL 18, the login lacks those rights, the database belongs to another
 *   login or knows no
 *   letter beyond ASCII, or one of our logins or roles can do more than it should; and when an answer does not come in time.
 */
export async function bootstrap(
  administrator: Address,
  {
    database,
    passwords,
    passwordsOfNew = {},
    connections = {},
    onPasswords,
    onProgress,
    limits = limitsDefault,
  }: {
    database: string;
    passwords: Partial<Passwords>;
    passwordsOfNew?: Partial<Passwords>;
    connections?: Partial<Record<Login, number>>;
    onPasswords?: (passwords: Partial<Passwords>) => Promise<void>;
    onProgress?: (line: string) => void;
    limits?: BootstrapLimits;
  },
): Promise<Partial<Passwords>> {
  return withClient(toConfig(administrator), limits, async (admin) => {
    await requireAdministrator(admin);
    // Roles belong to the whole server: two bootstraps at once would both find them missing. The lock is held to the
    // end.
    await takeTurn(admin, 'aether bootstrap', onProgress);
    await requireHarmlessRoles(admin);
    await createDatabase(admin, database);
    const made = await createRoles(admin, connections);
    await openDatabase(admin, database);
    await withClient(toConfig(administrator, database), limits, (owner) => prepareSchemas(owner));
    const given = { ...Object.fromEntries(made.map((login) => [login, passwordsOfNew[login]])), ...passwords };
    await setPasswords(admin, given, onPasswords);
    return given;
  });
}

async function createDatabase(admin: pg.Client, database: string): Promise<void> {
  const { rows } = await admin.query(
    `select pg_has_role(datdba, 'USAGE') as own, pg_get_userbyid(datdba) as owner from pg_database where datname = $1`,
    [database],
  );
  if (rows.length === 0) await createDatabaseWithLetters(admin, database);
  else if (!rows[0].own)
    throw new Error(
      `The database ${database} belongs to ${rows[0].owner}: bootstrap as that login, or choose another name.`,
    );
  await requireLetters(admin, database);
}

/**
 * The grants and settings that belong to one database and that `create database … template` does not copy.
 *
 * @param admin connected as the database's owner, to any database of the server.
 */
export async function openDatabase(admin: pg.ClientBase, database: string): Promise<void> {
  const name = pg.escapeIdentifier(database);
  // "all" includes TEMP: a login could hang a definer trigger on its own temporary table and forge the rows that the
  // trigger writes.
  await admin.query(`
    revoke all on database ${name} from public;
    grant connect on database ${name} to platform_migrator, app_role, sync_role, privacy_role, observer_role, simulator_role;
    grant create on database ${name} to platform_owner`);
  for (const [login, path] of Object.entries(searchPaths)) {
    await admin.query(`alter role ${login} in database ${name} set search_path = ${path}`);
  }
}

async function prepareSchemas(owner: pg.Client): Promise<void> {
  await owner.query(`
    revoke all on schema public from public;
    create schema if not exists ext;
    create extension if not exists pg_trgm with schema ext;
    grant usage on schema ext to platform_owner, app_role`);
}

/** @throws Error if the server is too old, or the login is a superuser or may not make roles and databases */
export async function requireAdministrator(admin: pg.Client): Promise<void> {
  const { rows } = await admin.query(`
    select current_setting('server_version_num')::integer as version, rolcreaterole and rolcreatedb as administrator, rolsuper as superuser
    from pg_roles where rolname = current_user`);
  if (rows[0].version < 180000) throw new Error('Aether needs PostgreSQL 18 or newer: it relies on uuidv7().');
  if (rows[0].superuser)
    throw new Error(
      'Bootstrap as the server administrator (CREATEROLE, CREATEDB), not as a superuser: what it makes would belong to one.',
    );
  if (!rows[0].administrator)
    throw new Error('Bootstrap needs a login with CREATEROLE and CREATEDB: the one the server was created with.');
}

/** Roles outlive databases, so a role with excess rights is found here and not only when an app uses it. */
async function requireHarmlessRoles(admin: pg.Client): Promise<void> {
  const { rows } = await admin.query<{ role: string; power: string }>(rolesWithMore);
  if (rows.length === 0) return;
  const found = rows.map(({ role, power }) => `${role} is ${power}`).join(', ');
  throw new Error(`A login of ours can do more than it should: ${found}. Take that back first (alter role, revoke).`);
}

/** @returns the logins that it created. */
async function createRoles(admin: pg.Client, connections: Partial<Record<Login, number>>): Promise<Login[]> {
  const existing = new Map<string, number>(
    (await admin.query('select rolname, rolconnlimit from pg_roles')).rows.map((row) => [
      row.rolname,
      row.rolconnlimit,
    ]),
  );
  if (!existing.has(appRole)) await admin.query(`create role ${appRole} nologin`);
  for (const login of loginNames) {
    const role = logins[login];
    if (!existing.has(role)) await admin.query(`create role ${role} nologin`);
    if (!existing.has(login)) await admin.query(`create role ${login} login`);
    const limit = connections[login] ?? raisedLimit(existing.get(login), connectionLimits[login]);
    await admin.query(`alter role ${login} connection limit ${limit}`);
    // The migrator must run `set role`; an app has its rights at once and cannot change its role.
    const terms = login === 'platform_migrator' ? 'inherit false, set true' : 'inherit true, set false';
    await admin.query(`grant ${role} to ${login} with ${terms}`);
    // Rights that every app has are granted once, to the role of all apps.
    if (isApp(login)) await admin.query(`grant ${appRole} to ${role} with inherit true, set false`);
  }
  // The owner gives them the functions that write many customers at once, those that merge, and those that erase.
  for (const role of functionRoles) {
    if (!existing.has(role)) await admin.query(`create role ${role} nologin`);
    await admin.query(`grant ${role} to ${logins.platform_migrator} with inherit false, set true`);
  }
  for (const [trial, role] of Object.entries(trialRoles)) {
    if (!existing.has(trial)) await admin.query(`create role ${trial} nologin`);
    await admin.query(`grant ${role} to ${trial} with inherit true, set false`);
    // The owner gives it the function that tries a statement as this app.
    await admin.query(`grant ${trial} to ${logins.platform_migrator} with inherit false, set true`);
  }
  // Somebody waits for a trial at the screen, and writers must not wait for one.
  await admin.query(`alter role simulator_app set statement_timeout = '3s'`);
  await admin.query(`alter role simulator_app set lock_timeout = '300ms'`);
  await admin.query(`alter role simulator_app set idle_in_transaction_session_timeout = '5s'`);
  for (const login of loginNames) await (isApp(login) ? limitLogin : compileNothing)(admin, login);
  return loginNames.filter((login) => !existing.has(login));
}

/**
 * PostgreSQL compiles a statement whose estimate is large (`jit`, on by default where its library is installed), at each call. That takes a tenth of a
 * second, and estimates grow with the tables: with 1,200,000 customers a search that takes 21 ms took 124. A server that does not know the setting
 * compiles nothing.
 */
export async function compileNothing(admin: pg.ClientBase, login: string): Promise<void> {
  const { rows } = await admin.query(`select current_setting('jit', true) is not null as is_known`);
  if (rows[0].is_known) await admin.query(`alter role ${pg.escapeIdentifier(login)} set jit = 'off'`);
}

/** What the server limits for the login of any app, those that are added as well. */
export async function limitLogin(admin: pg.ClientBase, login: string): Promise<void> {
  const name = pg.escapeIdentifier(login);
  await compileNothing(admin, login);
  await admin.query(`alter role ${name} set statement_timeout = '15s'`);
  await admin.query(`alter role ${name} set lock_timeout = '5s'`);
  await admin.query(`alter role ${name} set idle_in_transaction_session_timeout = '30s'`);
  // An app asks for few rows at a time: starting a worker process takes longer than all the rest, and other requests use the cores.
  await admin.query(`alter role ${name} set max_parallel_workers_per_gather = 0`);
  // What an index finds of ten million customers fits into it, page by page. If it does not, whole pages are checked row by row.
  await admin.query(`alter role ${name} set work_mem = '32MB'`);
  // New names gather beside the index that finds them, until a write sorts them in. Of 4 MB, as by default, that took a write 55 ms of a core,
  // and all others waited for it; of so much it takes 3 ms, and all writes together the same.
  await admin.query(`alter role ${name} set gin_pending_list_limit = '128kB'`);
}

/** What somebody has raised stays so; no limit (-1), as a login has that was made by hand, becomes ours. */
function raisedLimit(present: number | undefined, wanted: number): number {
  return present === -1 && wanted !== -1 ? wanted : Math.max(present ?? wanted, wanted);
}

async function setPasswords(
  admin: pg.Client,
  passwords: Partial<Passwords>,
  onPasswords: (passwords: Partial<Passwords>) => Promise<void> = async () => {},
): Promise<void> {
  await admin.query('begin'); // all or none
  for (const [login, password] of Object.entries(passwords))
    if (password) await admin.query(`alter role ${login} password ${pg.escapeLiteral(password)}`);
  await onPasswords(passwords);
  await admin.query('commit');
}

/** Runs `work` on a connection that gives up in time, and ends it. */
export async function withClient<T>(
  config: pg.ClientConfig,
  { connectMs, statementMs }: BootstrapLimits,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    ...config,
    connectionTimeoutMillis: connectMs,
    query_timeout: statementMs + answerLateMs,
    keepAlive: true,
  });
  client.on('error', () => {}); // if the connection breaks, the running query fails as well
  await client.connect();
  try {
    await client.query(`set statement_timeout = ${statementMs}`);
    return await work(client);
  } finally {
    await client.end();
  }
}
