import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import {
  addApp,
  grantableEvents,
  houseApps,
  listApps,
  planApp,
  retireApp,
  setClient,
  setEvents,
  urlFor,
  writeAppTypes,
} from '@aether/database';
import { foundationScopes } from '@aether/foundation/scopes';
import { driverOf, openClient, requireOwnSession } from '@aether/platform/log';
import { supportScopes } from '@aether/support/scopes';
import { consoleScopes } from '@aether/sync/console/scopes';
import { Command, InvalidArgumentError } from 'commander';
import { requireDatabaseUrl } from './databaseurl.ts';
import { readOfLogin, readVariable } from './environment.ts';
import { formatLine, type KnownPasswords, readLoginsFile, writeLoginsFile } from './loginsfile.ts';
import { findAdministrator, migratorUrl, withoutAdministrator } from './migrate.ts';
import { readRunning } from './start/running.ts';
import { formatTable } from './table.ts';

/** What a machine of an app may do over HTTP by default: it reads what the app's login reads in SQL. */
const scopesDefault = ['customers.read', 'companies.read', 'users.read', 'snapshots.read', 'events.read'];

type Servers = { adminUrl?: string; url?: string; clearText: boolean };
type Adding = Servers & {
  to?: string;
  types?: string;
  client?: string;
  scopes: string[];
  events?: string[];
  amounts: boolean;
  connections?: number;
  newPassword: boolean;
};

/** `aether app`: apps of others on this database. docs/third-app.md */
export function appCommand(): Command {
  const app = new Command('app').description('apps that are added to this database: docs/third-app.md');
  const servers = (name: string, description: string) =>
    app
      .command(name)
      .description(description)
      .argument('<name>', 'the app, such as billing')
      .option('--admin-url <url>', 'the server administrator (or PLATFORM_ADMIN_URL); by default that of npm start')
      .option('--url <url>', 'as platform_migrator (or PLATFORM_MIGRATOR_URL); by default what npm start runs')
      .option('--clear-text', 'send the password without TLS to another machine', false);
  servers('add', 'role, login, schema, row and audience in one go; gives the address of its login')
    .option('--to <file>', 'write the address there instead of printing it; other logins in it stay')
    .option('--types <file>', 'also write the types of what it may read and write, as TypeScript')
    .option('--client <id>', 'its machine at the identity provider, for HTTP')
    .option('--scopes <scopes>', 'what that machine may do at most', readScopes, scopesDefault)
    .option('--events <types>', `what it is told of deals: ${grantableEvents.join(',')}`, readEvents)
    .option('--amounts', 'these events carry the amount', false)
    .option('--connections <number>', 'how many connections its login may have at once (40)', readConnections)
    .option('--new-password', 'also if the login is there already: what runs on the old one is cut off', false)
    .action(add);
  servers('remove', 'end its service: no login, no machine; what it has written and published stays').action(remove);
  app
    .command('list')
    .description('the apps, with their logins, machines and subscriptions')
    .option('--url <url>', 'as platform_migrator (or PLATFORM_MIGRATOR_URL); by default what npm start runs')
    .option('--json', 'one JSON object per line')
    .action(list);
  app
    .command('client')
    .description('say that a client of the identity provider is a machine of the app, and what it may do at most')
    .argument('<name>', 'the app')
    .argument('<id>', 'the client: client_id, azp or appid of its tokens')
    .option('--scopes <scopes>', 'with commas between them; none: it may do nothing', readScopes, scopesDefault)
    .option('--url <url>', 'as platform_migrator (or PLATFORM_MIGRATOR_URL); by default what npm start runs')
    .action(assignClient);
  app
    .command('events')
    .description('say of which events of other apps’ records the app is told from now on')
    .argument('<name>', 'the app')
    .argument('<types>', `with commas between them; none: of none. Known: ${grantableEvents.join(', ')}`, readEvents)
    .option('--amounts', 'they carry the amount and the currency of the deal', false)
    .option('--url <url>', 'as platform_migrator (or PLATFORM_MIGRATOR_URL); by default what npm start runs')
    .action(grantEvents);
  app
    .command('types')
    .description('the types of what an app may read and write, as TypeScript; its own login suffices')
    .argument('<name>', 'the app')
    .option('--url <url>', 'any login of the database (or PLATFORM_DB_URL, else PLATFORM_MIGRATOR_URL)')
    .option('--to <file>', 'write them there instead of printing them')
    .action((name, { url, to }) => writeTypes(name, typesUrl(url), to));
  return app;
}

