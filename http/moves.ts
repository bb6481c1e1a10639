import type { MovedKind, PlatformDb } from '@aether/platform';
import type { Context } from 'hono';
import { jsonBody } from './input/body.ts';
import { line, object, uuid } from './input/fields.ts';
import { z } from './input/zod.ts';
import { problems } from './problem.ts';
import type { App, AppEnv } from './serving/app.ts';
import { createStaffRoute } from './staff.ts';

/*
 * A record of the wrong person goes to the right one: the same three routes for each kind of record, in the app that owns it. The app says
 * who may move it; the database does the rest (database/migrations/0020_moves.sql).
 */

const named = z.object({ id: z.string(), name: z.string().nullable() });

/** A record that was moved to another customer, as both apps show it. */
export const MoveSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    kind: z.enum(['session', 'call', 'activity']),
    record_id: z.string().openapi({ format: 'uuid' }),
    from: named.openapi({ description: 'Where it was. Of an erased customer the name is null.' }),
    to: named.openapi({ description: 'Where it went.' }),
    reason: z.string().nullable(),
    actor: z.object({ id: z.string(), name: z.string() }).nullable(),
    moved_at: z.string().openapi({ format: 'date-time' }),
    undone_at: z.string().nullable().openapi({ format: 'date-time' }),
  })
  .openapi('Move');

const MovePreviewSchema = z
  .object({
    from: named,
    to: named.nullable(),
    goes: z.array(z.object({ what: z.string(), count: z.int() })),
    stays: z.array(z.object({ what: z.string(), why: z.string() })),
  })
  .openapi('MovePreview');

const MoveRequestSchema = object({
  customer_id: uuid().openapi({ description: 'The customer to whom it belongs.' }),
  reason: line({ charactersMax: 500 }).optional(),
}).openapi('MoveRequest');

/** Nothing needs to be said, but every change is sent as JSON. */
const UndoRequestSchema = object({}).openapi('UndoMoveRequest');

const key = object({ id: uuid() });
const answer = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  200: { description, content: { 'application/json': { schema } } },
  ...problems(400, 404, 409, 410, 422),
});

/**
 * The routes that move a record.
 *
 * @param path that of the record, such as `/api/calls/{id}`
 * @param words what is moved, and who may do it
 */
export function movesOf<Path extends string>(path: Path, { what, who }: { what: string; who: string }) {
  return {
    preview: createStaffRoute({
      method: 'get',
      path: `${path}/moves/preview`,
      right: 'person',
      summary: `What a move of ${what} would take along, what would stay, and why`,
      description:
        'It is refused as the move would be. Without `customer_id` it says what is known before somebody is chosen.',
      request: { params: key, query: object({ customer_id: uuid().optional() }) },
      responses: answer('What the move would do.', MovePreviewSchema),
    }),
    move: createStaffRoute({
      method: 'post',
      path: `${path}/moves`,
      right: 'person',
      summary: `Move ${what} of the wrong person to the right customer`,
      description: `${who} Each move is kept with its author and its reason.`,
      request: { params: key, body: jsonBody(MoveRequestSchema) },
      responses: answer('The move.', z.object({ move: MoveSchema })),
    }),
    undo: createStaffRoute({
      method: 'post',
      path: `${path}/moves/{move}/undo`,
      right: 'person',
      summary: `Take the latest move of ${what} back`,
      request: { params: key.extend({ move: uuid() }), body: jsonBody(UndoRequestSchema) },
      responses: answer('The move, undone.', z.object({ move: MoveSchema })),
    }),
  } as const;
}

type MovedBy = {
  kind: MovedKind;
  /** Throws unless the caller may move this record. */
  requireMover: (c: Context<AppEnv>, id: string) => Promise<unknown>;
};

/** Adds the routes of `movesOf`. */
export function addMovesOf<Path extends string>(
  app: App,
  db: PlatformDb,
  routes: ReturnType<typeof movesOf<Path>>,
  { kind, requireMover }: MovedBy,
) {
  return app
    .openapi(routes.preview, async (c) => {
      const { id } = c.req.valid('param');
      await requireMover(c, id);
      const { customer_id: to } = c.req.valid('query');
      return c.json(await db.previewMove({ kind, id, to }, { actor: c.get('actor')?.id }), 200);
    })
    .openapi(routes.move, async (c) => {
      const { id } = c.req.valid('param');
      await requireMover(c, id);
      const { customer_id: to, reason } = c.req.valid('json');
      return c.json({ move: await db.moveRecord({ kind, id, to, reason }, { actor: c.get('actor')?.id }) }, 200);
    })
    .openapi(routes.undo, async (c) => {
      const { id, move } = c.req.valid('param');
      await requireMover(c, id);
      return c.json({ move: await db.undoMove({ kind, id, move }, { actor: c.get('actor')?.id }) }, 200);
    });
}
