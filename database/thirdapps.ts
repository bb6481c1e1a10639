import pg from 'pg';
import { type Address, toConfig } from './address.ts';
import { limitLogin, requireAdministrator, withClient } from './bootstrap.ts';
import { withMigrator } from './migrator.ts';
import { appRole, functionRoles, houseApps, loginNames, logins, trialRoles } from './rights/logins.ts';
import { rolesBeyond } from './rights/roles.ts';
import { takeTurn } from './turn.ts';

/*
 * Apps that are added to a database: a role with the rights of all apps, a login, a row of platform.apps, a schema. Roles belong to the server and are
 * made by its administrator; row and schema belong to the database and are made by the owner. No transaction spans both logins. So what could be
 * refused is asked first, the roles come next, and a command that was killed in between is repeated: it goes on with the roles that are there.
 */

/** How an app is called in the database. */
export type AppPlan = { name: string; role: string; login: string };

/** An app as `aether app list` shows it. */
export type KnownApp = {
  name: string;
  audience: string;
  role: string;
  /** The logins that have its role; none if it is out of service. */
  logins: string[];
  clients: { client: string; scopes: string[] }[];
  /** The events of other apps' records that it is told of. */
  events: GrantedEvent[];
  subscriptions: string[];
  created_at: Date;
};

export type GrantedEvent = { type: string; with_amounts: boolean };

/** The events that an app can be granted. */
export const grantableEvents = ['deal.closed', 'deal.reopened'];

export type AppMade = {
  /** It was there, without a login: it is in service again. */
  isBack: boolean;
  /** The password that its login got; undefined if the login was there and kept the one that it has. */
  password: string | undefined;
};

const nameForm = /^[a-z][a-z0-9_]{1,31}$/;
const connectionsDefault = 40;
const limits = { connectMs: 15_000, statementMs: 60_000 };

/**
 * The names of an app's role and login. Its schema and its audience have its own name. Pure.
 *
 * @throws Error if the name has another form, or the house has a role or a login of such a name
 */
export function planApp(name: string): AppPlan {
  if (!nameForm.test(name))
    throw new Error(
      `${JSON.stringify(name)} is not the name of an app: use 2 to 32 lower-case letters, digits and _, a letter first.`,
    );
  const plan = { name, role: `${name}_role`, login: `${name}_app` };
  const ofHouse: readonly string[] = [
    ...loginNames,
    ...Object.values(logins),
    ...functionRoles,
    ...Object.keys(trialRoles),
    appRole,
  ];
  if (ofHouse.includes(plan.role) || ofHouse.includes(plan.login))
    throw new Error(`The name ${name} is taken: ${plan.role} or ${plan.login} belongs to the house itself.`);
  return plan;
}

/**
 * Adds an app to a database, or brings one back whose login was removed. Safe to repeat after a kill: what is there already is used if it can do no
 * more than it should.
 *
 * @param administrator of the server, the login that has bootstrapped it
 * @param owner as `platform_migrator`
 * @param options.password for a login that is made now; `newPassword` says that one that is there gets it too
 * @param options.onPassword called with the password before it is valid. If it fails, the password never is.
 * @param options.onValid called when it is, before the rest is made
 * @throws Error saying why, if the name is taken or reserved, a role of that name can do more than an app should, or one of the logins cannot do its
 *   part. Nothing is changed then.
 */
