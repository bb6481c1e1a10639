import { send } from '@aether/ui/request.ts';
import { hc } from 'hono/client';
import type { addAlertRoutes } from '../../server/alerts/alerts.routes.ts';
import type { addAppRoutes } from '../../server/apps/apps.routes.ts';
import type { addConsumersRoutes } from '../../server/consumers/consumers.routes.ts';
import type { addEventsRoutes } from '../../server/events/events.routes.ts';
import type { addFailuresRoutes } from '../../server/failures/failures.routes.ts';
import type { addRunsRoutes } from '../../server/failures/runs.routes.ts';
import type { addHealthRoutes } from '../../server/health/health.routes.ts';
import type { addRunbookRoutes } from '../../server/runbooks/runbooks.routes.ts';
import type { addSubscriptionsRoutes } from '../../server/subscriptions/subscriptions.routes.ts';
import type { addWebhookRoutes } from '../../server/webhooks/webhooks.routes.ts';

// One client for each family of routes: a single client for all routes takes the compiler many times longer.
const options = { fetch: send };

export const { health } = hc<ReturnType<typeof addHealthRoutes>>('/', options).api;
export const { runbooks } = hc<ReturnType<typeof addRunbookRoutes>>('/', options).api;
export const { failures } = hc<ReturnType<typeof addFailuresRoutes>>('/', options).api;
export const { runs } = hc<ReturnType<typeof addRunsRoutes>>('/', options).api;
export const { subscriptions, operations } = hc<ReturnType<typeof addSubscriptionsRoutes>>('/', options).api;
export const {
  log,
  'log-choices': logChoices,
  customers: why,
} = hc<ReturnType<typeof addEventsRoutes>>('/', options).api;
export const { consumers } = hc<ReturnType<typeof addConsumersRoutes>>('/', options).api;
export const { alerts } = hc<ReturnType<typeof addAlertRoutes>>('/', options).api;
export const { apps } = hc<ReturnType<typeof addAppRoutes>>('/', options).api;
export const { webhooks } = hc<ReturnType<typeof addWebhookRoutes>>('/', options).api;
