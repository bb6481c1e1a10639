import { type App, createStaffRoute, jsonBody, line, object, problems, refuseFields, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { OperationRefused } from '../../operations/acting.ts';
import {
  addWebhook,
  changeWebhook,
  disableWebhook,
  enableWebhook,
  hideAddress,
  listAttempts,
  listWebhooks,
  removeWebhook,
  rotateWebhook,
  testWebhook,
  type WebhookStatus,
} from '../../operations/webhooks.ts';
import { type Networks, requireWebhookUrl } from '../../webhooks/networks.ts';
import { json, moment, orProblem, reason, webhookName } from '../acting.ts';

const typesMax = 50;
const formerSecondsMax = 30 * 86_400;
const formerSecondsDefault = 86_400;

const WebhookSchema = z
  .object({
    name: z.string().openapi({ example: 'billing.tiers' }),
    app: z.string(),
    url: z.string().openapi({
      description: 'Only an administrator sees its path and query, which may hold a secret; to others they are `…`.',
      example: 'https://billing.example.com/…',
    }),
    types: z.array(z.string()),
    created_at: moment(),
    delivered_at: moment().nullable(),
    failing_since: moment().nullable().openapi({ description: 'Nothing could be delivered since.' }),
    failure: z.string().nullable().openapi({ description: 'Why the last delivery failed: a code or a status.' }),
    disabled_at: moment().nullable(),
    disabled_reason: z.string().nullable(),
    is_given_up: z.boolean().openapi({ description: 'The worker has disabled it.' }),
    behind: z
      .int()
      .nullable()
      .openapi({ description: 'Positions behind it, of all types; null while it is disabled.' }),
    parked: z.int().openapi({ description: 'Up to 10,000; 10,001 says that there are more.' }),
    test_asked_at: moment().nullable().openapi({
      description: 'The worker is asked to try the receiver, and has not done so. Null after ten minutes.',
    }),
    former_ends_at: moment()
      .nullable()
      .openapi({ description: 'Until then messages carry a signature by the former secret, too.' }),
  })
  .openapi('Webhook');

const AttemptSchema = z
  .object({
    id: z.int(),
    at: moment(),
    kind: z.enum(['event', 'replay', 'test']),
    position: z.int().nullable().openapi({ description: 'Of the event; null for a test.' }),
    type: z.string(),
    outcome: z.enum(['taken', 'gone', 'refused', 'unreachable']),
    code: z.string().openapi({ description: 'The status of the answer, or why there was none.', example: 'HTTP 204' }),
    took_ms: z.int(),
  })
  .openapi('WebhookAttempt');

const params = object({ name: webhookName() });
const types = () =>
  z
    .array(line({ charactersMax: 120 }))
    .min(1)
    .max(typesMax);
const address = () => line({ charactersMax: 2_000 });
const secret = z.string().openapi({ description: 'Nobody is told it again.', example: 'whsec_…' });
const operation = z.int();

const list = createStaffRoute({
  method: 'get',
  path: '/api/webhooks',
  right: 'person',
  summary: 'The webhooks of all apps, and how they get on',
  responses: { 200: json('By name.', z.object({ webhooks: z.array(WebhookSchema) })) },
});

const get = createStaffRoute({
  method: 'get',
  path: '/api/webhooks/{name}',
  right: 'person',
  summary: 'One webhook, with its last attempts: fifty that were taken, and fifty that were not',
  request: { params },
  responses: {
    200: json('The newest attempts first.', z.object({ webhook: WebhookSchema, attempts: z.array(AttemptSchema) })),
    ...problems(404, 422),
  },
});

const add = createStaffRoute({
  method: 'post',
  path: '/api/webhooks',
  right: 'administrator',
  summary: 'Register a webhook of an app; it begins with the events from now on',
  description:
    'The name begins with the app’s: `billing.tiers`. The address is https, and on the public internet unless the setting SYNC_WEBHOOK_NETWORKS opens its network. The app must be able to see the types.',
  request: {
    body: jsonBody(
      object({
        name: line({ charactersMax: 60 }),
        app: line({ charactersMax: 32 }),
        url: address(),
        types: types(),
        reason: reason().optional(),
      }).openapi('NewWebhook'),
    ),
  },
  responses: {
    201: json('It is registered, and recorded.', z.object({ secret, position: z.int(), operation })),
    ...problems(400, 404, 409, 422),
  },
});

const change = createStaffRoute({
  method: 'post',
  path: '/api/webhooks/{name}/change',
  right: 'administrator',
  summary: 'Give a webhook another address, other types, or both; it goes on at the same place',
  description:
    'What is absent stays. The worker takes it up within seconds. Other types count from where the webhook is.',
  request: {
    params,
    body: jsonBody(
      object({ url: address().optional(), types: types().optional(), reason: reason().optional() }).openapi(
        'WebhookChange',
      ),
    ),
  },
  responses: {
    200: json(
      'It is changed, and recorded.',
      z.object({ url_changed: z.boolean(), types_changed: z.boolean(), operation }),
    ),
    ...problems(400, 404, 409, 422),
  },
});

const test = createStaffRoute({
  method: 'post',
  path: '/api/webhooks/{name}/test',
  right: 'administrator',
  summary: 'Ask the worker to post a signed message that says nothing, also to a webhook that is disabled',
  description:
    'A worker does it within seconds; the attempts of the webhook have what came of it. After ten minutes none does.',
  request: { params, body: jsonBody(object({ reason: reason().optional() }).openapi('WebhookTest')) },
  responses: {
    202: json('It is asked for, and recorded.', z.object({ asked_at: moment(), operation })),
    ...problems(400, 404, 422),
  },
});

const rotate = createStaffRoute({
  method: 'post',
  path: '/api/webhooks/{name}/secret',
  operationId: 'rotateWebhookSecret',
  right: 'administrator',
  summary: 'A new secret; for a while messages carry a signature by the former one, too',
  request: {
    params,
    body: jsonBody(
      object({
        former_seconds: z.int().min(0).max(formerSecondsMax).default(formerSecondsDefault),
        reason: reason().optional(),
      }).openapi('WebhookRotation'),
    ),
  },
  responses: {
    200: json('The new secret.', z.object({ secret, former_ends_at: moment(), operation })),
    ...problems(400, 404, 422),
  },
});

const disable = createStaffRoute({
  method: 'post',
  path: '/api/webhooks/{name}/disable',
  right: 'administrator',
  summary: 'Deliver nothing more; the log is not held for it',
  request: { params, body: jsonBody(object({ reason: reason() }).openapi('WebhookDisabling')) },
  responses: {
    200: json('It is disabled, and recorded.', z.object({ position: z.int(), operation })),
    ...problems(400, 404, 409, 422, 503),
  },
});

const enable = createStaffRoute({
  method: 'post',
  path: '/api/webhooks/{name}/enable',
  right: 'administrator',
  summary: 'Go on where it was disabled, as far as the log reaches back',
  request: { params, body: jsonBody(object({ reason: reason().optional() }).openapi('WebhookEnabling')) },
  responses: {
    200: json(
      'It is enabled, and recorded.',
      z.object({
        position: z.int(),
        missed: z
          .int()
          .openapi({ description: 'Positions that the log has dropped since: the receiver starts from a snapshot.' }),
        operation,
      }),
    ),
    ...problems(400, 404, 409, 422),
  },
});

const remove = createStaffRoute({
  method: 'post',
  path: '/api/webhooks/{name}/remove',
  right: 'administrator',
  summary: 'Remove a webhook, with its secrets and what waits for it',
  request: { params, body: jsonBody(object({ reason: reason().optional() }).openapi('WebhookRemoval')) },
  responses: {
    200: json('It is removed, and recorded.', z.object({ app: z.string(), operation })),
    ...problems(400, 404, 422, 503),
  },
});

/** Webhooks: what apps elsewhere are told, and where. @param networks those that are open beside the public internet */
export function addWebhookRoutes(app: App, db: PlatformDb, networks: Networks) {
  /** As this caller may see it: who may change an address may read it. */
  const shownTo = (c: { get(name: 'actor'): { role: string } | undefined }) =>
    c.get('actor')?.role === 'admin' ? (webhook: WebhookStatus) => webhook : hideAddress<WebhookStatus>;
  return app
    .openapi(list, async (c) => c.json({ webhooks: (await listWebhooks(db)).map(shownTo(c)) as never[] }, 200))
    .openapi(get, async (c) => {
      const { name } = c.req.valid('param');
      const [webhook] = await listWebhooks(db, name);
      if (!webhook)
        return orProblem(() => Promise.reject(new OperationRefused('not-found', `There is no webhook ${name}.`)));
      return c.json({ webhook: shownTo(c)(webhook), attempts: await listAttempts(db, name) } as never, 200);
    })
    .openapi(add, async (c) => {
      const { url: given, ...asked } = c.req.valid('json');
      const url = readUrl(given, networks);
      return c.json(await orProblem(() => addWebhook(db, { ...asked, url })), 201);
    })
    .openapi(change, async (c) => {
      const { url: given, ...asked } = c.req.valid('json');
      if (given === undefined && asked.types === undefined)
        throw refuseFields([{ field: 'url', message: 'Another address, other types, or both.' }]);
      const url = given === undefined ? undefined : readUrl(given, networks);
      const { name } = c.req.valid('param');
      return c.json(await orProblem(() => changeWebhook(db, name, { ...asked, url })), 200);
    })
    .openapi(test, async (c) =>
      c.json(await orProblem(() => testWebhook(db, c.req.valid('param').name, c.req.valid('json').reason)), 202),
    )
    .openapi(rotate, async (c) => {
      const { former_seconds: formerSeconds, reason: why } = c.req.valid('json');
      const { name } = c.req.valid('param');
      return c.json(await orProblem(() => rotateWebhook(db, name, { formerSeconds, reason: why })), 200);
    })
    .openapi(disable, async (c) =>
      c.json(await orProblem(() => disableWebhook(db, c.req.valid('param').name, c.req.valid('json').reason)), 200),
    )
    .openapi(enable, async (c) =>
      c.json(await orProblem(() => enableWebhook(db, c.req.valid('param').name, c.req.valid('json').reason)), 200),
    )
    .openapi(remove, async (c) =>
      c.json(await orProblem(() => removeWebhook(db, c.req.valid('param').name, c.req.valid('json').reason)), 200),
    );
}

/** @throws Problem 422 naming the field */
function readUrl(given: string, networks: Networks): string {
  try {
    return requireWebhookUrl(given, networks);
  } catch (error) {
    throw refuseFields([{ field: 'url', message: (error as Error).message }]);
  }
}