export async function addApp(
  administrator: Address,
  owner: Address,
  plan: AppPlan,
  options: {
    password: string;
    newPassword?: boolean;
    connections?: number;
    clients?: { client: string; scopes: string[] }[];
    events?: GrantedEvent[] | undefined;
    onPassword?: (password: string) => Promise<void>;
    onValid?: (password: string) => Promise<void>;
    onProgress?: (line: string) => void;
  },
): Promise<AppMade> {
  return withMigrator(owner, async (migrator) => {
    await takeTurn(migrator, 'aether migrations', options.onProgress);
    const there = await requireFree(migrator, plan);
    const { rows } = await migrator.query<{ database: string }>('select current_database() as database');
    const database = rows[0]?.database as string;
    const password = await withClient(toConfig(administrator, database), limits, async (admin) => {
      await requireSameDatabase(admin, migrator);
      await requireAdministrator(admin);
      await takeTurn(admin, 'aether bootstrap', options.onProgress);
      const state = await readRoles(admin, plan);
      if (there && state.hasLogin && !options.newPassword) throw taken(plan.name);
      await requireHarmless(admin, plan);
      const given = state.hasLogin && !options.newPassword ? undefined : options.password;
      await inTransaction(admin, async () => {
        await makeRoles(admin, plan, state, database, options.connections);
        if (given === undefined) return;
        await admin.query(`alter role ${quote(plan.login)} password ${pg.escapeLiteral(given)}`);
        await options.onPassword?.(given);
      }).catch(explainRights(plan));
      if (given !== undefined) await options.onValid?.(given);
      return given;
    });
    await inTransaction(migrator, () => makeRow(migrator, plan, there, options));
    return { isBack: there, password };
  });
}

/** Ends an app's service: its login is dropped, its sessions end, its machines may do nothing. What it has written and published stays. */
export async function retireApp(administrator: Address, owner: Address, name: string): Promise<KnownApp> {
  return withMigrator(owner, async (migrator) => {
    await takeTurn(migrator, 'aether migrations');
    const app = await requireThird(migrator, name);
    await migrator.query(`update platform.app_clients set scopes = '{}' where app = $1`, [name]);
    await migrator.query('delete from platform.app_events where app = $1', [name]);
    const { rows } = await migrator.query<{ database: string }>('select current_database() as database');
    await withClient(toConfig(administrator, rows[0]?.database), limits, async (admin) => {
      await requireSameDatabase(admin, migrator);
      await requireAdministrator(admin);
      await takeTurn(admin, 'aether bootstrap');
      for (const login of app.logins) await dropLogin(admin, login);
    });
    return app;
  });
}

/** All apps, in the order of their names. @param owner as `platform_migrator` */
export const listApps = (owner: Address): Promise<KnownApp[]> =>
  withMigrator(owner, async (migrator) => (await migrator.query<KnownApp>(apps)).rows);

/**
 * Says which client of the identity provider is a machine of an app, and which scopes it has at most.
 *
 * @throws Error if there is no such app, or the client is another app's
 */
export async function setClient(owner: Address, name: string, client: string, scopes: string[]): Promise<void> {
  await withMigrator(owner, async (migrator) => {
    await requireApp(migrator, name);
    await writeClient(migrator, name, { client, scopes });
  });
}

/** Says which events of other apps' records an app is told of from now on. @throws Error if there is no such app, or it belongs to the house */
export async function setEvents(owner: Address, name: string, events: GrantedEvent[]): Promise<void> {
  await withMigrator(owner, async (migrator) => {
    if (houseApps.includes(name))
      throw new Error(`${name} belongs to the house: it sees what its own audience is told.`);
    await requireApp(migrator, name);
    await writeEvents(migrator, name, events);
  });
}

const apps = `
  select a.name, a.audience, a.role, a.created_at,
    array(select pg_get_userbyid(m.member)::text from pg_auth_members m join pg_roles r on r.oid = m.member
      where m.roleid = to_regrole(a.role) and m.inherit_option and r.rolcanlogin order by 1) as logins,
    (select coalesce(json_agg(json_build_object('client', c.client, 'scopes', c.scopes) order by c.client), '[]')
      from platform.app_clients c where c.app = a.name) as clients,
    (select coalesce(json_agg(json_build_object('type', g.type, 'with_amounts', g.with_amounts) order by g.type), '[]')
      from platform.app_events g where g.app = a.name) as events,
    array(select s.name from sync.subscriptions s where s.app = a.name order by s.name) as subscriptions
  from platform.apps a order by a.name`;

