import { createLog, type Log } from '../serving/log.ts';
import { measureProcess } from './process.ts';
import type { Published } from './provider.ts';
import { type MetricsSettings, readMetricsSettings } from './settings.ts';
import type { Spans } from './spans.ts';

export type Metrics = Published & {
  /** The token that readers of `/metrics` must send. */
  token: string | undefined;
  /** The address of `/metrics`, if it has a port of its own. */
  url: string | undefined;
  /** Where traces go; undefined: nowhere. */
  spans: Spans | undefined;
};

type Told = Pick<Log, 'warn' | 'error'>;

const open = new Map<string, { users: number; opened: Promise<Metrics> }>();

/**
 * The metrics of this process. All that ask with the same settings share them, so that a process with several servers has one provider and
 * one port. Nothing is loaded unless metrics are asked for.
 *
 * @param name the name of the service, for the first who asks.
 * @returns undefined if no metrics are asked for.
 * @throws ConfigurationError if a setting is wrong or the port is taken.
 */
export async function openMetrics(
  name: string,
  variables: Record<string, string | undefined>,
  log: Told,
): Promise<Metrics | undefined> {
  const settings = readMetricsSettings(variables);
  if (!settings) return undefined;
  const key = JSON.stringify(settings);
  const shared = open.get(key) ?? { users: 0, opened: load(name, settings, log) };
  open.set(key, shared);
  shared.users += 1;
  let isClosed = false;
  async function leave(metrics?: Metrics): Promise<void> {
    if (isClosed) return;
    isClosed = true;
    shared.users -= 1;
    if (shared.users > 0) return;
    open.delete(key);
    await metrics?.close();
  }
  try {
    const metrics = await shared.opened;
    return { ...metrics, close: () => leave(metrics) };
  } catch (error) {
    await leave();
    throw error;
  }
}

async function load(
  name: string,
  { port, host, token, azure, tracesPercent }: MetricsSettings,
  log: Told,
): Promise<Metrics> {
  // Loaded only here: the SDK costs memory.
  const [{ publishMetrics }, { serveMetrics }] = await Promise.all([import('./provider.ts'), import('./server.ts')]);
  const published = await publishMetrics(name, azure, log);
  measureProcess(published);
  const spans =
    azure === undefined || tracesPercent === 0 ? undefined : await openSpans(name, azure, tracesPercent, log);
  try {
    const served =
      port === undefined ? undefined : await serveMetrics({ ...published, token }, { port, host, log: quiet(name) });
    return {
      ...published,
      token,
      url: served && `${served.url}/metrics`,
      spans,
      async close() {
        await served?.close();
        await Promise.all([published.close(), spans?.close()]);
      },
    };
  } catch (error) {
    await Promise.all([published.close(), spans?.close()]);
    throw error;
  }
}

/** The app goes on without traces if Azure cannot be used. */
async function openSpans(name: string, connection: string, percent: number, log: Told): Promise<Spans | undefined> {
  try {
    const { openAzureSpans } = await import('./azurespans.ts'); // loaded only here, as the client of the metrics is
    return openAzureSpans(name, { connection, percent }, log);
  } catch (error) {
    log.error({ err: error }, 'no traces go to Azure: APPLICATIONINSIGHTS_CONNECTION_STRING cannot be used');
    return undefined;
  }
}

/** Reads of the metrics come every few seconds: only what is wrong is logged. */
function quiet(name: string): Log {
  const log = createLog(name);
  if (log.isLevelEnabled('info')) log.level = 'warn';
  return log;
}
