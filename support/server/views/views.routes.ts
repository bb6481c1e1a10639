import {
  type App,
  bigintIdText,
  createStaffRoute,
  jsonBody,
  line,
  object,
  problems,
  refuseReader,
  z,
} from '@aether/http';
import type { PlatformDb, User } from '@aether/platform';
import { requireAgent } from '../agents/agents.ts';
import { createView, deleteView, listViews, updateView } from './views.ts';

const ViewSchema = z
  .object({
    id: z.int(),
    name: z.string(),
    query: z.string().openapi({ example: 'priority=urgent&view=unassigned' }),
    is_shared: z.boolean(),
    owner_id: z.string(),
  })
  .openapi('View');

const viewKey = object({ id: bigintIdText() });
const fields = {
  name: line({ charactersMax: 80 }),
  query: line({ charactersMin: 0, charactersMax: 500 }),
  is_shared: z.boolean(),
};
const answer = (description: string) => ({ description, content: { 'application/json': { schema: ViewSchema } } });

const list = createStaffRoute({
  method: 'get',
  path: '/api/views',
  right: 'person',
  summary: 'Saved views of the inbox: the caller’s own and the shared ones; for agents',
  responses: {
    200: {
      description: 'The caller’s own first.',
      content: { 'application/json': { schema: z.object({ views: z.array(ViewSchema) }) } },
    },
  },
});

const create = createStaffRoute({
  method: 'post',
  path: '/api/views',
  right: 'person',
  readers: 'changes their own',
  summary: 'Save a view of the inbox; for agents',
  request: { body: jsonBody(object({ ...fields, is_shared: fields.is_shared.default(false) }).openapi('NewView')) },
  responses: { 201: answer('Saved.'), ...problems(400, 409, 422) },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/views/{id}',
  right: 'person',
  readers: 'changes their own',
  summary: 'Change one of the caller’s views; administrators may also change a shared one',
  request: { params: viewKey, body: jsonBody(object(fields).partial().openapi('ViewChange')) },
  responses: { 200: answer('The record after the change.'), ...problems(400, 404, 409, 422) },
});

const remove = createStaffRoute({
  method: 'delete',
  path: '/api/views/{id}',
  right: 'person',
  readers: 'changes their own',
  summary: 'Remove one of the caller’s views; administrators may also remove a shared one',
  request: { params: viewKey },
  responses: { 204: { description: 'Removed.' }, ...problems(404, 422) },
});

export function addViewRoutes(app: App, db: PlatformDb) {
  /** The right `person` has refused machines. @throws Problem 403 for a person who is no agent */
  async function requirePerson(actor: User | undefined): Promise<{ id: string; isAdmin: boolean; isReader: boolean }> {
    await requireAgent(db, actor);
    return { id: actor?.id as string, isAdmin: actor?.role === 'admin', isReader: actor?.role === 'reader' };
  }

  return app
    .openapi(list, async (c) => {
      const { id } = await requirePerson(c.get('actor'));
      return c.json({ views: await listViews(db, id) }, 200);
    })
    .openapi(create, async (c) => {
      const { id: owner_id, isReader } = await requirePerson(c.get('actor'));
      if (isReader && c.req.valid('json').is_shared) throw refuseReader();
      const made = await db.transaction({ actor: owner_id }, (tx) =>
        createView(tx, { ...c.req.valid('json'), owner_id }),
      );
      return c.json(made, 201);
    })
    .openapi(change, async (c) => {
      const person = await requirePerson(c.get('actor'));
      if (person.isReader && c.req.valid('json').is_shared) throw refuseReader();
      const changed = await db.transaction({ actor: person.id }, (tx) =>
        updateView(tx, c.req.valid('param').id, person, c.req.valid('json')),
      );
      return c.json(changed, 200);
    })
    .openapi(remove, async (c) => {
      const person = await requirePerson(c.get('actor'));
      await db.transaction({ actor: person.id }, (tx) => deleteView(tx, c.req.valid('param').id, person));
      return c.body(null, 204);
    });
}
