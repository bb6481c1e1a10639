import '../input/locale.ts';
import { readCause, type User } from '@aether/platform';
import type { HttpBindings } from '@hono/node-server';
import { type Hook, OpenAPIHono } from '@hono/zod-openapi';
import type { Context, MiddlewareHandler } from 'hono';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { requestId } from 'hono/request-id';
import { matchedRoutes } from 'hono/route';
import { secureHeaders } from 'hono/secure-headers';
import type { Logger } from 'pino';
import type { Authenticate, Caller } from '../caller.ts';
import { houseCodes, joinCodes, type ProblemCodes } from '../codes.ts';
import { type BodyLimits, bodyLimits, formatPath, readJsonBody } from '../input/body.ts';
import { checkTarget } from '../input/target.ts';
import { answerProblem, createErrorHandler, type FindHolder, Problem, refuseFields } from '../problem.ts';
import { completeDocument } from './document.ts';
import { addHealth, type Checks } from './health.ts';
import type { Reading } from './reading.ts';
import { callerOf, traceRequest } from './trace.ts';

/**
 * The context of every handler. `actor` is the person who acts, undefined for a visitor or a machine. `problem` is the
 * code of the refusal, if the request was refused. `staffOnly` uses `authenticate` and `reading`, and sets `caller`; `readByteBody` sets `bytes`.
 */
export type AppEnv = {
  Bindings: HttpBindings;
  Variables: {
    requestId: string;
    authenticate?: Authenticate;
    reading?: Reading;
    caller?: Caller;
    actor?: User;
    problem?: string;
    bytes?: Uint8Array;
  };
};

export type App = OpenAPIHono<AppEnv>;

/**
 * `route` is the template, such as /api/customers/:id; undefined for an address without a route. `trace` is the traceparent of the request,
 * which its events carry; `caller` is that of the caller, if the request continues the caller's trace.
 */
export type AnsweredRequest = {
  method: string;
  route: string | undefined;
  status: number;
  seconds: number;
  isProbe: boolean;
  trace: string | undefined;
  caller: string | undefined;
};

export type AppOptions = {
  /** Short and lower case: foundation, support. */
  name: string;
  title: string;
  version: string;
  /** Markdown for the head of the OpenAPI document. */
  description?: string;
  /** The codes of the app's own refusals. */
  problems?: ProblemCodes | undefined;
  /** The address of the server, as far as it is known: asked when somebody wants the OpenAPI document. */
  url?: () => string;
  log: Logger;
  /** Finds the record that has what was refused as taken; without it, no refusal names one. */
  findHolder?: FindHolder;
  /** The checks of `/readyz`. */
  checks?: Checks;
  /** Whether the process is about to end: `/readyz` says so, while everything else is answered. */
  isClosing?: () => boolean;
  /** How long each check may take. */
  checkTimeoutMs?: number;
  /** Limits that differ from `bodyLimits`. */
  limits?: Partial<BodyLimits>;
  /** Called after each request, for the metrics. */
  onRequest?: ((request: AnsweredRequest) => void) | undefined;
};

/**
 * Makes an app with everything that runs before a route: trace, request id, access log, headers, checks of target and
 * body, problem+json for every refusal, `/healthz`, `/readyz` and `/openapi.json`. Add routes with
 * `app.openapi(createRoute(…), handler)`.
 */
