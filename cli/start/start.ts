import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import {
  type Login,
  loginNames,
  MigrationHistoryError,
  migrate,
  removeLocal,
  startLocal,
  urlFor,
} from '@aether/database';
import { driverOf } from '@aether/platform/log';
import { requireDatabaseUrl } from '../databaseurl.ts';
import {
  keepFromOthers,
  portNames,
  readOfLogin,
  readPort,
  readVariable,
  setDefaultOf,
  variableOf,
} from '../environment.ts';
import { mallocOfStart } from '../launch.mjs';
import { billingFolder, stopLeftover } from './billing.ts';
import type { Bus } from './bus.ts';
import { step } from './progress.ts';
import { aetherFolder, claimFolder, envFile, removeRunning, writeRunning } from './running.ts';
import type { Servers } from './servers.ts';
import { listenForStop } from './stopsignal.ts';
import { prepareWeb } from './web.ts';

const ownDatabase = 'platform';
const webFolders = ['foundation', 'support', 'sync'].map((app) => join(import.meta.dirname, '..', '..', app, 'web'));

/** `stop` is there only if the server is our own; `cut` stops it without a checkpoint. */
type Platform = {
  urlOf(login: Login): string;
  logins: readonly Login[];
  /** The server's administrator, of a server of our own. */
  adminUrl?: string;
  stop?: () => Promise<void>;
  cut?: () => Promise<void>;
};

/**
 * `npm start`: starts PostgreSQL, migrates it, and runs the servers until Ctrl-C. If PLATFORM_DB_URL is set, that
 * server is used instead of our own; the passwords of its logins come from <LOGIN>_PASSWORD.
 *
 * @param options.withBus a Service Bus, the relay, and examples/billing on a PostgreSQL of its own run too.
 * @throws if a part cannot start. The parts that had started are stopped again.
 */
export async function start({ reset, withBus = false }: { reset: boolean; withBus?: boolean }): Promise<void> {
  setDefaultOf('LOG_LEVEL', 'warn'); // the terminal shows starts and stops only
  // PostgreSQL would take a third longer to group rows and to put long texts together: it would give their memory back each time.
  keepFromOthers(mallocOfStart);
  const hosted = readVariable('PLATFORM_DB_URL');
  if (hosted && reset)
    throw new Error('--reset removes the data of our own PostgreSQL only, and PLATFORM_DB_URL names another one.');
  if (readVariable('npm_config_reset'))
    throw new Error('npm took --reset for itself. To start over: npm start -- --reset (with -- before it).');
  requirePorts();
  const release = claimFolder();
  const started: { name: string; stop(): Promise<void> }[] = [];
  const cuts: (() => Promise<void>)[] = [];
  let platform: Platform | undefined;
  const stop = listenForStop(async () => {
    console.log('Cut short: open requests are dropped.');
    await Promise.all([platform?.cut?.(), ...cuts.map((cut) => cut())]);
  });
  const givenUp = new AbortController();
  stop.asked.then(() => givenUp.abort());
  const web = prepareWeb(webFolders, givenUp.signal); // in parallel, because it takes longest and needs no other part
  web.catch(() => {}); // the await further down reports it
  try {
    console.log('\nAether\n');
    if (reset)
      await step('data removed', async () => {
        await removeLocal(aetherFolder());
        await removeLocal(billingFolder());
      });
    else if (!withBus) await stopLeftover();
    // This must not be interrupted: every server that starts here must be recorded, so that it is stopped.
    const used = hosted ? hostedPlatform(hosted) : await ownPlatform(loadServers);
    platform = used;
    if (used.stop) started.push({ name: 'PostgreSQL', stop: used.stop });
    await stop.orAfter(
      step('migrations', async ({ doing, note }) => {
        // What a migration locked is for a server that others use.
        const onProgress = (line: string) => doing(line.replace(/, locked .*/s, ''));
        const applied = await migrate(driverOf(used.urlOf('platform_migrator')), { onProgress }).catch((error) => {
          if (hosted || !(error instanceof MigrationHistoryError)) throw error;
          throw new Error(
            'The data in .aether was made by another version, and does not fit this one. To start over without it: npm start -- --reset. ' +
              `(${error.message})`,
            { cause: error },
          );
        });
        note(applied.length === 0 ? 'up to date' : `${applied.length} applied`);
      }),
    );
    const { startServers } = await loadServers();
    const servers = await startServers({
      urlOf: used.urlOf,
      withDemo: used.stop !== undefined,
      withBus,
      web,
      stop,
      onStarted(name, stop, cut) {
        started.push({ name, stop });
        if (cut) cuts.push(cut);
      },
    });
    await writeRunning(describeRunning(used, servers));
    const building = step('web apps', ({ note }) => web.then(note));
    building.catch(() => {}); // awaited below
    const isBuilt = await Promise.race([building.then(() => true), setImmediate(false)]);
    printReady(used, servers, isBuilt);
    (await import('@aether/http')).giveBackMemory();
    await stop.orAfter(building);
    await stop.asked;
  } catch (error) {
    if (!stop.isAsked()) throw error;
  } finally {
    givenUp.abort();
    if (stop.isAsked()) console.log('\nStopping.');
    for (const each of started.reverse()) await step(`${each.name} stopped`, each.stop);
    await removeRunning();
    release();
    stop.end();
  }
}

let loading: Promise<typeof import('./servers.ts')> | undefined;

