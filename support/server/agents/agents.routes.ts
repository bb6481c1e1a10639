import {
  type App,
  createStaffRoute,
  cursor,
  cursorsOf,
  jsonBody,
  object,
  Problem,
  pageSize,
  problems,
  uuid,
  z,
} from '@aether/http';
import { type PlatformDb, type Role, readList, roles } from '@aether/platform';
import {
  addAgent,
  availabilities,
  findAgent,
  getAgent,
  listAgents,
  noteSeen,
  requireAgent,
  updateAgent,
} from './agents.ts';

const availability = z.enum(availabilities);
const AgentSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    user_id: z.string(),
    name: z.string(),
    email: z.string(),
    availability,
    is_here: z.boolean().openapi({ description: 'Was seen at the console in the last two minutes.' }),
    is_active: z.boolean(),
    is_reader: z.boolean().openapi({ description: 'Reads what the teams read, and is given no conversation.' }),
    widgets: z.array(z.object({ id: z.string(), name: z.string() })),
    open_sessions: z.int(),
  })
  .openapi('Agent');

const answer = (description: string) => ({ description, content: { 'application/json': { schema: AgentSchema } } });

const me = createStaffRoute({
  method: 'get',
  path: '/api/agents/me',
  right: 'person',
  summary: 'The agent row of the signed-in person',
  responses: {
    200: {
      description: 'null: the person is not an agent, or is no longer one.',
      content: {
        'application/json': { schema: z.object({ agent: AgentSchema.nullable(), is_admin: z.boolean() }) },
      },
    },
  },
});

const seen = createStaffRoute({
  method: 'post',
  path: '/api/agents/me/seen',
  operationId: 'reportSeen',
  right: 'person',
  summary: 'Report that the console is open',
  description: 'Send it every 45 seconds: an online agent who was not seen for two minutes counts as absent.',
  request: { body: jsonBody(object({}).openapi('Seen')) },
  responses: { 204: { description: 'Noted.' }, ...problems(400, 422) },
});

const list = createStaffRoute({
  method: 'get',
  path: '/api/agents',
  right: 'users.read',
  summary: 'All agents, by name',
  responses: {
    200: {
      description: 'Former agents come last.',
      content: { 'application/json': { schema: z.object({ agents: z.array(AgentSchema) }) } },
    },
  },
});

const add = createStaffRoute({
  method: 'post',
  path: '/api/agents',
  right: 'administrator',
  summary: 'Make a user an agent',
  request: { body: jsonBody(object({ user_id: z.string().min(1).max(255) }).openapi('NewAgent')) },
  responses: { 201: answer('An agent, now or before.'), ...problems(400, 422) },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/agents/{id}',
  right: 'person',
  summary: 'Change an agent’s availability, or whether they are an agent',
  description:
    'Agents set their own availability; everything else is for administrators. An agent who leaves gives back their open conversations.',
  request: {
    params: object({ id: uuid() }),
    body: jsonBody(
      object({ availability: availability.optional(), is_active: z.boolean().optional() }).openapi('AgentChange'),
    ),
  },
  responses: { 200: answer('As they are now.'), ...problems(400, 404, 422) },
});

const users = createStaffRoute({
  method: 'get',
  path: '/api/users',
  right: 'users.read',
  summary: 'The staff, by name, with the agents among them',
  request: { query: object({ cursor: cursor().optional(), limit: pageSize({ max: 1_000, default: 200 }) }) },
  responses: {
    200: {
      description: 'Every user who has signed in to either app, without those who left.',
      content: {
        'application/json': {
          schema: z.object({
            users: z.array(
              z.object({
                id: z.string(),
                name: z.string(),
                email: z.string(),
                role: z.enum(roles),
                is_agent: z.boolean(),
              }),
            ),
            next_cursor: z.string().nullable(),
          }),
        },
      },
    },
    ...problems(422),
  },
});

type StaffUser = { id: string; name: string; email: string; role: Role; is_agent: boolean };
const byName = { order: { by: 'u.name', type: 'text', id: 'u.id', idType: 'text' }, direction: 'asc' } as const;

export function addAgentRoutes(app: App, db: PlatformDb) {
  const cursors = cursorsOf(db);
  return app
    .openapi(me, async (c) => {
      const actor = c.get('actor');
      const found = await findAgent(db, actor);
      const agent = found ? await getAgent(db, found.id) : null;
      return c.json({ agent, is_admin: actor?.role === 'admin' }, 200);
    })
    .openapi(seen, async (c) => {
      await noteSeen(db, (await requireAgent(db, c.get('actor'))).id);
      return c.body(null, 204);
    })
    .openapi(list, async (c) => c.json({ agents: await listAgents(db) }, 200))
    .openapi(add, async (c) => {
      const agent = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        addAgent(tx, c.req.valid('json').user_id),
      );
      return c.json(agent, 201);
    })
    .openapi(change, async (c) => {
      const actor = c.get('actor');
      const { id } = c.req.valid('param');
      const { availability, is_active } = c.req.valid('json');
      const isOwn = (await findAgent(db, actor))?.id === id && is_active === undefined;
      if (!isOwn && actor?.role !== 'admin')
        throw new Problem({
          status: 403,
          code: 'admin-only',
          detail: 'Agents change their own availability; everything else is for administrators.',
        });
      const agent = await db.transaction({ actor: actor?.id }, (tx) =>
        updateAgent(tx, id, { availability, is_active }),
      );
      return c.json(agent, 200);
    })
    .openapi(users, async (c) => {
      const { page: found, next_cursor } = await cursors.page('users', c.req.valid('query'), (paging) =>
        readList<StaffUser>(db, { ...byName, ...paging }, () => ({
          columns: 'u.id, u.name, u.email, u.role, coalesce(a.is_active, false) as is_agent',
          from: 'platform.users u left join support.agents a on a.user_id = u.id',
          where: ['u.left_at is null'],
        })),
      );
      return c.json({ users: found, next_cursor }, 200);
    });
}
