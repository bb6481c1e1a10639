import {
  launcherVariables,
  listVariables,
  portNames,
  readConnections,
  readPort,
  readVariable,
} from '@aether/cli/environment';
import { readFileSettings } from '@aether/files/settings';
import { readLogLevel, readMetricsSettings, readServerSettings } from '@aether/http/settings';
import { readMailSettings } from '@aether/mail/settings';
import { readEnvironment } from '@aether/platform/environment';
import { readServiceBusSettings } from '@aether/servicebus/settings';
import { readSignInSettings } from '@aether/signin/settings';
import { readSupportSettings } from '@aether/support/settings';
import { readAlertSettings, readSyncSettings, readWebhookNetworks } from '@aether/sync/settings';
import { readSettings as readBillingSettings } from '../../../examples/billing/settings.ts';
import { code, paragraphs, plain, type ReferencePage, table } from './text.ts';

/*
 * The settings of each process, got by reading them: the functions that a process calls at its start are given environments here, and tell by what they
 * ask for, give back and refuse which settings there are.
 */

export type Variables = Record<string, string | undefined>;
type Read = (variables: Variables) => unknown;

export type Setting = {
  name: string;
  /** A value that is taken. */
  example: string;
  /** What the process has without it; undefined if there is no such value. */
  without: string | undefined;
  isRequired: boolean;
  /** What it says to values that it does not take. */
  refusals: string[];
};

export type Process = {
  name: string;
  words: string;
  read: Read;
  /** The least with which it starts. */
  least: Variables;
  /** Environments with everything that it knows; what excludes each other is in different ones. */
  whole: Variables[];
  /** What it says of some of them itself. */
  told?: { name: string; words: string; without?: string }[];
};

const database = {
  PLATFORM_DB_URL: 'postgresql://user@db.example.com:5432/platform',
  DB_USER: 'user',
  DB_PASSWORD: 'secret',
  DB_ROLE: 'support_role',
  PLATFORM_DB_POOLER: 'transaction',
  PLATFORM_DB_LISTEN_URL: 'postgresql://user@db.example.com:5433/platform',
  PLATFORM_DB_POOL_MAX: '20',
  PLATFORM_DB_QUERY_TIMEOUT_MS: '30000',
  PLATFORM_DB_CONNECT_TIMEOUT_MS: '3000',
  PLATFORM_DB_REPLICA_URL: 'postgresql://user@replica.example.com:5432/platform',
  PLATFORM_DB_REPLICA_AGE_MAX_MS: '2000',
};
/** Instead of DB_PASSWORD. */
const sources = [
  { DB_PASSWORD: undefined, DB_PASSWORD_FILE: '/run/secrets/db' },
  { DB_PASSWORD: undefined, DB_PASSWORD_COMMAND: 'get-password' },
  { DB_PASSWORD: undefined, DB_PASSWORD_MODULE: '/etc/aether/password.mjs' },
];
const metrics = {
  METRICS_PORT: '9400',
  METRICS_HOST: '127.0.0.1',
  METRICS_TOKEN: 'sixteen-characters',
  APPLICATIONINSIGHTS_CONNECTION_STRING: 'InstrumentationKey=…',
  TRACES_PERCENT: '10',
};
const signIn = {
  SIGNIN_ISSUER: 'https://login.example.com/v2.0',
  SIGNIN_CLIENT_ID: 'aether',
  SIGNIN_CLIENT_SECRET: 'secret',
  SIGNIN_AUDIENCE: 'api://aether',
  SIGNIN_ADMIN_ROLE: 'Admin',
  SIGNIN_READER_ROLE: 'Reader',
  SIGNIN_FIRST_ADMIN: '00000000-0000-0000-0000-000000000001',
  SIGNIN_SCOPE: 'use',
  SIGNIN_ALLOWED_DOMAINS: 'example.com',
  SIGNIN_ALLOWED_GROUPS: 'staff',
  SIGNIN_GROUPS_CLAIM: 'roles',
  SIGNIN_ALLOWED_TENANTS: '00000000-0000-0000-0000-000000000002',
  SIGNIN_IDLE_MINUTES: '60',
  SIGNIN_MAX_HOURS: '10',
};
const alerts = {
  ALERTS_WEBHOOK_URL: 'https://alerts.example.com/aether',
  ALERTS_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
  ALERTS_SMTP_URL: 'smtps://user:secret@mail.example.com',
  ALERTS_MAIL_FROM: 'aether@example.com',
  ALERTS_MAIL_TO: 'operators@example.com',
  CONSOLE_PUBLIC_URL: 'https://console.example.com',
};
const least = { PLATFORM_DB_URL: database.PLATFORM_DB_URL };

