import { type App, createStaffRoute, jsonBody, object, problems, uuid, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { membersField, TeamSchema, teamFields } from './teams.schemas.ts';
import { createTeam, deleteTeam, listTeams, updateTeam } from './teams.ts';

const key = object({ id: uuid() });
const one = (description: string) => ({ description, content: { 'application/json': { schema: TeamSchema } } });
const { name, ...others } = teamFields;

const list = createStaffRoute({
  method: 'get',
  path: '/api/teams',
  right: 'person',
  summary: 'The teams: who answers, when, by which rule, and how soon',
  responses: {
    200: {
      description: 'By name.',
      content: { 'application/json': { schema: z.object({ teams: z.array(TeamSchema) }) } },
    },
  },
});

const create = createStaffRoute({
  method: 'post',
  path: '/api/teams',
  right: 'administrator',
  summary: 'Add a team',
  request: {
    body: jsonBody(
      object({ name, ...object(others).partial().shape, members: membersField.optional() }).openapi('NewTeam'),
    ),
  },
  responses: { 201: one('Added.'), ...problems(400, 409, 422) },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/teams/{id}',
  right: 'administrator',
  summary: 'Change a team',
  description:
    'Members read the conversations of the team’s widgets from then on. The clocks of open conversations are computed again.',
  request: {
    params: key,
    body: jsonBody(
      object({
        ...object(teamFields).partial().shape,
        members: membersField.optional(),
        expected_version: z.int().positive().optional(),
      }).openapi('TeamChange'),
    ),
  },
  responses: { 200: one('As it is now.'), ...problems(400, 404, 409, 422) },
});

const remove = createStaffRoute({
  method: 'delete',
  path: '/api/teams/{id}',
  right: 'administrator',
  summary: 'Delete a team that answers no widget',
  request: { params: key },
  responses: { 204: { description: 'Deleted.' }, ...problems(404, 409, 422) },
});

export function addTeamRoutes(app: App, db: PlatformDb) {
  return app
    .openapi(list, async (c) => c.json({ teams: await listTeams(db) }, 200))
    .openapi(create, async (c) => {
      const made = await db.transaction({ actor: c.get('actor')?.id }, (tx) => createTeam(tx, c.req.valid('json')));
      return c.json(made, 201);
    })
    .openapi(change, async (c) => {
      const { expected_version, ...change } = c.req.valid('json');
      const changed = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        updateTeam(tx, c.req.valid('param').id, change, expected_version),
      );
      return c.json(changed, 200);
    })
    .openapi(remove, async (c) => {
      await db.transaction({ actor: c.get('actor')?.id }, (tx) => deleteTeam(tx, c.req.valid('param').id));
      return c.body(null, 204);
    });
}