/** Loads the servers' modules, which takes a second, while this process waits for PostgreSQL anyway. */
function loadServers(): Promise<typeof import('./servers.ts')> {
  if (!loading) {
    loading = import('./servers.ts');
    loading.catch(() => {}); // the await further down reports it
  }
  return loading;
}

/** The settings that .aether/env lists. */
function describeRunning(
  { logins, urlOf, adminUrl }: Platform,
  { foundation, support, console, identity, catcher, shop, bus, billing, webhookNetworks }: Servers,
): Record<string, string> {
  return {
    FOUNDATION_URL: foundation.url,
    SUPPORT_URL: support.url,
    CONSOLE_URL: console.url,
    ...(shop && { SUPPORT_WIDGET_KEY: shop.widgetKey, DEMO_SHOP_URL: shop.url }),
    ...(identity && { IDENTITY_URL: identity.issuer }),
    ...(catcher && { MAIL_CATCHER_URL: catcher.url }),
    ...bus?.variables,
    SYNC_WEBHOOK_NETWORKS: webhookNetworks,
    ...(billing && { BILLING_URL: billing.url, BILLING_DB_URL: billing.databaseUrl }),
    ...Object.fromEntries(logins.map((login) => [variableOf(login, 'URL'), urlOf(login)])),
    ...(adminUrl && { PLATFORM_ADMIN_URL: adminUrl }),
  };
}

function printReady({ urlOf }: Platform, servers: Servers, isBuilt: boolean): void {
  const { foundation, support, identity, catcher, shop, bus, billing } = servers;
  const { host, pathname } = new URL(urlOf('foundation_app'));
  const others = [
    shop && `  Demo shop    ${shop.url}${takenNote(shop.portTaken)}   the chat widget on a page of its own\n`,
    catcher &&
      `  Mails        ${catcher.url}${takenNote(catcher.portTaken)}   every e-mail of the apps, which can be answered\n`,
    billing && `  Billing      ${billing.url}   a third app, which follows the customers over Service Bus\n`,
    bus && `  Service Bus  ${busPlace(bus)}\n`,
  ]
    .filter((line) => line !== undefined)
    .join('');
  const signIn = identity
    ? `${identity.issuer}${takenNote(identity.portTaken)}   no passwords: choose who you are; npx aether token --as maya for scripts`
    : readVariable('SIGNIN_ISSUER');
  console.log(`
Ready in ${(performance.now() / 1000).toFixed(1)} s.

  Foundation   ${foundation.url}${takenNote(foundation.portTaken)}   its interface: ${foundation.url}/openapi.json
  Support      ${support.url}${takenNote(support.portTaken)}   its interface: ${support.url}/openapi.json
  Console      ${servers.console.url}${takenNote(servers.console.portTaken)}   its interface: ${servers.console.url}/openapi.json
${others}  PostgreSQL   ${host}, database ${pathname.slice(1)}; connection strings: ${envFile()}

  Sign-in      ${signIn}

  Try it:      open ${foundation.url}, ${support.url} and ${servers.console.url}${shop ? ', or npx aether demo' : ''}${billing ? ' --bus' : ''}
${isBuilt ? '' : '  The web apps are being built: a page that is opened now comes when they are.\n'}  Ctrl-C stops everything; the data stays.${shop ? ' npm start -- --reset starts over.' : ''} LOG_LEVEL=info shows each request.
`);
}

const busPlace = ({ variables, isStandIn }: Bus): string =>
  isStandIn
    ? `${/^Endpoint=sb:\/\/([^;/]+)/.exec(variables.SERVICEBUS_CONNECTION_STRING ?? '')?.[1]}   a stand-in, in memory; npx aether servicebus status`
    : 'the namespace of SERVICEBUS_…   npx aether servicebus status';

async function ownPlatform(onRunning: () => void): Promise<Platform> {
  const local = await step('PostgreSQL', async ({ doing, note }) => {
    const started = await startLocal({ folder: aetherFolder(), database: ownDatabase, onProgress: doing, onRunning });
    note(`port ${started.server.port}${started.server.adopted ? ', was running still' : ''}`);
    if (!started.server.folder.startsWith(await realpath(aetherFolder()))) note(`data in ${started.server.folder}`);
    return started;
  });
  return {
    urlOf: (login) => local.urlOf(login),
    logins: loginNames,
    adminUrl: local.adminUrl,
    stop: () => local.server.stop(),
    cut: () => local.server.stop('immediate'),
  };
}

function hostedPlatform(given: string): Platform {
  const url = requireDatabaseUrl('PLATFORM_DB_URL', given);
  const needed = ['platform_migrator', 'foundation_app', 'support_app', 'console_app', 'sync_app'] as const;
  const missing = needed.filter((login) => !passwordOf(login));
  if (missing.length > 0) {
    throw new Error(
      `PLATFORM_DB_URL is set, so that server is used; it also needs ${missing.map((login) => variableOf(login, 'PASSWORD')).join(', ')}, ` +
        'the passwords that `aether migrate bootstrap` gave its logins. Unset PLATFORM_DB_URL to run on a PostgreSQL of our own.',
    );
  }
  return { urlOf: (login) => urlFor(url, login, passwordOf(login) ?? ''), logins: needed };
}

/** Checks the settings before anything is started, so that a typing mistake does not cost ten seconds. */
function requirePorts(): void {
  for (const name of portNames) readPort(name);
}

function passwordOf(login: Login): string | undefined {
  return readOfLogin(login, 'PASSWORD');
}

function takenNote(portTaken: number | undefined): string {
  return portTaken === undefined ? '' : ` (${portTaken} was taken)`;
}