/** A server is a process of its own here. */
function server(
  app: 'foundation' | 'support' | 'console',
  own: { read: Read; whole: Variables; otherwise?: Variables },
): Process {
  const name = app.toUpperCase();
  const signedIn = { SIGNIN_ISSUER: signIn.SIGNIN_ISSUER, SIGNIN_CLIENT_ID: signIn.SIGNIN_CLIENT_ID };
  const whole = {
    ...database,
    ...metrics,
    ...signIn,
    [`PLATFORM_DB_SCHEMA_${name}`]: 'mine',
    PLATFORM_PHONE_COUNTRY: 'DE',
    LOG_LEVEL: 'warn',
    [`${name}_PORT`]: '8080',
    LISTEN_HOST: '0.0.0.0',
    FOUNDATION_PUBLIC_URL: 'https://crm.example.com',
    SUPPORT_PUBLIC_URL: 'https://support.example.com',
    CONSOLE_PUBLIC_URL: 'https://console.example.com',
    [`${name}_PROXY_HOPS`]: '1',
    STREAMS_MAX: '1000',
    STREAMS_PER_PERSON_MAX: '10',
    CLOSE_AFTER_MS: '10000',
    ...own.whole,
  };
  return {
    name: app.charAt(0).toUpperCase() + app.slice(1),
    words: `The server of ${app === 'console' ? 'the console' : app.charAt(0).toUpperCase() + app.slice(1)}, as a process of its own.`,
    read: (variables) => ({
      database: readEnvironment(app, variables),
      server: readServerSettings(app, variables, { ownProcess: true }),
      metrics: readMetricsSettings(variables),
      signIn: readSignInSettings(variables),
      log: readLogLevel(variables),
      own: own.read(variables),
    }),
    least: { ...least, ...signedIn },
    whole: [
      whole,
      { ...whole, [`${name}_PORT`]: undefined, PORT: '8080', [`${name}_PROXY_HOPS`]: undefined, PROXY_HOPS: '1' },
      ...sources.map((source) => ({ ...whole, ...source })),
      ...(own.otherwise ? [{ ...whole, ...own.otherwise }] : []),
    ],
  };
}

const files = {
  FILES_SIZE_MAX_MB: '25',
  FILES_TOTAL_MAX_MB: '100000',
  FILES_AZURE_ACCOUNT_URL: 'https://example.blob.core.windows.net',
  FILES_AZURE_CONTAINER: 'files-of-ours',
};
const mail = {
  MAIL_SMTP_URL: 'smtps://user:secret@mail.example.com',
  MAIL_FROM: 'support@example.com',
  MAIL_FROM_NAME: 'Example',
  MAIL_REPLY_TO: 'support+{token}@example.com',
  MAIL_IMAP_URL: 'imaps://user:secret@mail.example.com/INBOX',
  MAIL_INBOUND_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
  MAIL_WAIT_SECONDS: '300',
  MAIL_PER_HOUR_MAX: '50',
  MAIL_SIZE_MAX_MB: '5',
  MAIL_ATTACH_MAX_MB: '15',
  MAIL_OPENS_WIDGET: 'main-shop',
  MAIL_OPENED_PER_SENDER_MAX: '10',
  MAIL_OPENED_PER_HOUR_MAX: '500',
  MAIL_AUTHSERV_ID: 'mx.example.com',
  MAIL_HELD_DAYS: '14',
  MAIL_HELD_MAX_MB: '500',
};
const filesKey = {
  FILES_AZURE_ACCOUNT_URL: undefined,
  FILES_AZURE_CONNECTION_STRING: 'DefaultEndpointsProtocol=https;AccountName=example;AccountKey=…',
};

const bus = {
  SERVICEBUS_NAMESPACE: 'example.servicebus.windows.net',
  SERVICEBUS_CREDENTIAL: 'default',
  SERVICEBUS_CLIENT_ID: '00000000-0000-0000-0000-000000000003',
  SERVICEBUS_TOPIC: 'events',
  SERVICEBUS_TRANSPORT: 'websockets',
  SERVICEBUS_AUDIENCES: 'platform,billing',
  SERVICEBUS_ADMIN_URL: 'http://127.0.0.1:5300',
};
const key = {
  SERVICEBUS_NAMESPACE: undefined,
  SERVICEBUS_CREDENTIAL: undefined,
  SERVICEBUS_CLIENT_ID: undefined,
  SERVICEBUS_CONNECTION_STRING:
    'Endpoint=sb://example.servicebus.windows.net/;SharedAccessKeyName=aether;SharedAccessKey=…',
};
const worker = {
  ...database,
  ...metrics,
  ...alerts,
  ...bus,
  SYNC_KEEP_DAYS: '30',
  SYNC_PORT: '8081',
  LISTEN_HOST: '0.0.0.0',
  SYNC_WEBHOOK_NETWORKS: '10.20.0.0/16',
  PRIVACY_APP_URL: 'postgresql://privacy_app@db.example.com:5432/platform',
  LOG_LEVEL: 'warn',
};