async function add(name: string, options: Adding): Promise<void> {
  const plan = planApp(name);
  const owner = migratorUrl(options.url);
  const { url: administrator, setting } = findAdministrator(
    options.adminUrl,
    options.clearText,
    readRunning()?.PLATFORM_ADMIN_URL,
  );
  const { pathname } = new URL(owner);
  const addressOf = (login: string, password: string) =>
    urlFor(withoutAdministrator(administrator), login, password, pathname.slice(1));
  const known: KnownPasswords = options.to ? await readLoginsFile(options.to, addressOf(plan.login, '')) : {};
  await requireOwnSession(administrator, setting);
  const file = options.to ? writeLoginsFile(options.to) : undefined;
  const describe = (given: string) =>
    Object.entries({ ...known, [plan.login]: given })
      .map(([login, password]) => (password ? formatLine(login, addressOf(login, password)) : ''))
      .join('');
  const chosen = readOfLogin(plan.login, 'PASSWORD');
  const { isBack, password } = await addApp(driverOf(administrator), driverOf(owner), plan, {
    password: chosen || randomBytes(24).toString('base64url'),
    newPassword: options.newPassword || Boolean(chosen),
    connections: options.connections,
    clients: options.client ? [{ client: options.client, scopes: options.scopes }] : [],
    events: options.events && grantsOf(options.events, options.amounts),
    onPassword: async (given) => file?.prepare(describe(given)),
    onValid: async (given) => {
      if (file) await file.publish();
      else console.log(formatLine(plan.login, addressOf(plan.login, given)).trimEnd());
    },
    onProgress: (line) => console.error(line),
  }).catch((error) => {
    const left = file?.left();
    if (left === undefined) throw error;
    // The answer to the commit may be lost although it was one.
    throw new Error(
      `${error.message} The new password may be valid already: ${left} has it. Keep it until you know, and run it again.`,
      { cause: error },
    );
  });
  console.error(
    `${name} is ${isBack ? 'in service again' : 'there'}: the login ${plan.login} with the role ${plan.role}, the schema ${name} and the audience ${name}.`,
  );
  if (options.to && password)
    console.error(`${options.to} has its address; nobody else may read it, and there is no other copy.`);
  if (!password)
    console.error(
      `${plan.login} was there and kept the password that it has, which cannot be read. --new-password gives a new one.`,
    );
  console.error(
    options.client
      ? `The client ${options.client} is its machine, with the scopes ${options.scopes.join(', ')}: have them granted at the identity provider.`
      : `For HTTP, register it at the identity provider, and then: aether app client ${name} <its client id>.`,
  );
  if (options.types) await writeTypes(name, owner, options.types);
}

async function remove(name: string, options: Servers): Promise<void> {
  const owner = migratorUrl(options.url);
  const { url: administrator, setting } = findAdministrator(
    options.adminUrl,
    options.clearText,
    readRunning()?.PLATFORM_ADMIN_URL,
  );
  await requireOwnSession(administrator, setting);
  const { logins, subscriptions } = await retireApp(driverOf(administrator), driverOf(owner), name);
  console.log(
    `${name} is out of service: ${logins.length > 0 ? `${logins.join(', ')} ${logins.length === 1 ? 'is' : 'are'} gone` : 'it had no login'}, and its machines may do nothing. What it has written and published stays; \`aether app add ${name}\` brings it back.`,
  );
  for (const subscription of subscriptions)
    console.log(`Its subscription still holds the log: aether events remove ${subscription}`);
}

