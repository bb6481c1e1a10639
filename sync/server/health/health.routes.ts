import { setTimeout as sleep } from 'node:timers/promises';
import { type App, createStaffRoute, object, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { evaluateHealth } from '../../health/evaluation.ts';
import { statuses } from '../../health/health.ts';
import { ranges, readSeries } from '../../health/series.ts';

/** An answer about the state of things that takes longer than this is worth nothing. */
const answerMs = 3_000;

const CheckSchema = z
  .object({
    slug: z.string().openapi({ description: 'The subject.', example: 'subscription:support.cache' }),
    kind: z.string().openapi({ description: 'The question, and the page of its runbook.', example: 'subscription' }),
    status: z.enum(statuses),
    reason: z.string().openapi({ description: 'In words for people.' }),
    since: z.iso.datetime().openapi({ description: 'Since when it has this status.' }),
    measures: z.record(z.string(), z.number()),
    runbook: z.string().openapi({ description: 'The name of the page in docs/runbooks that says what to do.' }),
  })
  .openapi('Check');

const health = createStaffRoute({
  method: 'get',
  path: '/api/health',
  right: 'health.read',
  summary: 'Every check, the worst first',
  description:
    'The checks are made when somebody asks, at most once a second, so that a worker that has stopped is seen too. What nobody has reported is `unknown`, never `ok`.',
  responses: {
    200: {
      description: 'The state of everything.',
      content: {
        'application/json': {
          schema: z
            .object({
              asOf: z.iso.datetime(),
              worst: z.enum(statuses),
              sentence: z.string(),
              checks: z.array(CheckSchema),
            })
            .openapi('Health'),
        },
      },
    },
  },
});

const series = createStaffRoute({
  method: 'get',
  path: '/api/health/series',
  right: 'health.read',
  summary: 'The numbers behind the charts',
  description:
    'From the rollup in PostgreSQL: an hour by minutes, a day by quarters of an hour, thirty days by hours. A step in which nobody measured is null, not 0. The last quarter or hour may be under way: then it has the minutes that are over.',
  request: { query: object({ range: z.enum(ranges).default('hour') }) },
  responses: {
    200: {
      description: 'One line for each name and label.',
      content: {
        'application/json': {
          schema: z
            .object({
              from: z.iso.datetime(),
              to: z.iso.datetime(),
              stepSeconds: z.int(),
              series: z.array(
                z.object({
                  name: z.string(),
                  unit: z.string(),
                  label: z.string().optional(),
                  source: z.string(),
                  points: z.array(z.tuple([z.number(), z.number().nullable()])),
                }),
              ),
            })
            .openapi('HealthSeries'),
        },
      },
    },
  },
});

/** The state of everything, and the numbers behind the charts. */
export function addHealthRoutes(app: App, db: PlatformDb) {
  const ask = (text: string, values?: unknown[]) => db.query(text, values, { timeoutMs: answerMs });

  return app
    .openapi(health, async (c) => {
      const { asOf, checks, ...rest } = await evaluateHealth(ask);
      return c.json(
        {
          asOf: asOf.toISOString(),
          ...rest,
          checks: checks.map((check) => ({ ...check, since: check.since.toISOString(), runbook: check.kind })),
        },
        200,
      );
    })
    .openapi(series, async (c) => {
      const { from, to, ...rest } = await readSeries(ask, c.req.valid('query').range);
      return c.json({ from: from.toISOString(), to: to.toISOString(), ...rest }, 200);
    });
}

/** How often the checks are made: what is silent for seven seconds is found within ten. */
const everyMs = 2_000;

/** While a worker makes the checks, which it does as often, nobody has to make them again between. */
const evaluateIfDue = `select from sync.health h cross join lateral sync.evaluate_checks()
  where h.evaluated_at not between clock_timestamp() - interval '1.5 seconds' and clock_timestamp()`;

/**
 * Makes the checks until the server closes, as the worker does, so that the end of the last worker is a change of state that somebody
 * writes down.
 */
export async function keepEvaluating(db: PlatformDb, closing: AbortSignal): Promise<void> {
  while (!closing.aborted) {
    // A failure means that the database is out of reach, which /readyz reports.
    await db.query(evaluateIfDue, [], { timeoutMs: answerMs }).catch(() => {});
    await sleep(everyMs, undefined, { signal: closing, ref: false }).catch(() => {});
  }
}