export const processes: Process[] = [
  server('foundation', {
    read: (variables) => ({ files: readFileSettings(variables), mail: readMailSettings(variables) }),
    whole: { ...files, ...mail },
    otherwise: filesKey,
  }),
  server('support', {
    read: (variables) => ({
      ...readSupportSettings(variables, readServerSettings('support', variables, { ownProcess: true }).publicUrl),
      context: [variables.FOUNDATION_API_URL, variables.FOUNDATION_API_SCOPE],
      files: readFileSettings(variables),
      mail: readMailSettings(variables),
    }),
    otherwise: filesKey,
    whole: {
      ...files,
      ...mail,
      SUPPORT_RATE_FACTOR: '2',
      SUPPORT_VISITOR_STREAMS_MAX: '2000',
      FOUNDATION_API_URL: 'https://crm.example.com',
      FOUNDATION_API_SCOPE: 'api://foundation/.default',
    },
  }),
  server('console', {
    read: (variables) => ({
      alerts: readAlertSettings(variables),
      networks: readWebhookNetworks(variables),
      logins: [variables.SIMULATOR_DB_URL, variables.PRIVACY_APP_URL],
    }),
    whole: {
      ...alerts,
      SYNC_WEBHOOK_NETWORKS: worker.SYNC_WEBHOOK_NETWORKS,
      PRIVACY_APP_URL: worker.PRIVACY_APP_URL,
      SIMULATOR_DB_URL: 'postgresql://simulator_app@db.example.com:5432/platform',
    },
  }),
  {
    name: 'The worker',
    words: 'It numbers events, delivers webhooks, tells alerts, runs imports and keeps what is kept for so long.',
    read: (variables) => ({
      worker: readSyncSettings(variables, { ownProcess: true }),
      alerts: readAlertSettings(variables),
      bus: readServiceBusSettings(variables),
      networks: readWebhookNetworks(variables),
      metrics: readMetricsSettings(variables),
      log: readLogLevel(variables),
      logins: [variables.PRIVACY_APP_URL],
    }),
    least,
    whole: [
      worker,
      { ...worker, ...key },
      { ...worker, SYNC_PORT: undefined, PORT: '8081' },
      ...sources.map((source) => ({ ...worker, ...source })),
    ],
  },
];

/** The command itself: what it reads and hands on. What it says of its own variables is in its own list. */
const command: Variables = {
  ...bus,
  ...files,
  SYNC_WEBHOOK_NETWORKS: worker.SYNC_WEBHOOK_NETWORKS,
  PLATFORM_PHONE_COUNTRY: 'DE',
  ...Object.fromEntries(listVariables().map(({ name, example }) => [name, example])),
};
processes.push(
  {
    name: 'The command',
    words:
      'What `aether` itself reads. `aether start` reads the settings of the servers and of the worker too, which it starts. An option of the command goes before its variable.',
    read: (variables) => ({
      bus: readServiceBusSettings(variables),
      files: readFileSettings(variables),
      networks: readWebhookNetworks(variables),
      country: variables.PLATFORM_PHONE_COUNTRY,
      ports: portNames.map((name) => readPort(name, undefined, variables)),
      connections: readConnections(variables),
      own: listVariables().map(({ name }) => readVariable(name as Parameters<typeof readVariable>[0], variables)),
    }),
    least: {},
    whole: [command, { ...command, ...key }, { ...command, ...filesKey }],
    told: listVariables(),
  },
  {
    name: 'The launcher',
    words:
      '`npm start`, `npx aether` and every `npm run`: what finds the pinned Node and missing packages reads this first.',
    read: (variables) => launcherVariables.map(({ name }) => variables[name]),
    least: {},
    whole: [Object.fromEntries(launcherVariables.map(({ name, example }) => [name, example]))],
    told: launcherVariables,
  },
);
const billing = {
  BILLING_DB_URL: 'postgresql://billing@billing-db.example.com/billing',
  BILLING_PLATFORM_URL: 'https://crm.example.com',
  BILLING_ISSUER: 'https://login.example.com/v2.0',
  BILLING_CLIENT_SECRET: 'secret',
};
const billingWhole = {
  ...bus,
  ...billing,
  BILLING_CLIENT_ID: 'billing-machine',
  BILLING_SCOPE: 'api://foundation/.default',
  BILLING_SUBSCRIPTION: 'billing-two',
  BILLING_BUS_KEEPS_DAYS: '6',
  BILLING_PORT: '8082',
};
processes.push({
  name: 'Billing, the example',
  words: 'A third app, `examples/billing`: an app of yours reads settings of its own, and those of the bus as here.',
  read: (variables) => ({ ...readBillingSettings(variables), bus: readServiceBusSettings(variables) }),
  least: billing,
  whole: [billingWhole, { ...billingWhole, ...key }],
});

