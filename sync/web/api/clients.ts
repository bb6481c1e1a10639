import { send } from '@aether/ui/request.ts';
import { hc } from 'hono/client';
import type { addHealthRoutes } from '../../server/health/health.routes.ts';
import type { addRunbookRoutes } from '../../server/runbooks/runbooks.routes.ts';

// One client for each family of routes: a single client for all routes takes the compiler many times longer.
const options = { fetch: send };

export const { health } = hc<ReturnType<typeof addHealthRoutes>>('/', options).api;
export const { runbooks } = hc<ReturnType<typeof addRunbookRoutes>>('/', options).api;
