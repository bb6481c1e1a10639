import { setTimeout as sleep } from 'node:timers/promises';
import { type App as AppName, connectPlatform, type PlatformDb } from '@aether/platform';
import type { Logger } from 'pino';
import type { Authenticate } from '../caller.ts';
import type { ProblemCodes } from '../codes.ts';
import { isLoopbackListener } from '../loopback.ts';
import { measurePlatform, measureRequests, measureStreams } from '../metrics/measures.ts';
import { type Metrics, openMetrics } from '../metrics/metrics.ts';
import { addMetricsRoute } from '../metrics/route.ts';
import { traceRequests, traceWork } from '../metrics/spans.ts';
import type { AppScopes } from '../scopes.ts';
import { type AnsweredRequest, type App, createApp } from './app.ts';
import type { Variables } from './listening.ts';
import { createLog } from './log.ts';
import { openReading } from './reading.ts';
import { type Served, serve } from './serve.ts';
import { type Neighbours, readServerSettings } from './settings.ts';
import { addEventStream, type StreamOptions } from './stream.ts';
import { addWeb } from './web.ts';

const finishMs = 5_000;

export type ServerOptions = {
  /** The settings of docs/configuration.md; by default the environment of the process. */
  variables?: Variables;
  /** 0: any free port. */
  port?: number;
  /** It is a process of its own: LISTEN_HOST and PORT of its environment count, and a port that is taken is refused. */
  ownProcess?: boolean;
  log?: Logger;
  /** Do not run the app's subscriptions, because other processes do. */
  withoutSubscriptions?: boolean;
  /** Settles when the web app is built, if a build is under way. Its pages wait for that. */
  webBuilt?: Promise<unknown>;
  /** The addresses of the other apps, as far as they run. <APP>_PUBLIC_URL goes before them. */
  neighbours?: () => Neighbours;
};

type ServerParts = {
  app: AppName;
  title: string;
  version: string;
  description: string;
  portDefault: number;
  /** What tokens for this app can allow. */
  rights: AppScopes;
  /** The codes of the app's own refusals, for its OpenAPI document. */
  problems?: ProblemCodes;
  addRoutes: (app: App, db: PlatformDb, context: ServerContext) => void;
  /** Adds the routes of sign-in and returns how staff is identified. @throws ConfigurationError */
  addSignIn: (app: App, db: PlatformDb, context: ServerContext) => Authenticate;
  /** The folder of the built web app, if there is one. */
  web?: string;
  /** The signals that staff gets in addition to the events; called when a stream is opened. */
  signals?: StreamOptions['signals'];
  /** What each caller hears in the stream; called when routes have been added. */
  openHearing?: (db: PlatformDb) => NonNullable<StreamOptions['hearing']>;
  /** Starts the app's subscriptions to events; they end with the server. */
  subscribe?: (db: PlatformDb, onError: (error: unknown) => void) => void;
};

export type ServerContext = {
  variables: Variables;
  log: Logger;
  /** The address at which people reach this server; known when it listens. */
  url(): string;
  /** <APP>_PUBLIC_URL, if people reach this server under another name than this machine's. */
  publicUrl: URL | undefined;
  /** Where people reach the other apps; of one whose address is not known there is none. */
  neighbours(): Neighbours;
  scopes: AppScopes['scopes'];
  /** Settles when the built files exist. */
  webBuilt: Promise<unknown>;
  /** Where to publish more; undefined if no metrics are asked for. */
  metrics: Metrics | undefined;
  /** Aborted when the server begins to close. An answer that never ends by itself must end then. */
  closing: AbortSignal;
  /** Work that goes on beside the answers, and ends with `closing`: the database stays open for it, for five seconds at most. */
  finish(work: Promise<unknown>): void;
};

/**
 * Starts an app's server: connects to the platform database, refuses a wrong one, and listens: on loopback, or as a process of its own where
 * `readListening` says. The port is `options.port`, otherwise that of the settings, otherwise the app's default. If it is taken, the next free
 * one is used, unless the server is a process of its own.
 *
 * @throws ConfigurationError, DatabaseUnavailable
 */
