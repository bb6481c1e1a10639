import type { Login } from '@aether/database';
import { startFoundation } from '@aether/foundation';
import { createLog, type Served, type ServerOptions } from '@aether/http';
import { type LocalProvider, startLocalProvider } from '@aether/identity';
import { type MailCatcher, startMailCatcher } from '@aether/mail/catcher';
import { connectPlatform } from '@aether/platform';
import { startSupport } from '@aether/support';
import { startSync } from '@aether/sync';
import { startConsole } from '@aether/sync/console';
import { apps } from '../apps.ts';
import { loadDemoData, personas } from '../demo/data.ts';
import { startDemoShop } from '../demo/shop/server.ts';
import { demoWidgetKey, readDemoSecret } from '../demo/support.ts';
import { readPort, readVariable } from '../environment.ts';
import type { Billing, OnStarted } from './billing.ts';
import type { Bus } from './bus.ts';
import { step } from './progress.ts';
import { aetherFolder } from './running.ts';
import type { StopSignal } from './stopsignal.ts';

type AppName = 'foundation' | 'support' | 'console';

export type Servers = {
  foundation: Served;
  support: Served;
  console: Served;
  /** Undefined if SIGNIN_ISSUER names another provider. */
  identity?: LocalProvider;
  shop?: Served & { widgetKey: string };
  /** Undefined if MAIL_SMTP_URL names a mail server. */
  catcher?: MailCatcher;
  /** With --with-bus. */
  bus?: Bus;
  billing?: Billing;
  /** Where receivers of webhooks may be, as the worker and the console read it. */
  webhookNetworks: string;
};

/**
 * Starts everything that needs a migrated database: the demo's data (once), the sync worker, an identity provider,
 * Foundation, Support and the console at once, and the demo shop, in this order. It is not in start.ts, because its imports take a second of one
 * core, which PostgreSQL needs at that time.
 *
 * @param options.withDemo whether the database is our own and gets the demo's data.
 * @param options.withBus whether a Service Bus, the relay and billing run too.
 * @param options.web settles when the web apps are built. Their pages wait for that.
 * @param options.onStarted is called as soon as a server runs, so that it is stopped if the next one fails; `cut` ends it at once.
 */
export async function startServers(options: {
  urlOf(login: Login): string;
  withDemo: boolean;
  withBus: boolean;
  web: Promise<unknown>;
  stop: StopSignal;
  onStarted: OnStarted;
}): Promise<Servers> {
  const { urlOf, withDemo, withBus, web, stop, onStarted } = options;
  const log = createLog('aether');
  if (withDemo) await stop.orAfter(step('demo data', ({ note }) => fillDemo(urlOf).then(note)));
  // A receiver of webhooks may be on this machine.
  const ofServers = { SYNC_WEBHOOK_NETWORKS: '127.0.0.0/8,::1/128', ...process.env };
  const loginOf = (login: Login) => ({
    ...ofServers,
    DB_USER: undefined,
    DB_PASSWORD: undefined,
    DB_ROLE: undefined,
    PLATFORM_DB_URL: urlOf(login),
  });
  // The SDK takes a second to load, so that only a start that asks for it does.
  const bus = withBus
    ? await step('Service Bus', async ({ note }) => noted(await (await import('./bus.ts')).startBus(), note))
    : undefined;
  if (bus) onStarted('Service Bus', bus.stop);
  const { SIMULATOR_DB_URL, PRIVACY_APP_URL } = otherLogins(urlOf);
  const worker = await startSync({ variables: { ...loginOf('sync_app'), PRIVACY_APP_URL, ...bus?.variables }, log });
  onStarted('Sync', worker.close);
  const identity = readVariable('SIGNIN_ISSUER') ? undefined : await step('identity provider', startIdentity);
  if (identity) onStarted('Identity provider', identity.close);

  /** For links from one app to another: known when all three run. */
  const neighbours: { foundation?: string; support?: string; console?: string } = {};
  const catcher = readVariable('MAIL_SMTP_URL')
    ? undefined
    : await step('mail catcher', () =>
        startMailCatcher({
          port: readPort('MAIL_CATCHER_PORT'),
          log,
          inboundUrls: () => [neighbours.support, neighbours.foundation].filter((url) => url !== undefined),
        }),
      );
  if (catcher) onStarted('Mail catcher', catcher.close);

  const variablesOf = (app: AppName) => ({
    ...loginOf(`${app}_app`),
    ...catcher?.variables,
    ...(catcher && withDemo && app === 'support' && { MAIL_OPENS_WIDGET: demoWidgetKey }),
    ...identity?.settingsOf(app),
  });
  const startApp = async (name: string, app: AppName, start: (options: ServerOptions) => Promise<Served>) => {
    const served = await step(name, () =>
      start({ variables: variablesOf(app), webBuilt: web, neighbours: () => neighbours }),
    );
    neighbours[app] = served.url;
    onStarted(name, served.close);
    return served;
  };
  // At once, because a server that starts waits for its connections most of the time.
  const [foundation, support, console] = await allOf([
    startApp('Foundation', 'foundation', startFoundation),
    startApp('Support', 'support', startSupport),
    startApp('Console', 'console', ({ variables, ...rest }) =>
      startConsole({ variables: { ...variables, SIMULATOR_DB_URL, PRIVACY_APP_URL }, ...rest }),
    ),
  ]);
  const billing =
    bus &&
    (await step('billing', async ({ doing }) => {
      const { startBilling } = await import('./billing.ts');
      const platform = billingSettings(identity, foundation.url);
      const variables = { ...bus.variables, ...platform, ...(bus.isStandIn && { BILLING_BUS_KEEPS_DAYS: '0' }) };
      return startBilling(variables, doing, onStarted);
    }));
  const started = {
    webhookNetworks: ofServers.SYNC_WEBHOOK_NETWORKS,
    foundation,
    support,
    console,
    identity,
    ...(catcher && { catcher }),
    ...(bus && { bus }),
    ...(billing && { billing }),
  };
  if (!withDemo) return started;

  const shop = await step('demo shop', async () => {
    const secret = await readWidgetSecret(urlOf('support_app'));
    const port = readPort('DEMO_SHOP_PORT');
    return startDemoShop({ supportUrl: support.url, widgetKey: demoWidgetKey, secret, port, log });
  });
  onStarted('Demo shop', shop.close);
  return { ...started, shop: { ...shop, widgetKey: demoWidgetKey } };
}