async function requireApp(migrator: pg.Client, name: string): Promise<KnownApp> {
  const { rows } = await migrator.query<KnownApp>(apps);
  const app = rows.find((each) => each.name === name);
  if (!app) throw new Error(`There is no app ${name}: the apps are ${rows.map((each) => each.name).join(', ')}.`);
  return app;
}

async function requireThird(migrator: pg.Client, name: string): Promise<KnownApp> {
  if (houseApps.includes(name)) throw new Error(`${name} belongs to the house: it is not removed.`);
  return requireApp(migrator, name);
}

const taken = (name: string) =>
  new Error(
    `The name ${name} is taken: the app is there and has a login. \`aether app list\` shows it; --new-password gives its login a new password.`,
  );

const addRow = 'insert into platform.apps (name, role, audience) values ($1::text, $2, $1::text)';

/** Lets the database itself say whether it takes the name, before anything is made. @returns whether the app is there already */
async function requireFree(migrator: pg.Client, plan: AppPlan): Promise<boolean> {
  const { name, role } = plan;
  if (houseApps.includes(name)) throw new Error(`The name ${name} is taken: the app belongs to the house.`);
  const { rows } = await migrator.query<{ is_migrated: boolean; has_schema: boolean }>(
    `select to_regclass('platform.app_events') is not null as is_migrated, to_regnamespace($1) is not null as has_schema`,
    [name],
  );
  if (!rows[0]?.is_migrated) throw new Error('This database lacks migrations: run `aether migrate up` first.');
  const { rows: known } = await migrator.query<{ role: string }>('select role from platform.apps where name = $1', [
    name,
  ]);
  if (known[0] && known[0].role !== role)
    throw new Error(`The name ${name} is taken: that app has the role ${known[0].role}.`);
  if (known[0]) return true;
  if (rows[0].has_schema)
    throw new Error(`The name ${name} is taken: there is a schema ${name}, which belongs to no app.`);
  await migrator.query('begin');
  try {
    await migrator.query(addRow, [name, role]);
  } catch (error) {
    const { code, constraint = '' } = error as pg.DatabaseError;
    if (code === '23505')
      throw new Error(`The name ${name} is taken: another app has it as its audience.`, { cause: error });
    if (constraint === 'apps_name_free')
      throw new Error(`The name ${name} is reserved: events that begin with it are the database’s own.`, {
        cause: error,
      });
    if (code === '23514') throw new Error(`The name ${name} is reserved.`, { cause: error });
    if (code !== '42704') throw error; // its role is not there yet, as is right
  } finally {
    await migrator.query('rollback');
  }
  return false;
}

async function requireSameDatabase(admin: pg.Client, migrator: pg.Client): Promise<void> {
  const place = `select extract(epoch from pg_postmaster_start_time())::text || ' ' || oid::text as place from pg_database
    where datname = current_database()`;
  const ask = async (client: pg.Client) => (await client.query<{ place: string }>(place)).rows[0]?.place;
  if ((await ask(admin)) !== (await ask(migrator)))
    throw new Error('The administrator’s address and the owner’s lead to different servers: give those of one.');
}

type Roles = { hasRole: boolean; hasLogin: boolean };

async function readRoles(admin: pg.Client, { role, login }: AppPlan): Promise<Roles> {
  const { rows } = await admin.query<Roles>(
    `select to_regrole($1) is not null as "hasRole", to_regrole($2) is not null as "hasLogin"`,
    [role, login],
  );
  return rows[0] as Roles;
}

/** A role of the name may be there, of another database of this server or of something else. @throws Error if it can do more than an app's */
async function requireHarmless(admin: pg.Client, { role, login }: AppPlan): Promise<void> {
  const { rows } = await admin.query<{ role: string; power: string }>(
    rolesBeyond({
      logins: [login],
      roles: [role],
      memberships: [
        [login, role],
        [role, appRole],
      ],
    }),
  );
  if (rows.length === 0) return;
  const found = rows.map((each) => `${each.role} is ${each.power}`).join(', ');
  throw new Error(`There is a role of this name already, and it can do more than an app’s should: ${found}.`);
}

