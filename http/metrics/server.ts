import { ConfigurationError } from '@aether/platform';
import { isLoopbackHost } from '../loopback.ts';
import { Problem } from '../problem.ts';
import { createApp } from '../serving/app.ts';
import type { Log } from '../serving/log.ts';
import { type Served, serve } from '../serving/serve.ts';
import { addMetricsRoute, type Readable } from './route.ts';

const drainMs = 500;

/** Serves `/metrics` at a port of its own. @throws ConfigurationError if the port is taken */
export async function serveMetrics(
  metrics: Readable,
  { port, host, log }: { port: number; host: string; log: Log },
): Promise<Served> {
  const app = createApp({ name: 'metrics', title: 'Metrics', version: '1', log });
  if (metrics.token === undefined)
    app.use(async (c, next) => {
      // A page of a foreign site may call this machine by a name of its own (DNS rebinding).
      if (!isLoopbackHost(c.req.header('host') ?? ''))
        throw new Problem({ status: 403, code: 'foreign-page', detail: 'Call this machine by its name: 127.0.0.1.' });
      await next();
    });
  addMetricsRoute(app, metrics);
  try {
    return await serve(app, {
      port,
      host,
      log,
      portExact: true,
      allowNonLoopback: metrics.token !== undefined,
      drainMs,
    });
  } catch (error) {
    throw new ConfigurationError(
      `METRICS_PORT ${port} on ${host} cannot be used: ${error instanceof Error ? error.message : error}`,
      error,
    );
  }
}