function noted(bus: Bus, note: (what: string) => void): Bus {
  note(bus.isStandIn ? 'the stand-in, in memory' : 'the namespace of SERVICEBUS_…');
  return bus;
}

/** How billing signs in at Foundation. With another provider the settings BILLING_… of the environment say it. */
function billingSettings(identity: LocalProvider | undefined, foundationUrl: string): Record<string, string> {
  if (!identity) return { BILLING_PLATFORM_URL: foundationUrl };
  const { SIGNIN_CLIENT_ID = '', SIGNIN_CLIENT_SECRET = '' } = identity.settingsOf('billing');
  return {
    BILLING_PLATFORM_URL: foundationUrl,
    BILLING_ISSUER: identity.issuer,
    BILLING_CLIENT_ID: SIGNIN_CLIENT_ID,
    BILLING_CLIENT_SECRET: SIGNIN_CLIENT_SECRET,
  };
}

/** On a server that is not our own, a login may have no password here: then the console and the worker do without it, and say so. */
function otherLogins(urlOf: (login: Login) => string): Record<string, string | undefined> {
  const urls = { SIMULATOR_DB_URL: urlOf('simulator_app'), PRIVACY_APP_URL: urlOf('privacy_app') };
  return Object.fromEntries(Object.entries(urls).filter(([, url]) => new URL(url).password !== ''));
}

/** The results, when all have ended: what still starts would not be stopped. @throws the first failure */
async function allOf<Results extends readonly unknown[]>(
  work: { [Index in keyof Results]: Promise<Results[Index]> },
): Promise<Results> {
  await Promise.allSettled(work);
  return Promise.all(work) as unknown as Promise<Results>;
}

async function fillDemo(urlOf: (login: Login) => string): Promise<string> {
  const isLoaded = await loadDemoData({
    foundationUrl: urlOf('foundation_app'),
    supportUrl: urlOf('support_app'),
    migratorUrl: urlOf('platform_migrator'),
  });
  return isLoaded ? 'loaded' : 'there already';
}

function startIdentity(): Promise<LocalProvider> {
  return startLocalProvider({ folder: aetherFolder(), personas, apps, port: readPort('IDENTITY_PORT') });
}

async function readWidgetSecret(databaseUrl: string): Promise<string | undefined> {
  const variables = { PLATFORM_DB_URL: databaseUrl, PLATFORM_DB_POOL_MAX: '1' };
  const db = await connectPlatform({ app: 'support', variables });
  return readDemoSecret(db).finally(db.close);
}
