import { type Login, loginNames, migrate, removeLocal, startLocal, urlFor } from '@aether/database';
import { startFoundation } from '@aether/foundation';
import { createLog } from '@aether/http';
import { startSupport } from '@aether/support';
import { startSync } from '@aether/sync';
import { demoWidgetKey, loadDemoData } from './demo-data.ts';
import { step } from './progress.ts';
import { aetherFolder, readRunning, removeRunning, writeRunning } from './running.ts';

const database = 'platform';

/** `stop` only when the server is our own. */
type Platform = { urlOf(login: Login): string; stop?: () => Promise<void> };

/**
 * `npm start`: PostgreSQL, migrations, demo data, Foundation and Support, until Ctrl-C. With PLATFORM_DB_URL set, that
 * server is used instead of one of our own; its logins' passwords come from <LOGIN>_PASSWORD.
 *
 * @throws when something cannot start; what had started is stopped again.
 */
export async function start({ reset }: { reset: boolean }): Promise<void> {
  process.env.LOG_LEVEL ??= 'warn'; // the terminal is for what starts and stops
  const log = createLog('aether');
  const running = readRunning();
  if (running)
    throw new Error(`Aether runs already (process ${running.AETHER_PID}): stop it first, with Ctrl-C there.`);

  const stopping = stopSignal();
  const started: { name: string; stop(): Promise<void> }[] = [];
  const stopAll = async () => {
    for (const each of started.splice(0).reverse()) await step(`${each.name} stopped`, each.stop);
  };
  try {
    console.log('\nAether\n');
    const platform = process.env.PLATFORM_DB_URL
      ? hostedPlatform(process.env.PLATFORM_DB_URL)
      : await ownPlatform(reset);
    if (platform.stop) started.push({ name: 'PostgreSQL', stop: platform.stop });
    await step('migrations', async ({ doing, note }) => {
      const applied = await migrate(platform.urlOf('platform_migrator'), { onProgress: doing });
      note(applied.length === 0 ? 'up to date' : `${applied.length} applied`);
    });
    const worker = startSync({
      url: platform.urlOf('sync_app'),
      onError: (error) => log.error({ err: error }, 'sync'),
    });
    started.push({ name: 'Sync', stop: worker.close });
    if (platform.stop) {
      await step('demo data', async ({ note }) => {
        const loaded = await loadDemoData({
          foundationUrl: platform.urlOf('foundation_app'),
          supportUrl: platform.urlOf('support_app'),
        });
        note(loaded ? 'loaded' : 'there already');
      });
    }
    const variables = (login: Login) => ({
      ...process.env,
      DB_USER: undefined,
      DB_PASSWORD: undefined,
      DB_ROLE: undefined,
      PLATFORM_DB_URL: platform.urlOf(login),
    });
    const foundation = await step('Foundation', () => startFoundation({ variables: variables('foundation_app') }));
    started.push({ name: 'Foundation', stop: foundation.close });
    const support = await step('Support', () => startSupport({ variables: variables('support_app') }));
    started.push({ name: 'Support', stop: support.close });

    await writeRunning({
      FOUNDATION_URL: foundation.url,
      SUPPORT_URL: support.url,
      SUPPORT_WIDGET_KEY: demoWidgetKey,
      ...Object.fromEntries(loginNames.map((login) => [`${login.toUpperCase()}_URL`, platform.urlOf(login)])),
    });
    console.log(`
Ready in ${(performance.now() / 1000).toFixed(1)} s.

  Foundation   ${foundation.url}${takenNote(foundation.portTaken)}   its interface: ${foundation.url}/openapi.json
  Support      ${support.url}${takenNote(support.portTaken)}   its interface: ${support.url}/openapi.json
  PostgreSQL   ${new URL(platform.urlOf('foundation_app')).host}, database ${database}; connection strings: .aether/env

  Try it:      npx aether demo
  Staff endpoints answer on this machine only, until sign-in arrives.
  Ctrl-C stops everything; the data stays. npm start -- --reset starts over. LOG_LEVEL=info shows each request.
`);
    await stopping;
    console.log('');
  } finally {
    await removeRunning();
    await stopAll();
  }
}

async function ownPlatform(reset: boolean): Promise<Platform> {
  if (reset) await step('data removed', () => removeLocal(aetherFolder));
  const local = await step('PostgreSQL', async ({ doing, note }) => {
    const started = await startLocal({ folder: aetherFolder, database, onProgress: doing });
    note(`port ${started.server.port}${started.server.adopted ? ', was running still' : ''}`);
    return started;
  });
  return { urlOf: (login) => local.urlOf(login), stop: () => local.server.stop() };
}

function hostedPlatform(url: string): Platform {
  const missing = (['platform_migrator', 'foundation_app', 'support_app', 'sync_app'] as const).filter(
    (login) => !passwordOf(login),
  );
  if (missing.length > 0) {
    throw new Error(
      `PLATFORM_DB_URL is set, so that server is used; it also needs ${missing.map((login) => `${login.toUpperCase()}_PASSWORD`).join(', ')}, ` +
        'the passwords that `aether migrate bootstrap` gave its logins. Unset PLATFORM_DB_URL to run on a PostgreSQL of our own.',
    );
  }
  return { urlOf: (login) => urlFor(url, login, passwordOf(login) ?? '') };
}

function passwordOf(login: Login): string | undefined {
  return process.env[`${login.toUpperCase()}_PASSWORD`];
}

function takenNote(portTaken: number | undefined): string {
  return portTaken === undefined ? '' : ` (${portTaken} was taken)`;
}

/** Settles at the first Ctrl-C, SIGTERM or hang-up; one that follows later ends the process at once. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let askedAt: number | undefined;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        askedAt ??= performance.now();
        // npm passes on the Ctrl-C that the terminal has sent here already.
        if (performance.now() - askedAt > 1_000) process.exit(130);
        resolve();
      });
    }
  });
}
