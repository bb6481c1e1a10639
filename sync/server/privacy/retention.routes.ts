import { type App, createStaffRoute, jsonBody, object, problems, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import type { Privacy } from '../../privacy/connection.ts';
import { listRetention, previewRetention, setRetention } from '../../privacy/retention.ts';
import { json, moment, reason } from '../acting.ts';
import { readNames } from '../people.ts';
import { actorOf, orPrivacyProblem, requirePrivacy } from './problems.ts';

const AgedSchema = z
  .object({ table: z.string(), rows: z.int(), oldest: moment().nullable() })
  .openapi('AgedRows', { description: 'Up to 10,000 rows; 10,001 says that there are more.' });
const kind = () => z.string().regex(/^[a-z_]{1,40}$/, 'must be a kind of the list');
const days = () => z.int().min(1).max(36_500);

const list = createStaffRoute({
  method: 'get',
  path: '/api/privacy/retention',
  right: 'steward',
  summary: 'How long each kind of record is kept, what decides about it, and what goes next',
  responses: {
    200: json(
      'The kinds.',
      z.object({
        rules: z.array(
          z
            .object({
              kind: z.string(),
              days: z.int().nullable().openapi({ description: 'Null: kept until somebody is erased.' }),
              days_min: z.int(),
              days_max: z.int(),
              meaning: z.string(),
              set_by: z.enum(['rule', 'limit', 'SYNC_KEEP_DAYS']),
              round_ended_at: moment().nullable(),
              removed_in_round: z.int().nullable(),
              changed_at: moment().nullable(),
              changed_by: z.string().nullable(),
              changed_by_name: z.string().nullable(),
              next: z.array(AgedSchema),
            })
            .openapi('RetentionRule'),
        ),
      }),
    ),
    ...problems(503),
  },
});

const preview = createStaffRoute({
  method: 'get',
  path: '/api/privacy/retention/{kind}/preview',
  right: 'steward',
  summary: 'What a rule of so many days would remove next; nothing is changed',
  request: {
    params: object({ kind: kind() }),
    query: object({ days: z.coerce.number().int().min(1).max(36_500).openapi({ type: 'integer' }) }),
  },
  responses: { 200: json('By table.', z.object({ next: z.array(AgedSchema) })), ...problems(422, 503) },
});

const set = createStaffRoute({
  method: 'post',
  path: '/api/privacy/retention/{kind}',
  operationId: 'setPrivacyRetention',
  right: 'administrator',
  summary: 'Set how long a kind is kept',
  request: {
    params: object({ kind: kind() }),
    body: jsonBody(
      object({
        days: days().nullable().openapi({ description: 'Null: kept until somebody is erased.' }),
        reason: reason(),
      }).openapi('RetentionChange'),
    ),
  },
  responses: {
    200: json('The number of the record.', z.object({ record: z.int() })),
    ...problems(404, 409, 422, 503),
  },
});

/** How long things are kept. */
export function addRetentionRoutes(app: App, db: PlatformDb, privacy: Privacy | undefined): void {
  app.openapi(list, async (c) => {
    const rules = await orPrivacyProblem(() => requirePrivacy(privacy).with(actorOf(c), listRetention));
    const names = await readNames(
      db,
      rules.map(({ changed_by: actor }) => ({ actor })),
    );
    return c.json(
      { rules: rules.map((rule) => ({ ...rule, changed_by_name: names.get(rule.changed_by ?? '') ?? null })) },
      200,
    );
  });
  app.openapi(preview, async (c) => {
    const next = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actorOf(c), (client) =>
        previewRetention(client, c.req.valid('param').kind, c.req.valid('query').days),
      ),
    );
    return c.json({ next }, 200);
  });
  app.openapi(set, async (c) => {
    const { days: kept, reason: because } = c.req.valid('json');
    const record = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actorOf(c), (client) =>
        setRetention(client, c.req.valid('param').kind, kept, because),
      ),
    );
    return c.json({ record }, 200);
  });
}
