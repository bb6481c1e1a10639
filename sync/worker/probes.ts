import { createApp, type Log, type Served, serve } from '@aether/http';
import { ConfigurationError } from '@aether/platform/log';

const drainMs = 500;

/**
 * Serves `/healthz` (the process answers) and `/readyz` (the database answers and has the migrations that this worker needs) on a port of
 * their own, for what restarts workers. They say nothing personal, so that any address of this machine will do.
 *
 * @throws ConfigurationError if the port is taken
 */
export async function serveProbes({
  port,
  host,
  log,
  check,
}: {
  port: number;
  host: string;
  log: Log;
  /** Throws while the worker cannot work. */
  check: () => Promise<void>;
}): Promise<Served> {
  const app = createApp({ name: 'sync', title: 'Aether Sync worker', version: '1', log, checks: { database: check } });
  try {
    return await serve(app, { port, host, log, portExact: true, allowNonLoopback: true, drainMs });
  } catch (error) {
    throw new ConfigurationError(
      `Port ${port} on ${host} cannot be used for probes (SYNC_PORT, or PORT): ${error instanceof Error ? error.message : error}`,
      error,
    );
  }
}