export async function startServer(parts: ServerParts, options: ServerOptions): Promise<Served> {
  const {
    app: name,
    title,
    version,
    description,
    portDefault,
    rights,
    problems,
    addRoutes,
    addSignIn,
    subscribe,
    web,
    signals,
    openHearing,
  } = parts;
  const { variables = process.env, log = createLog(name), ownProcess = false, webBuilt = Promise.resolve() } = options;
  const settings = readServerSettings(name, variables, { ownProcess });
  const { publicUrl, listening, neighbours: named, streamsMax, streamsPerPersonMax, closeAfterMs } = settings;
  const port = options.port ?? listening.port ?? portDefault;
  const metrics = await openMetrics(`aether-${name}`, variables, log);
  const db = await connectPlatform({ app: name, variables }).catch(async (error) => {
    await metrics?.close();
    throw error;
  });
  for (const warning of db.warnings) log.warn(warning);
  const closing = new AbortController();
  const works: Promise<unknown>[] = [];
  try {
    let isClosing = false;
    let ownUrl = publicUrl?.origin ?? '';
    const app = createApp({
      name,
      title,
      version,
      description,
      problems,
      url: () => ownUrl,
      log,
      findHolder: db.findHolder,
      checks: { database: db.check },
      isClosing: () => isClosing,
      onRequest: metrics && watchRequests(metrics, name),
    });
    const measured = metrics && [measurePlatform(metrics, db), measureStreams(metrics, name, closing.signal)];
    if (metrics?.spans) measured?.push(traceWork(metrics.spans, db));
    if (metrics?.token !== undefined) addMetricsRoute(app, metrics);
    const context = {
      variables,
      log,
      publicUrl,
      url: () => ownUrl,
      neighbours: () => ({ ...options.neighbours?.(), ...named }),
      scopes: rights.scopes,
      closing: closing.signal,
      finish: (work: Promise<unknown>) => void works.push(work.catch(() => {})),
      webBuilt,
      metrics,
    };
    let authenticate: Authenticate | undefined;
    const reading = openReading(db);
    app.use(async (c, next) => {
      c.set('authenticate', authenticate);
      c.set('reading', reading);
      await next();
    });
    if (web) addWeb(app, web, webBuilt);
    authenticate = addSignIn(app, db, context);
    addRoutes(app, db, context);
    addEventStream(app, db, {
      closing: closing.signal,
      ofEvents: rights.ofEvents,
      streamsMax,
      streamsPerPersonMax,
      signals,
      hearing: openHearing?.(db),
    });
    const served = await serve(app, {
      port,
      host: listening.host,
      portExact: ownProcess,
      allowNonLoopback: !isLoopbackListener(listening.host),
      log,
    });
    ownUrl ||= served.url;
    if (!options.withoutSubscriptions) subscribe?.(db, (error) => log.warn({ err: error }, 'subscription'));
    return {
      ...served,
      async close() {
        isClosing = true;
        if (closeAfterMs > 0) await sleep(closeAfterMs);
        closing.abort();
        const finished = Promise.race([Promise.allSettled(works), sleep(finishMs, undefined, { ref: false })]);
        await Promise.all([served.close(), finished]);
        await metrics?.close();
        for (const end of measured ?? []) end();
        await db.close();
      },
    };
  } catch (error) {
    closing.abort(); // routes that were added have begun to follow the events
    await Promise.all([metrics?.close(), db.close()]);
    throw error;
  }
}

function watchRequests(metrics: Metrics, app: string): (request: AnsweredRequest) => void {
  const measure = measureRequests(metrics, app);
  const trace = metrics.spans && traceRequests(metrics.spans, app);
  return (request) => {
    measure(request);
    trace?.(request);
  };
}

/**
 * Runs one server as a process. At Ctrl-C or SIGTERM `/readyz` says that it is closing; after CLOSE_AFTER_MS, in which load balancers look away,
 * it ends the streams, finishes the answers that it has begun, and ends.
 */
export async function runServer(start: (options: ServerOptions) => Promise<Served>): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  try {
    const { url, close } = await start({ ownProcess: true });
    console.error(`Listening on ${url}.`);
    await stopped;
    await close();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
