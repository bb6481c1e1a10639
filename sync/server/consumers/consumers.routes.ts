import { type App, createStaffRoute, jsonBody, line, object, problems, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { listConsumers, orderOfConsumer } from '../../operations/consumers.ts';
import { json, moment, orProblem, reason } from '../acting.ts';
import { readNames } from '../people.ts';

const lettersMax = 100;
const text = () => z.string().nullable();

const ConsumerSchema = z
  .object({
    name: z.string().openapi({ example: 'billing' }),
    letters: z.array(
      z.object({
        number: z.string().openapi({ description: 'The broker’s: a resubmission names it.' }),
        id: z.string(),
        type: text(),
        session: text(),
        reason: text(),
        at: moment().nullable(),
      }),
    ),
    parked: z.array(
      z.object({
        event: z.string(),
        type: z.string(),
        session: z.string(),
        state: z.enum(['waiting', 'retrying', 'dead']),
        attempts: z.int(),
        error: text().openapi({ description: 'The class of the error: its text stays with the app.' }),
        at: moment(),
      }),
    ),
    is_paused: z.boolean().openapi({ description: 'As its processes report.' }),
    reported_at: moment().nullable(),
    seen_at: moment(),
    orders: z.array(
      z.object({
        id: z.int(),
        act: z.enum(['resubmit', 'retry', 'skip', 'pause', 'resume']),
        scope: z.record(z.string(), z.unknown()),
        state: z.enum(['waiting', 'sent', 'done', 'failed', 'unanswered']),
        outcome: z.object({ count: z.int(), refused: z.string().optional() }).nullable(),
        reason: text(),
        actor: text(),
        actor_name: text(),
        ordered_at: moment(),
        ended_at: moment().nullable(),
      }),
    ),
  })
  .openapi('Consumer');

const list = createStaffRoute({
  method: 'get',
  path: '/api/consumers',
  right: 'person',
  summary: 'The apps that read from Service Bus: what waits there for a person, and what was ordered',
  responses: { 200: json('By name.', z.object({ consumers: z.array(ConsumerSchema) })) },
});

const order = createStaffRoute({
  method: 'post',
  path: '/api/consumers/{name}/orders',
  right: 'administrator',
  summary:
    'Order something of a consumer: the worker that relays does it or passes it on, and `orders` says what came of it',
  description:
    '`resubmit`: send dead letters again, all or those of `numbers`. `retry`: try dead events again, all or those of a `session`. `skip`: give up the first parked `event` of a `session`. `pause` and `resume`: all its processes.',
  request: {
    params: object({ name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$/, 'must be the name of a consumer') }),
    body: jsonBody(
      object({
        act: z.enum(['resubmit', 'retry', 'skip', 'pause', 'resume']),
        session: line({ charactersMax: 128 }).optional(),
        event: line({ charactersMax: 128 }).optional(),
        numbers: z
          .array(z.string().regex(/^\d{1,19}$/, 'must be the number of a dead letter'))
          .min(1)
          .max(lettersMax)
          .optional(),
        reason: reason(),
      }).openapi('ConsumerOrder'),
    ),
  },
  responses: {
    202: json('It is ordered, and recorded.', z.object({ order: z.int(), operation: z.int() })),
    ...problems(400, 404, 409, 422),
  },
});

/** Apps that read from Service Bus: dead letters, parked events, and orders to them. */
export function addConsumersRoutes(app: App, db: PlatformDb) {
  return app
    .openapi(list, async (c) => {
      const consumers = await listConsumers(db);
      const names = await readNames(
        db,
        consumers.flatMap(({ orders }) => orders),
      );
      const shown = consumers.map(({ orders, ...each }) => ({
        ...each,
        orders: orders.map((one) => ({ ...one, actor_name: names.get(one.actor ?? '') ?? null })),
      }));
      return c.json({ consumers: shown as never[] }, 200);
    })
    .openapi(order, async (c) => {
      const { act, reason: why, ...scope } = c.req.valid('json');
      const { name: consumer } = c.req.valid('param');
      return c.json(await orProblem(() => orderOfConsumer(db, { consumer, act, scope, reason: why })), 202);
    });
}
