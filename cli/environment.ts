import { type Login, loginNames } from '@aether/database';

/*
 * The environment variables that the command reads for itself, so that there is one place for them and the reference can list them
 * (deploy/site/reference/settings.ts). What a server, the bus, files and webhooks need is read by their own rooms, which the command gives its whole
 * environment; the launcher before it, which runs on any Node and without packages, has its own two.
 */

export type Variables = Record<string, string | undefined>;

type Described = {
  words: string;
  example: string;
  /** What there is without it. */
  without?: string;
};

const ports = {
  FOUNDATION_PORT: ['Foundation', 4100],
  SUPPORT_PORT: ['Support', 4200],
  CONSOLE_PORT: ['the console', 4300],
  IDENTITY_PORT: ['the local identity provider', 4400],
  DEMO_SHOP_PORT: ['the demo shop', 4500],
  MAIL_CATCHER_PORT: ['the mail catcher', 4600],
  BILLING_PORT: ['billing, with --with-bus,', 4600],
} as const;

export type Port = keyof typeof ports;
export const portNames = Object.keys(ports) as Port[];

const own = {
  AETHER_ACTOR: {
    words: 'who uses the command, in the records of what was done: the same as --actor',
    example: 'ops@example.com',
    without: 'the name of this machine’s user',
  },
  AETHER_HOME: {
    words: 'the folder in which `aether start` keeps data, passwords and the description of what runs',
    example: '/var/lib/aether',
    without: '.aether of the repository',
  },
  LOG_LEVEL: {
    words: 'with `debug` a refused command also prints where it failed; for `aether start` what its servers log',
    example: 'debug',
    without: 'warn for `aether start`',
  },
  PLATFORM_DB_URL: {
    words: '`aether start`: use this server instead of a PostgreSQL of its own. `aether app types`: as whom it looks',
    example: 'postgresql://db.example.com:5432/platform',
    without: 'a PostgreSQL of its own',
  },
  PLATFORM_ADMIN_URL: {
    words: '`aether migrate bootstrap`, `aether app`: the server’s administrator, a login with CREATEROLE and CREATEDB',
    example: 'postgresql://admin@db.example.com:5432/postgres',
    without: '`aether app`: that of `aether start`',
  },
  SIGNIN_ISSUER: {
    words: '`aether start`: this identity provider signs people in, and the local one is not started',
    example: 'https://login.example.com/v2.0',
    without: 'the local one',
  },
  MAIL_SMTP_URL: {
    words: '`aether start`: mails go to this server, and the mail catcher is not started',
    example: 'smtps://user:secret@mail.example.com',
    without: 'the mail catcher',
  },
  npm_config_reset: {
    words: '`npm start`: npm sets it for a --reset that it took for itself, which is refused',
    example: 'true',
  },
} as const satisfies Record<string, Described>;

/** What of a login: its address, the password that it gets or has, and how many connections it may have. */
type OfLogin = 'URL' | 'PASSWORD' | 'CONNECTIONS';

/** <LOGIN>_URL and the like. Pure. */
export const variableOf = (login: string, what: OfLogin): string => `${login.toUpperCase()}_${what}`;

/** The value of a variable that the command reads for itself. */
export const readVariable = (name: keyof typeof own, variables: Variables = process.env): string | undefined =>
  variables[name];

/** What this process and those that it starts have, if nobody has set the variable. */
export function setDefaultOf(name: keyof typeof own, value: string): void {
  process.env[name] ??= value;
}

/** Takes away what this process has read when it began, so that those that it starts do not get it. A value that somebody else has set stays. */
export function keepFromOthers(settings: Record<string, string>): void {
  for (const [name, value] of Object.entries(settings)) if (process.env[name] === value) delete process.env[name];
}

/** The value of a login's variable. @param login also one of an app that was added */
export const readOfLogin = (login: string, what: OfLogin, variables: Variables = process.env): string | undefined =>
  variables[variableOf(login, what)];

/** The port of a part of `aether start`. @throws if it is not a port number */
export function readPort(name: Port, fallback: number = ports[name][1], variables: Variables = process.env): number {
  const port = Number(variables[name] || fallback);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`${name} must be a port number from 0 to 65535.`);
  return port;
}

/** <LOGIN>_CONNECTIONS: how many connections a login may have at once. @throws Error naming the variable */
export function readConnections(variables: Variables = process.env): Partial<Record<Login, number>> {
  const given = loginNames.flatMap((login) => {
    const limit = readOfLogin(login, 'CONNECTIONS', variables);
    if (!limit) return [];
    const number = Number(limit);
    if (Number.isInteger(number) && number >= 1 && number <= 10_000) return [[login, number]];
    throw new Error(`${variableOf(login, 'CONNECTIONS')} must be a whole number from 1 to 10000.`);
  });
  return Object.fromEntries(given);
}

/** All of them, for people. Pure. */
export function listVariables(): (Described & { name: string })[] {
  const ofPorts = Object.entries(ports).map(([name, [what, port]]) => ({
    name,
    words: `\`aether start\`: where ${what} listens`,
    example: '8080',
    without: `${port}, or the next free one`,
  }));
  const ofLogins = loginNames.flatMap((login) => [
    {
      name: variableOf(login, 'URL'),
      words: `as ${login}: \`aether doctor\`${otherReaders[login] ?? ''}`,
      example: `postgresql://${login}:secret@db.example.com:5432/platform`,
      without: 'what `aether start` runs',
    },
    {
      name: variableOf(login, 'PASSWORD'),
      words: `the password that \`aether migrate bootstrap\` gives ${login}; for \`aether start\` on the server of PLATFORM_DB_URL the one that it has`,
      example: 'secret',
      without: 'a random one',
    },
    {
      name: variableOf(login, 'CONNECTIONS'),
      words: `\`aether migrate bootstrap\`: how many connections ${login} may have at once`,
      example: '200',
    },
  ]);
  return [...Object.entries(own).map(([name, described]) => ({ name, ...described })), ...ofPorts, ...ofLogins];
}

const otherReaders: Partial<Record<Login, string>> = {
  platform_migrator: ', `aether migrate` and `aether app`',
  privacy_app: ' and `aether privacy`',
  sync_app: ' and every command that asks the database: events, alerts, health, import, merge, servicebus, webhook',
};

/** What cli/launch.mjs and what it imports read. */
export const launcherVariables: (Described & { name: string })[] = [
  {
    name: 'NODE_COMPILE_CACHE',
    words: 'where Node keeps compiled modules',
    example: '/var/cache/node',
    without: 'node_modules/.cache/node',
  },
  { name: 'PATH', words: 'the pinned Node and the packages’ commands are put before it', example: '/usr/bin' },
  {
    name: 'npm_command',
    words: 'set by npm: then the command ends when npm does; a service of its own outlives its parent',
    example: 'run',
  },
  {
    name: 'npm_execpath',
    words: 'set by npm: the npm that installs missing packages',
    example: '/usr/lib/node_modules/npm/bin/npm-cli.js',
    without: 'npm of the PATH',
  },
];
