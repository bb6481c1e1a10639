import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context } from 'hono';
import { Problem } from '../problem.ts';
import type { App } from '../serving/app.ts';
import type { Published } from './provider.ts';

export type Readable = Pick<Published, 'render'> & { token: string | undefined };

/** Adds `GET /metrics`, for those who send the token. It is not in the OpenAPI document: it is no interface of the app. */
export function addMetricsRoute(app: App, { render, token }: Readable): void {
  app.get('/metrics', async (c) => {
    if (token !== undefined) requireToken(c, token);
    return c.body(await render(), 200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' });
  });
}

/** @throws Problem 401 */
function requireToken(c: Context, token: string): void {
  const [, given = ''] = /^Bearer (.+)$/i.exec(c.req.header('authorization') ?? '') ?? [];
  if (timingSafeEqual(hash(given), hash(token))) return;
  throw new Problem({
    status: 401,
    code: 'metrics-token',
    detail: 'Send the token of METRICS_TOKEN: `Authorization: Bearer <token>`.',
    headers: { 'WWW-Authenticate': 'Bearer' },
  });
}

const hash = (text: string) => createHash('sha256').update(text).digest();