export function createApp({
  name,
  title,
  version,
  description,
  problems = {},
  url = () => '',
  log,
  findHolder,
  checks = {},
  isClosing = () => false,
  checkTimeoutMs = 2_000,
  limits,
  onRequest,
}: AppOptions): App {
  const app: App = new OpenAPIHono<AppEnv>({ defaultHook: refuseInvalid });
  app.onError(createErrorHandler(log, findHolder));
  app.notFound(answerNoSuchRoute);

  app.use(traceRequest);
  app.use(requestId({ limitLength: 64 }));
  app.use(logAccess(log, onRequest));
  app.use(
    secureHeaders({
      overwrite: false,
      strictTransportSecurity: false, // the proxy that ends TLS sets this header
      xFrameOptions: 'DENY',
      contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    }),
  );
  app.use(forbidCaching);
  app.use(methodNotAllowed<AppEnv>({ app, onMethodNotAllowed: answerOtherMethod }));
  app.use(wrapThrown);
  app.use(checkTarget);
  app.use(readJsonBody({ ...bodyLimits, ...limits }));

  addHealth(app, { checks, isClosing, checkTimeoutMs, log });
  let document: ReturnType<App['getOpenAPI31Document']> | undefined;
  app.get('/openapi.json', (c) => {
    if (!document) {
      document = app.getOpenAPI31Document({
        openapi: '3.1.0',
        info: { title, version, description: description ?? `The HTTP interface of ${name}.`, contact, license },
      });
      completeDocument(document, { codes: joinCodes(houseCodes, problems), url: url() });
    }
    return c.json(document);
  });
  return app;
}

const contact = { name: 'The operator of this platform' };
const license = { name: 'All rights reserved', identifier: 'LicenseRef-Aether-Sync' };

/** 404 for an address without a route. */
export function answerNoSuchRoute(c: Context): Response {
  const detail = 'There is nothing at this address. /openapi.json lists what there is.';
  return answerProblem(c, new Problem({ status: 404, code: 'no-such-route', detail }));
}

const places = { query: 'query', param: 'path', header: 'header', cookie: 'cookie' } as const;

/** Turns a refusal of a schema into a 422 that names each field. */
const refuseInvalid: Hook<unknown, AppEnv, string, undefined> = (result) => {
  if (result.success) return undefined;
  const place = result.target in places ? places[result.target as keyof typeof places] : undefined;
  const errors = result.error.issues.flatMap(({ path, message, ...issue }) => {
    const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...path, key]) : [path];
    return paths.map((each) => ({ field: formatPath(each), ...(place && { in: place }), message }));
  });
  throw refuseFields(errors);
};

/** OPTIONS is answered with the methods of the address, but without CORS headers, so that foreign pages stay out. */
const answerOtherMethod: NonNullable<Parameters<typeof methodNotAllowed<AppEnv>>[0]['onMethodNotAllowed']> = (
  c,
  methods,
) => {
  const allow = [...methods, 'OPTIONS'].join(', ');
  if (c.req.method === 'OPTIONS') {
    c.set('problem', undefined);
    return new Response(null, { status: 204, headers: { Allow: allow } });
  }
  return answerProblem(
    c,
    new Problem({ status: 405, code: 'method-not-allowed', detail: `Use one of ${allow}.`, headers: { Allow: allow } }),
  );
};

/** One entry per request. It has the route's template, but no path, query or body, because those hold personal data. */
function logAccess(log: Logger, onRequest?: (request: AnsweredRequest) => void): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const startedAt = performance.now();
    await next();
    const { status } = c.res;
    const route = matchedRoutes(c).findLast((each) => each.method !== 'ALL')?.path;
    const isProbe = route === '/healthz' || route === '/readyz' || route === '/metrics';
    const durationMs = performance.now() - startedAt;
    if (onRequest) {
      const { trace } = readCause();
      const caller = callerOf(trace, c.req.header('traceparent'));
      onRequest({ method: c.req.method, route, status, seconds: durationMs / 1_000, isProbe, trace, caller });
    }
    log[isProbe && status < 400 ? 'debug' : 'info'](
      {
        requestId: c.get('requestId'),
        method: c.req.method,
        route,
        status,
        problem: c.get('problem'),
        durationMs: Math.round(durationMs * 10) / 10,
      },
      'request',
    );
  };
}

/** Wraps a thrown value that is not an Error, because the error handler is called for Errors only. */
const wrapThrown: MiddlewareHandler = async (_, next) => {
  try {
    await next();
  } catch (thrown) {
    throw new TypeError('what was thrown is not an Error', { cause: thrown });
  }
};

/** Answers hold personal data, so no cache keeps them unless the route says otherwise. */
const forbidCaching: MiddlewareHandler = async (c, next) => {
  await next();
  if (!c.res.headers.has('cache-control')) c.res.headers.set('cache-control', 'no-store');
};
