import { PlatformError } from '@aether/platform';
import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import type { Env } from 'hono';
import type { Logger } from 'pino';
import { z } from '../input/zod.ts';
import { Problem, problems } from '../problem.ts';

/**
 * Named conditions for taking traffic. A check fails if it rejects or does not settle in time. A check that never
 * settles is never called again, so give it its own time limit.
 */
export type Checks = Record<string, () => Promise<void>>;

const answer = (status: string) => ({
  description: status,
  content: { 'application/json': { schema: z.object({ status: z.literal(status) }) } },
});

/**
 * Adds `/healthz` (the process answers) and `/readyz` (every check passes; otherwise 503 with the names of the failed
 * checks and what is missing, as far as a check says it in words for everybody).
 */
export function addHealth<E extends Env>(
  app: OpenAPIHono<E>,
  {
    checks,
    isClosing,
    log,
    checkTimeoutMs,
  }: { checks: Checks; isClosing: () => boolean; log: Logger; checkTimeoutMs: number },
): void {
  const running = new Map<string, Promise<void>>();

  /** Probes that come while a check runs share its result, so that probes do not pile up at a stuck database. */
  function run(name: string, check: () => Promise<void>): Promise<void> {
    const present = running.get(name);
    if (present) return present;
    const started = (async () => check())().finally(() => running.delete(name));
    running.set(name, started);
    return started;
  }

  async function findFailure(
    name: string,
    check: () => Promise<void>,
  ): Promise<{ field: string; message: string } | undefined> {
    const timeout = Promise.withResolvers<'timeout'>();
    const timer = setTimeout(timeout.resolve, checkTimeoutMs, 'timeout');
    try {
      const outcome = await Promise.race([run(name, check), timeout.promise]);
      return outcome === 'timeout' ? { field: name, message: `did not answer within ${checkTimeoutMs} ms` } : undefined;
    } catch (error) {
      log.warn({ check: name, err: error }, 'not ready');
      // The words of our own refusals name the next step and are for everybody; those of a driver may name hosts.
      return { field: name, message: error instanceof PlatformError ? error.message : 'failed' };
    } finally {
      clearTimeout(timer);
    }
  }

  app.openapi(
    createRoute({
      method: 'get',
      path: '/healthz',
      summary: 'Is the process alive?',
      description: 'It asks nobody else, so that a database out of reach restarts no process.',
      responses: { 200: answer('alive'), ...problems(400, 422) },
    }),
    (c) => c.json({ status: 'alive' }, 200),
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/readyz',
      summary: 'Can it take traffic?',
      description: '503 names the checks that fail, or says that the process is about to end.',
      responses: { 200: answer('ready'), ...problems(400, 422, 503) },
    }),
    async (c) => {
      if (isClosing())
        throw new Problem({
          status: 503,
          code: 'not-ready',
          detail: 'Send traffic elsewhere: this process is about to end.',
          errors: [{ field: 'process', message: 'is closing' }],
        });
      const outcomes = await Promise.all(Object.entries(checks).map(([name, check]) => findFailure(name, check)));
      const errors = outcomes.filter((outcome) => outcome !== undefined);
      if (errors.length > 0) {
        throw new Problem({
          status: 503,
          code: 'not-ready',
          detail: 'Send traffic elsewhere and look again; the log says why the checks in `errors` fail.',
          errors,
          headers: { 'Retry-After': '5' },
        });
      }
      return c.json({ status: 'ready' }, 200);
    },
  );
}
