import pg from 'pg';
import { type Login, loginNames, logins, type Passwords } from './logins.ts';

const searchPaths: Partial<Record<Login, string>> = {
  foundation_app: 'crm, platform',
  support_app: 'support, platform',
};
const connectionLimits: Record<Login, number> = {
  platform_migrator: 5,
  foundation_app: 100,
  support_app: 100,
  sync_app: 20,
  privacy_app: 5,
  observer_app: 5,
};

/**
 * Makes a server ready for the migrations: roles, logins, the database, its grants, extensions. Safe to repeat, and to run twice at once.
 *
 * @param adminUrl the server's administrator, a login with CREATEROLE and CREATEDB; not a superuser (Azure has none).
 * @param passwords set for every login named; a login left out keeps the password it has.
 * @throws when the server is older than PostgreSQL 18, or the login lacks those rights.
 */
export async function bootstrap(
  adminUrl: string,
  { database, passwords }: { database: string; passwords: Partial<Passwords> },
): Promise<void> {
  const databaseUrl = new URL(adminUrl);
  databaseUrl.pathname = `/${database}`;
  await withClient(adminUrl, async (admin) => {
    await requireAdministrator(admin);
    // Roles belong to the whole server: two bootstraps at once would both find them missing. Held to the end.
    await admin.query(`select pg_advisory_lock(hashtext('aether bootstrap'))`);
    await createRoles(admin, passwords);
    const { rowCount } = await admin.query('select from pg_database where datname = $1', [database]);
    if (rowCount === 0)
      await admin.query(`create database ${pg.escapeIdentifier(database)} template template0 encoding 'UTF8'`);
    await openDatabase(admin, database);
    await withClient(databaseUrl.href, (owner) => prepareSchemas(owner));
  });
}

/**
 * The grants and settings that belong to one database and that `create database … template` does not copy.
 *
 * @param admin connected as the database's owner, to any database of the server.
 */
export async function openDatabase(admin: pg.ClientBase, database: string): Promise<void> {
  const name = pg.escapeIdentifier(database);
  // TEMP goes with "all": on a temporary table of its own a login could hang a definer trigger and forge what that writes.
  await admin.query(`
    revoke all on database ${name} from public;
    grant connect on database ${name} to platform_migrator, foundation_role, support_role, sync_role, privacy_role, observer_role;
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
    grant usage on schema ext to platform_owner, foundation_role, support_role`);
}

async function requireAdministrator(admin: pg.Client): Promise<void> {
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

async function createRoles(admin: pg.Client, passwords: Partial<Passwords>): Promise<void> {
  const existing = new Set((await admin.query('select rolname from pg_roles')).rows.map((row) => row.rolname));
  for (const login of loginNames) {
    const role = logins[login];
    if (!existing.has(role)) await admin.query(`create role ${role} nologin`);
    if (!existing.has(login)) await admin.query(`create role ${login} login`);
    const password = passwords[login];
    await admin.query(
      `alter role ${login} connection limit ${connectionLimits[login]}${password ? ` password ${pg.escapeLiteral(password)}` : ''}`,
    );
    // The migrator must say `set role`; an app has its rights at once and can become nobody else.
    const terms = login === 'platform_migrator' ? 'inherit false, set true' : 'inherit true, set false';
    await admin.query(`grant ${role} to ${login} with ${terms}`);
  }
  for (const login of ['foundation_app', 'support_app']) {
    await admin.query(`alter role ${login} set statement_timeout = '15s'`);
    await admin.query(`alter role ${login} set lock_timeout = '5s'`);
    await admin.query(`alter role ${login} set idle_in_transaction_session_timeout = '30s'`);
  }
}

async function withClient(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