async function makeRoles(
  admin: pg.Client,
  { role, login, name }: AppPlan,
  { hasRole, hasLogin }: Roles,
  database: string,
  connections = connectionsDefault,
): Promise<void> {
  const [ofRole, ofLogin, ofDatabase] = [quote(role), quote(login), quote(database)];
  if (!hasRole) await admin.query(`create role ${ofRole} nologin`);
  await admin.query(`grant ${appRole} to ${ofRole} with inherit true, set false`);
  if (!hasLogin) await admin.query(`create role ${ofLogin} login connection limit ${connections}`);
  await admin.query(`grant ${ofRole} to ${ofLogin} with inherit true, set false`);
  await limitLogin(admin, login);
  await admin.query(`alter role ${ofLogin} in database ${ofDatabase} set search_path = ${quote(name)}, platform`);
}

async function makeRow(
  migrator: pg.Client,
  { name, role }: AppPlan,
  isThere: boolean,
  { clients = [], events }: { clients?: { client: string; scopes: string[] }[]; events?: GrantedEvent[] | undefined },
): Promise<void> {
  if (!isThere) await migrator.query(addRow, [name, role]);
  await migrator.query(
    `create schema if not exists ${quote(name)}; grant usage on schema ${quote(name)} to ${quote(role)}`,
  );
  for (const client of clients) await writeClient(migrator, name, client);
  if (events) await writeEvents(migrator, name, events);
}

async function writeEvents(migrator: pg.Client, app: string, events: GrantedEvent[]): Promise<void> {
  const given = JSON.stringify(events);
  await migrator.query(
    `with given as (select type, with_amounts from jsonb_to_recordset($2::jsonb) as g (type text, with_amounts boolean)),
       gone as (delete from platform.app_events e where e.app = $1 and e.type not in (select type from given))
     insert into platform.app_events as e (app, type, with_amounts) select $1, type, with_amounts from given
     on conflict (app, type) do update set with_amounts = excluded.with_amounts`,
    [app, given],
  );
}

async function writeClient(
  migrator: pg.Client,
  app: string,
  { client, scopes }: { client: string; scopes: string[] },
): Promise<void> {
  const { rowCount } = await migrator
    .query(
      `insert into platform.app_clients as c (client, app, scopes) values ($1, $2, $3)
       on conflict (client) do update set scopes = excluded.scopes where c.app = excluded.app`,
      [client, app, scopes],
    )
    .catch((error) => {
      if (error.code === '23514') throw new Error('A client is 1 to 200 characters without blanks.', { cause: error });
      throw error;
    });
  if (rowCount === 0) throw new Error(`The client ${client} belongs to another app.`);
}

async function dropLogin(admin: pg.Client, login: string): Promise<void> {
  const name = quote(login);
  await admin.query(`alter role ${name} nologin`);
  // To end sessions of a role takes its rights; the administrator has made it, and may lend them to itself.
  await admin.query(`grant ${name} to current_user with inherit true, set false`);
  await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [login]);
  await admin.query(`drop role ${name}`).catch((error) => {
    if (error.code !== '2BP01') throw error;
    throw new Error(
      `The login ${login} can no longer log in, but it owns something or was given rights of its own: ${error.detail}`,
      { cause: error },
    );
  });
}

async function inTransaction(client: pg.Client, work: () => Promise<unknown>): Promise<void> {
  await client.query('begin');
  try {
    await work();
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {}); // a dead connection has rolled back already
    throw error;
  }
}

const explainRights =
  ({ role, login }: AppPlan) =>
  (error: unknown): never => {
    if ((error as pg.DatabaseError).code !== '42501') throw error;
    throw new Error(
      `This administrator may not make ${role} and ${login} (${(error as Error).message}): be the one that has bootstrapped the server.`,
      { cause: error },
    );
  };

const quote = (name: string) => pg.escapeIdentifier(name);
