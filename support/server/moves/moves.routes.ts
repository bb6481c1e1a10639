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
import { type Move, NotFound, type PlatformDb, repeatIfGone, type Transaction } from '@aether/platform';
import { requireAgent } from '../agents/agents.ts';
import { addEntry } from '../conversations/entries.ts';
import { requireReaderOf } from '../conversations/readers.ts';

const key = object({ id: uuid() });
const undoKey = key.extend({ move: uuid() });
const moved = (description: string) => ({
  200: { description, content: { 'application/json': { schema: z.object({ move: MoveSchema }) } } },
  ...problems(400, 404, 409, 410, 422),
});

const moveSession = createStaffRoute({
  method: 'post',
  path: '/api/sessions/{id}/moves',
  right: 'person',
  summary: 'Move a conversation of the wrong person to the right customer, with its activity in the CRM',
  description:
    'For agents who may read it. It is unverified afterwards: its visitor has not proven to be this customer. Each move is kept with its author and its reason.',
  request: { params: key, body: jsonBody(MoveRequestSchema) },
  responses: moved('The move.'),
});

const undoSession = createStaffRoute({
  method: 'post',
  path: '/api/sessions/{id}/moves/{move}/undo',
  right: 'person',
  summary: 'Take the latest move of a conversation back',
  request: { params: undoKey },
  responses: moved('The move, undone.'),
});

const moveCall = createStaffRoute({
  method: 'post',
  path: '/api/calls/{id}/moves',
  right: 'person',
  summary: 'Move a call of the wrong person to the right customer, with its activity in the CRM',
  request: { params: key, body: jsonBody(MoveRequestSchema) },
  responses: moved('The move.'),
});

const undoCall = createStaffRoute({
  method: 'post',
  path: '/api/calls/{id}/moves/{move}/undo',
  right: 'person',
  summary: 'Take the latest move of a call back',
  request: { params: undoKey },
  responses: moved('The move, undone.'),
});

/** Conversations and calls that belong to another customer. Whoever may read the record may move it; a machine may not. */
export function addMoveRoutes(app: App, db: PlatformDb) {
  /** @throws NotFound if the move is of another record than the one in the path, which decides who may undo it. */
  async function undo(tx: Transaction, kind: Move['kind'], id: string, move: string): Promise<Move> {
    const known = await db.getMove(move, { tx });
    if (known.kind !== kind || known.record_id !== id) throw new NotFound('move');
    return db.undoMove(move, { tx });
  }

  return app
    .openapi(moveSession, async (c) => {
      const { id } = c.req.valid('param');
      const { agentId } = await requireReaderOf(db, c.get('caller'), id);
      const { customer_id: asked, reason } = c.req.valid('json');
      const move = await repeatIfGone({}, async () => {
        const to = await survivorOf(db, asked);
        return db.transaction({ actor: c.get('actor')?.id }, async (tx) => {
          const made = await db.moveRecord({ kind: 'session', id, to, reason }, { tx });
          await addEntry(tx, id, 'moved', { agentId: agentId ?? undefined, body: reason });
          return made;
        });
      });
      return c.json({ move }, 200);
    })
    .openapi(undoSession, async (c) => {
      const { id, move } = c.req.valid('param');
      const { agentId } = await requireReaderOf(db, c.get('caller'), id);
      const undone = await db.transaction({ actor: c.get('actor')?.id }, async (tx) => {
        const undone = await undo(tx, 'session', id, move);
        await addEntry(tx, id, 'moved', { agentId: agentId ?? undefined });
        return undone;
      });
      return c.json({ move: undone }, 200);
    })
    .openapi(moveCall, async (c) => {
      await requireAgent(db, c.get('actor'));
      const { id } = c.req.valid('param');
      const { customer_id: asked, reason } = c.req.valid('json');
      const move = await repeatIfGone({}, async () =>
        db.moveRecord({ kind: 'call', id, to: await survivorOf(db, asked), reason }, { actor: c.get('actor')?.id }),
      );
      return c.json({ move }, 200);
    })
    .openapi(undoCall, async (c) => {
      await requireAgent(db, c.get('actor'));
      const { id, move } = c.req.valid('param');
      const undone = await db.transaction({ actor: c.get('actor')?.id }, (tx) => undo(tx, 'call', id, move));
      return c.json({ move: undone }, 200);
    });
}

/** The customer that an id means now: a page may know only the id from before a merge. @throws NotFound */
async function survivorOf(db: PlatformDb, id: string): Promise<string> {
  const customer = await db.getCustomerById(id);
  if (!customer) throw new NotFound('customer');
  return customer.id;
}
