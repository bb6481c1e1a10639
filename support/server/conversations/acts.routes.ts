import { type App, bigintId, createStaffRoute, jsonBody, object, problems, time, uuid, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { actOnSessions } from './acts.ts';
import { priorities } from './labels.ts';
import type { Live } from './live.ts';
import { requireReaderOf } from './readers.ts';

const sessionsMax = 100;

const priority = z.enum(priorities);
const moment = z.string().openapi({ format: 'date-time' });
const ActSchema = z
  .union(
    [
      object({
        kind: z.literal('assign'),
        agent_id: uuid().nullable(),
        snoozed_until: time().optional().openapi({
          description:
            'Snoozed again until then, as they were before: an assignment wakes a conversation. For an undo.',
        }),
      }),
      object({ kind: z.literal('end'), resolved: z.boolean() }),
      object({ kind: z.enum(['tag', 'untag']), tag_id: bigintId() }),
      object({ kind: z.literal('priority'), priority }),
    ],
    { error: 'must be one of assign, end, tag, untag and priority, with what it needs' },
  )
  .openapi('SessionsAct');
const OutcomeSchema = z
  .object({
    changed: z
      .array(z.object({ id: z.string(), agent_id: z.string().nullable(), priority, snoozed_until: moment.nullable() }))
      .openapi({ description: 'Each with its agent, its priority and until when it was snoozed before, for an undo.' }),
    unchanged: z.int().openapi({ description: 'They were so already.' }),
    refused: z.array(
      z.object({
        session: z.object({ id: z.string(), name: z.string().nullable() }),
        code: z.string().openapi({ example: 'session-ended' }),
        detail: z.string(),
      }),
    ),
  })
  .openapi('SessionsOutcome');

const act = createStaffRoute({
  method: 'post',
  path: '/api/sessions/acts',
  operationId: 'actOnSessions',
  right: 'person',
  summary: 'Assign or end many conversations, tag them, or give them a priority',
  description:
    'Each is done as by itself. One that cannot be changed, or that the agent may not read, is left as it is and named with the reason. What was ended stays ended.',
  request: {
    body: jsonBody(
      object({
        ids: z.array(uuid()).min(1).max(sessionsMax),
        act: ActSchema,
        only_if: object({ agent_id: uuid().nullable().optional(), priority: priority.optional() }).optional().openapi({
          description: 'Only those that are so now: an undo leaves alone what somebody has changed since.',
        }),
      }).openapi('ManySessions'),
    ),
  },
  responses: {
    200: {
      description: 'What was changed, and what was not and why.',
      content: { 'application/json': { schema: OutcomeSchema } },
    },
    ...problems(400, 422),
  },
});

export function addSessionActRoutes(app: App, db: PlatformDb, live: Live) {
  return app.openapi(act, async (c) => {
    const caller = c.get('caller');
    const { ids, act, only_if: onlyIf } = c.req.valid('json');
    const outcome = await actOnSessions(db, act, [...new Set(ids)], {
      actor: c.get('actor')?.id,
      onlyIf,
      // The right `person` has refused machines, so there is an agent.
      findAgent: async (id) => {
        const { agentId, readsAll } = await requireReaderOf(db, caller, id);
        return { agentId: agentId as string, readsAll };
      },
    });
    for (const { id } of outcome.changed) live.announce(id, { kind: 'look' });
    return c.json(outcome, 200);
  });
}
