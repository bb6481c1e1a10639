import {
  type App,
  bigintIdText,
  createStaffRoute,
  jsonBody,
  line,
  object,
  Problem,
  problems,
  refuseReader,
  z,
} from '@aether/http';
import type { PlatformDb, User } from '@aether/platform';
import { createView, deleteView, listViews, updateView, viewPages } from './views.ts';

const ViewSchema = z
  .object({
    id: z.int(),
    page: z.enum(viewPages),
    name: z.string(),
    query: z.string().openapi({ example: 'tier=premium&sort=name' }),
    is_shared: z.boolean(),
    owner_id: z.string(),
  })
  .openapi('View');

const viewKey = object({ id: bigintIdText() });
const fields = {
  name: line({ charactersMax: 80 }),
  query: line({ charactersMin: 0, charactersMax: 12_000 }),
  is_shared: z.boolean(),
};
const answer = (description: string) => ({ description, content: { 'application/json': { schema: ViewSchema } } });

const list = createStaffRoute({
  method: 'get',
  path: '/api/views',
  right: 'person',
  summary: 'Saved views of a page: the caller’s own and the shared ones',
  request: { query: object({ page: z.enum(viewPages) }) },
  responses: {
    200: {
      description: 'The caller’s own first.',
      content: { 'application/json': { schema: z.object({ views: z.array(ViewSchema) }) } },
    },
    ...problems(422),
  },
});

const create = createStaffRoute({
  method: 'post',
  path: '/api/views',
  right: 'person',
  readers: 'changes their own',
  summary: 'Save a view',
  request: {
    body: jsonBody(
      object({ page: z.enum(viewPages), ...fields, is_shared: fields.is_shared.default(false) }).openapi('NewView'),
    ),
  },
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
  return app
    .openapi(list, async (c) => {
      const views = await listViews(db, c.req.valid('query').page, c.get('actor')?.id ?? '');
      return c.json({ views }, 200);
    })
    .openapi(create, async (c) => {
      const { id: owner_id, isReader } = requirePerson(c.get('actor'));
      if (isReader && c.req.valid('json').is_shared) throw refuseReader();
      const made = await db.transaction({ actor: owner_id }, (tx) =>
        createView(tx, { ...c.req.valid('json'), owner_id }),
      );
      return c.json(made, 201);
    })
    .openapi(change, async (c) => {
      const person = requirePerson(c.get('actor'));
      if (person.isReader && c.req.valid('json').is_shared) throw refuseReader();
      const changed = await db.transaction({ actor: person.id }, (tx) =>
        updateView(tx, c.req.valid('param').id, person, c.req.valid('json')),
      );
      return c.json(changed, 200);
    })
    .openapi(remove, async (c) => {
      const person = requirePerson(c.get('actor'));
      await db.transaction({ actor: person.id }, (tx) => deleteView(tx, c.req.valid('param').id, person));
      return c.body(null, 204);
    });
}

/** The person to whom a view belongs. @throws Problem for a machine */
function requirePerson(actor: User | undefined): { id: string; isAdmin: boolean; isReader: boolean } {
  if (!actor)
    throw new Problem({
      status: 403,
      code: 'person-only',
      detail: 'Views belong to people: sign in, or use a token of a person.',
    });
  return { id: actor.id, isAdmin: actor.role === 'admin', isReader: actor.role === 'reader' };
}