async function list({ url, json }: { url?: string; json?: boolean }): Promise<void> {
  const apps = await listApps(driverOf(migratorUrl(url)));
  if (json) {
    for (const app of apps) console.log(JSON.stringify({ ...app, is_house: houseApps.includes(app.name) }));
    return;
  }
  console.log(
    formatTable(
      ['app', 'login', 'audience', 'machines', 'events', 'subscriptions', 'since'],
      apps.map(({ name, logins, audience, clients, events, subscriptions, created_at }) => [
        name,
        logins.join(', ') || 'out of service',
        audience,
        clients.map(({ client, scopes }) => `${client} (${scopes.join(' ') || 'nothing'})`).join(', '),
        events.map(({ type, with_amounts }) => (with_amounts ? `${type} with amounts` : type)).join(', '),
        subscriptions.join(', '),
        created_at.toISOString().slice(0, 10),
      ]),
    ),
  );
}

async function assignClient(
  name: string,
  client: string,
  { url, scopes }: { url?: string; scopes: string[] },
): Promise<void> {
  await setClient(driverOf(migratorUrl(url)), name, client, scopes);
  console.log(`${client} is a machine of ${name}. It may do at most: ${scopes.join(', ') || 'nothing'}.`);
}

const grantsOf = (types: string[], with_amounts: boolean) => types.map((type) => ({ type, with_amounts }));

async function grantEvents(
  name: string,
  types: string[],
  { url, amounts }: { url?: string; amounts: boolean },
): Promise<void> {
  await setEvents(driverOf(migratorUrl(url)), name, grantsOf(types, amounts));
  const told = types.length === 0 ? 'nothing of deals' : `${types.join(', ')}${amounts ? ', with amounts' : ''}`;
  console.log(`${name} is told from now on: ${told}.`);
}

function typesUrl(given: string | undefined): string {
  const own = given || readVariable('PLATFORM_DB_URL');
  return own ? requireDatabaseUrl(given ? '--url' : 'PLATFORM_DB_URL', own) : migratorUrl(undefined);
}

async function writeTypes(name: string, url: string, to: string | undefined): Promise<void> {
  const { role } = planApp(name);
  const client = await openClient({ url, connectionTimeoutMillis: 10_000 });
  try {
    const text = await writeAppTypes(client, { role, schema: name }).catch((error) => {
      if (error.code !== '42704') throw error;
      throw new Error(`This server has no role ${role}: \`aether app add ${name}\` makes it.`, { cause: error });
    });
    if (!to) return console.log(text.trimEnd());
    await writeFile(to, text);
    console.error(`${to} has the types of what ${name} may read and write.`);
  } finally {
    await client.end();
  }
}

const allScopes: ReadonlySet<string> = new Set(
  [foundationScopes, supportScopes, consoleScopes].flatMap(({ scopes }) => Object.keys(scopes)),
);

function readScopes(text: string): string[] {
  const scopes = text === 'none' ? [] : text.split(',').map((scope) => scope.trim());
  const unknown = scopes.filter((scope) => !allScopes.has(scope));
  if (unknown.length > 0)
    throw new InvalidArgumentError(
      `no server knows ${unknown.join(', ')}. Known: ${[...allScopes].sort().join(', ')}.`,
    );
  return scopes;
}

function readEvents(text: string): string[] {
  const types = text === 'none' ? [] : text.split(',').map((type) => type.trim());
  const unknown = types.filter((type) => !grantableEvents.includes(type));
  if (unknown.length > 0)
    throw new InvalidArgumentError(
      `no app can be granted ${unknown.join(', ')}. Known: ${grantableEvents.join(', ')}.`,
    );
  return [...new Set(types)];
}

function readConnections(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 10_000)
    throw new InvalidArgumentError('must be a whole number from 1 to 10000.');
  return number;
}
