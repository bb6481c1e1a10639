import {
  type App,
  createStaffRoute,
  jsonBody,
  MoveRequestSchema,
  MoveSchema,
  object,
  problems,
  uuid,
  z,
} from '@aether/http';
import { NotFound, type PlatformDb, type Queryable, repeatIfGone, type User } from '@aether/platform';
import { requireCustomer } from '../customers/customers.ts';
import { NotYours } from './activities.ts';

const key = object({ id: uuid() });
const moved = (description: string) => ({
  200: { description, content: { 'application/json': { schema: z.object({ move: MoveSchema }) } } },
  ...problems(400, 404, 409, 410, 422),
});

const move = createStaffRoute({
  method: 'post',
  path: '/api/activities/{id}/moves',
  right: 'person',
  summary: 'Move an activity of the wrong person to the right customer',
  description:
    'An activity that a person wrote in Foundation: its author, data stewards and administrators move it. Support moves its own. What belongs to a deal stays with the deal. Each move is kept with its author and its reason.',
  request: { params: key, body: jsonBody(MoveRequestSchema) },
  responses: moved('The move.'),
});

const undo = createStaffRoute({
  method: 'post',
  path: '/api/activities/{id}/moves/{move}/undo',
  right: 'person',
  summary: 'Take the latest move of an activity back',
  request: { params: key.extend({ move: uuid() }) },
  responses: moved('The move, undone.'),
});

/** Activities that belong to another customer. */
export function addActivityMoveRoutes(app: App, db: PlatformDb) {
  return app
    .openapi(move, async (c) => {
      const actor = c.get('actor');
      const { id } = c.req.valid('param');
      const { customer_id: asked, reason } = c.req.valid('json');
      await requireMover(db, id, actor);
      const made = await repeatIfGone({}, async () => {
        const { id: to } = await requireCustomer(db, asked); // a page may know only the id from before a merge
        return db.moveRecord({ kind: 'activity', id, to, reason }, { actor: actor?.id });
      });
      return c.json({ move: made }, 200);
    })
    .openapi(undo, async (c) => {
      const actor = c.get('actor');
      const { id, move } = c.req.valid('param');
      await requireMover(db, id, actor);
      const undone = await db.transaction({ actor: actor?.id }, async (tx) => {
        if ((await db.getMove(move, { tx })).record_id !== id) throw new NotFound('move');
        return db.undoMove(move, { tx });
      });
      return c.json({ move: undone }, 200);
    });
}

/** The author of an activity moves it, and those who look after everybody's data. @throws NotFound, NotYours */
async function requireMover(on: Queryable, id: string, actor: User | undefined): Promise<void> {
  const [known] = await on.query<{ created_by: string | null }>(
    `select created_by from crm.activities where id = $1 and created_by_app = 'foundation'`,
    [id],
  );
  if (!known) throw new NotFound('activity that a person wrote');
  if (actor?.role === 'user' && known.created_by !== actor.id)
    throw new NotYours('Only who wrote this, a data steward or an administrator may move it.');
}