/** What somebody might write by mistake. */
const mistakes = ['', 'x', '-1', '1.5', '99999999999', 'http://example.com', 'ftp://example.com/x?y'];

/** All settings of a process. @throws what it refuses of its own examples */
export function readProcess({ read, least, whole }: Process): Setting[] {
  const withLeast = leavesOf(read(least));
  const settings = new Map<string, Setting>();
  for (const variables of whole) {
    for (const name of askedFor(read, variables)) {
      const example = variables[name];
      if (example === undefined || settings.has(name)) continue;
      settings.set(name, {
        name,
        example,
        without: withoutIt(read, { least, name, example, withLeast }),
        isRequired: name in least && refusalOf(read, { ...least, [name]: undefined }) !== undefined,
        refusals: [
          ...new Set(mistakes.flatMap((mistake) => refusalOf(read, { ...variables, [name]: mistake }) ?? [])),
        ].filter((words) => words.includes(name)),
      });
    }
  }
  return [...settings.values()];
}

function askedFor(read: Read, variables: Variables): Set<string> {
  const asked = new Set<string>();
  read(
    new Proxy(variables, {
      get(target, name) {
        if (typeof name === 'string') asked.add(name);
        return target[name as string];
      },
    }),
  );
  return asked;
}

/** What there is instead of what the example changes, if the example alone is taken. */
function withoutIt(
  read: Read,
  {
    least,
    name,
    example,
    withLeast,
  }: { least: Variables; name: string; example: string; withLeast: Map<string, string> },
): string | undefined {
  if (refusalOf(read, { ...least, [name]: example }) !== undefined) return undefined;
  const changed = [...leavesOf(read({ ...least, [name]: example }))].filter(
    ([path, value]) => withLeast.get(path) !== value && withLeast.has(path),
  );
  // One setting may change several values: its own is the one that became what was given.
  const own = changed.find(([, value]) => value === example) ?? (changed.length === 1 ? changed[0] : undefined);
  return (own && inUnitOf(example, own[1], withLeast.get(own[0]))) || undefined;
}

/** What is read in megabytes may be kept in bytes: the value without it is said in the unit of the setting. Pure. */
function inUnitOf(given: string, kept: string, without: string | undefined): string | undefined {
  const [times, number] = [Number(kept) / Number(given), Number(without)];
  const isScaled = Number.isFinite(times) && times !== 0 && times !== 1 && Number.isFinite(number);
  return isScaled && without ? String(number / times) : without;
}

function refusalOf(read: Read, variables: Variables): string | undefined {
  try {
    read(variables);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The values of what was read, by their paths. */
function leavesOf(value: unknown, path = ''): Map<string, string> {
  if (value === null || typeof value !== 'object' || value instanceof URL || Buffer.isBuffer(value))
    return new Map([[path, value === undefined ? '' : String(value)]]);
  return new Map(Object.entries(value).flatMap(([name, each]) => [...leavesOf(each, `${path}.${name}`)]));
}

/** Pure. */
export function describeSettings(): ReferencePage {
  return {
    path: 'reference/settings.md',
    text: paragraphs(
      '# Settings of each process',
      'Environment variables. These tables come from the functions that a process reads its settings with: what they ask for, what they give without it, and what they say to a value that they do not take. [Configuration](../docs/configuration.md), [sign-in](../docs/signin.md) and [metrics](../docs/metrics.md) say what each is for.',
      ...processes.flatMap((process) => [
        `## ${process.name}`,
        process.words,
        table(
          ['variable', 'meaning', 'such as', 'without it', 'refused'],
          readProcess(process).map(({ name, example, without, isRequired, refusals }) => [
            code(name),
            process.told?.find((each) => each.name === name)?.words ?? '',
            code(example),
            isRequired ? '**refused**' : (toldWithout(process, name) ?? describeWithout(process, without)),
            refusals.slice(0, 2).map(plain).join(' · '),
          ]),
        ),
      ]),
    ),
  };
}

const toldWithout = ({ told }: Process, name: string): string | undefined =>
  told?.find((each) => each.name === name)?.without;

/** A value that comes from another setting is named by it: the reader's is not that of the example. */
function describeWithout({ least }: Process, without: string | undefined): string {
  const [source] = Object.entries(least).find(([, value]) => value === without) ?? [];
  if (without === undefined) return '';
  return source ? `that of ${code(source)}` : code(without);
}
