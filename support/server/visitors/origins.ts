import { type App, Problem } from '@aether/http';
import type { Context, MiddlewareHandler } from 'hono';

/** The origin that may read the answer: set once the widget is known, applied when the answer leaves. */
const allowed = new WeakMap<Request, string>();

const visitorPaths = [
  '/api/widgets/:key/config',
  '/api/widgets/:key/sessions',
  ...['messages', 'stream', 'typing', 'read', 'hand-over', 'identity', 'contact', 'uploads', 'rating'].map(
    (what) => `/api/sessions/:id/${what}`,
  ),
  '/api/sessions/:id/uploads/*',
  '/api/sessions/:id/files/*',
];
const preflightSeconds = 600;

/**
 * Lets pages of other origins call the widgets' routes, without cookies. `allowOrigin` decides per widget which page may read an
 * answer. A refusal before the widget is known reveals only what its reader sent, and may be read by all.
 */
export function addOrigins(app: App): void {
  for (const path of visitorPaths) app.use(path, letIn);
}

const letIn: MiddlewareHandler = async (c, next) => {
  const origin = c.req.header('origin');
  if (c.req.method === 'OPTIONS' && origin !== undefined && c.req.header('access-control-request-method')) {
    return c.body(null, 204, {
      'Access-Control-Allow-Origin': origin,
      'Access-Control-Allow-Methods': 'GET, POST',
      'Access-Control-Allow-Headers': 'Authorization, Content-Type, Last-Event-ID',
      'Access-Control-Max-Age': String(preflightSeconds),
      Vary: 'Origin',
    });
  }
  await next();
  c.res.headers.append('Vary', 'Origin');
  const isRefusal = c.res.status >= 400 && c.res.status !== 403;
  const readable = allowed.get(c.req.raw) ?? (isRefusal ? origin : undefined);
  if (readable) {
    c.res.headers.set('Access-Control-Allow-Origin', readable);
    c.res.headers.set('Access-Control-Expose-Headers', 'Content-Disposition, Retry-After');
  }
};

/**
 * The calling page must be of one of the widget's origins, if the widget names any. A program that sends no Origin is allowed: it could
 * send any Origin.
 *
 * @throws Problem 403
 */
export function allowOrigin(c: Context, widget: { allowed_origins: string[] }, ownOrigin: string): void {
  const origin = c.req.header('origin');
  if (origin === undefined) return;
  const { allowed_origins: named } = widget;
  if (named.length > 0 && !named.includes(origin.toLowerCase()) && origin !== ownOrigin)
    throw new Problem({
      status: 403,
      code: 'origin-not-allowed',
      detail: 'This page may not use this widget. Add its origin to the widget’s allowed origins.',
    });
  allowed.set(c.req.raw, origin);
}
