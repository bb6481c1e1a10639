import { join } from 'node:path';
import { openBlobs } from '@aether/files/blobs';
import {
  addSettingChangeRoutes,
  type Hearing,
  type Served,
  type ServerOptions,
  scopesOfSharedEvents,
  startServer,
} from '@aether/http';
import { addSignIn } from '@aether/signin';
import { openSimulator } from '../access/simulator.ts';
import { startAlerting } from '../alerts/alerting.ts';
import { readAlertSettings } from '../alerts/settings.ts';
import { publishChecks } from '../health/measures.ts';
import packageJson from '../package.json' with { type: 'json' };
import { openPrivacy } from '../privacy/connection.ts';
import { readWebhookNetworks } from '../webhooks/networks.ts';
import { addAccessRoutes } from './access/access.routes.ts';
import { addAlertRoutes } from './alerts/alerts.routes.ts';
import { addAppRoutes } from './apps/apps.routes.ts';
import { consoleCodes } from './codes.ts';
import { addConsumersRoutes } from './consumers/consumers.routes.ts';
import { addAsOfRoutes } from './customers/asof.routes.ts';
import { addDuplicateRoutes } from './duplicates/duplicates.routes.ts';
import { addEventsRoutes } from './events/events.routes.ts';
import { addFailuresRoutes } from './failures/failures.routes.ts';
import { addRunsRoutes } from './failures/runs.routes.ts';
import { addHealthRoutes, keepEvaluating } from './health/health.routes.ts';
import { addImportFileRoutes } from './imports/files.routes.ts';
import { addImportRunRoutes } from './imports/runs.routes.ts';
import { addMergeRoutes } from './merges/merges.routes.ts';
import { addErasingRoutes } from './privacy/erasing.routes.ts';
import { addErasureJobRoutes } from './privacy/jobs.routes.ts';
import { addPersonRoutes } from './privacy/person.routes.ts';
import { addRetentionRoutes } from './privacy/retention.routes.ts';
import { addSuppressionRoutes } from './privacy/suppression.routes.ts';
import { addQualityRoutes } from './quality/quality.routes.ts';
import { addRunbookRoutes } from './runbooks/runbooks.routes.ts';
import { consoleScopes } from './scopes.ts';
import { addSubscriptionsRoutes } from './subscriptions/subscriptions.routes.ts';
import { addWebhookRoutes } from './webhooks/webhooks.routes.ts';

/** A question that the database has not answered by then is given up. */
const askMs = 5_000;
const webFolder = join(import.meta.dirname, '..', 'web', 'dist');

/** Starts the console's server on port 4300, or the next free one. @throws ConfigurationError, DatabaseUnavailable */
export function startConsole(options: ServerOptions = {}): Promise<Served> {
  return startServer(
    {
      app: 'console',
      title: 'Aether Console',
      version: packageJson.version,
      description:
        'For operators and data stewards: the health of the house, its failures, subscriptions and events. Every refusal is problem+json and says what to do next.',
      portDefault: 4300,
      rights: consoleScopes,
      problems: consoleCodes,
      addSignIn,
      web: webFolder,
      openHearing: () => (caller) => (caller.app === undefined ? hearsShared : hearsAll),
      addRoutes(app, db, { closing, variables, log, metrics }) {
        const settings = readAlertSettings(variables);
        addHealthRoutes(app, db);
        addFailuresRoutes(app, db);
        addRunsRoutes(app, db);
        addSubscriptionsRoutes(app, db);
        addConsumersRoutes(app, db);
        addAppRoutes(app, db);
        addWebhookRoutes(app, db, readWebhookNetworks(variables));
        addSettingChangeRoutes(app, db);
        addEventsRoutes(app, db);
        void keepEvaluating(db, closing);
        addRunbookRoutes(app);
        addQualityRoutes(app, db);
        addImportFileRoutes(app, db);
        addImportRunRoutes(app, db);
        addMergeRoutes(app, db);
        addDuplicateRoutes(app, db);
        addAsOfRoutes(app, db);
        const simulator = variables.SIMULATOR_DB_URL ? openSimulator(variables.SIMULATOR_DB_URL) : undefined;
        addAccessRoutes(app, db, simulator, log);
        closing.addEventListener('abort', () => void simulator?.close());
        const privacy = variables.PRIVACY_APP_URL ? openPrivacy(variables.PRIVACY_APP_URL) : undefined;
        addPersonRoutes(app, privacy, {
          phoneCountry: variables.PLATFORM_PHONE_COUNTRY || undefined,
          openBlobs: () => openBlobs(variables),
        });
        addErasingRoutes(app, db, privacy, log);
        addErasureJobRoutes(app, db, privacy, {
          phoneCountry: variables.PLATFORM_PHONE_COUNTRY || undefined,
          log,
          closing,
        });
        addRetentionRoutes(app, db, privacy);
        addSuppressionRoutes(app, privacy, variables.PLATFORM_PHONE_COUNTRY || undefined);
        closing.addEventListener('abort', () => void privacy?.close());
        addAlertRoutes(app, db);
        const ask = (text: string, values?: unknown[]) => db.query(text, values, { timeoutMs: askMs });
        void alertUntil(closing, { ask, settings, log, metrics });
        if (metrics) void publishChecks(metrics, ask, closing);
      },
    },
    options,
  );
}

/** Tells changes of checks, as the worker does, so that the end of the last worker is told too. */
async function alertUntil(closing: AbortSignal, options: Parameters<typeof startAlerting>[0]): Promise<void> {
  const stop = await startAlerting(options);
  if (closing.aborted) await stop();
  else closing.addEventListener('abort', () => void stop(), { once: true });
}

/**
 * The console's login sees the events of every app, and its stream passes on only those about records that every app may
 * see. So whoever follows it learns nothing of chats and deals.
 */
const hearsShared: Hearing = {
  hears: async ({ type }) => (type.split('.')[0] as string) in scopesOfSharedEvents,
  hearsSignal: async () => true,
};

/** A machine that belongs to an app gets what the app's login sees, its own events too. */
const hearsAll: Hearing = { hears: async () => true, hearsSignal: async () => false };
