import {
  type App,
  createStaffRoute,
  jsonBody,
  line,
  object,
  problems,
  type ServerContext,
  uuid,
  z,
} from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import {
  addSecret,
  countHoldings,
  createWidget,
  deleteWidget,
  listWidgets,
  removeSecret,
  replaceTeam,
  updateWidget,
  type Widget,
} from './widgets.ts';
import { WidgetSettingsSchema } from './widgetsettings.ts';

const moment = z.string().openapi({ format: 'date-time' });
const WidgetSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    key: z.string(),
    name: z.string(),
    is_active: z.boolean(),
    allowed_origins: z.array(z.string()).openapi({ description: 'Empty: every page.' }),
    settings: WidgetSettingsSchema,
    team: z.array(z.object({ id: z.string(), name: z.string() })).openapi({ description: 'Empty: all agents.' }),
    of_team: z.object({ id: z.string(), name: z.string() }).nullable().openapi({
      description: 'The team whose hours, rule and targets hold. Its members are the agents of the widget.',
    }),
    ends_after_hours: z.int().nullable(),
    reopens_days: z.int(),
    secrets: z.array(z.object({ id: z.string(), created_at: moment, retires_at: moment.nullable() })),
    version: z.int(),
    snippet: z.string().openapi({ description: 'The line for the host page.' }),
  })
  .openapi('Widget');

const widgetKey = object({ id: uuid() });
const name = () => line({ charactersMax: 80 });
const answer = (description: string) => ({ description, content: { 'application/json': { schema: WidgetSchema } } });

const originsMax = 50;
/** An origin as browsers write it: lower case, no path, no default port. */
const origin = line({ charactersMax: 300 })
  .refine(isOrigin, { error: 'must be an origin such as https://shop.example, without a path' })
  .transform((given) => new URL(given).origin);

function isOrigin(given: string): boolean {
  if (!URL.canParse(given)) return false;
  const { protocol, hostname, href, origin } = new URL(given);
  const isLocal = hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]';
  return (
    href === `${origin}/` && !hostname.includes('*') && (protocol === 'https:' || (protocol === 'http:' && isLocal))
  );
}

const list = createStaffRoute({
  method: 'get',
  path: '/api/widgets',
  right: 'person',
  summary: 'All widgets',
  responses: {
    200: {
      description: 'By name.',
      content: { 'application/json': { schema: z.object({ widgets: z.array(WidgetSchema) }) } },
    },
  },
});

const create = createStaffRoute({
  method: 'post',
  path: '/api/widgets',
  right: 'administrator',
  summary: 'Add a widget',
  request: { body: jsonBody(object({ name: name() }).openapi('NewWidget')) },
  responses: { 201: answer('Added, with a key of its own.'), ...problems(400, 422) },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/widgets/{id}',
  right: 'administrator',
  summary: 'Change a widget',
  request: {
    params: widgetKey,
    body: jsonBody(
      object({
        name: name().optional(),
        is_active: z.boolean().optional(),
        allowed_origins: z.array(origin).max(originsMax).optional(),
        settings: WidgetSettingsSchema.optional(),
        team_id: uuid().nullable().optional(),
        ends_after_hours: z.int().min(1).max(2_160).nullable().optional().openapi({
          description:
            'A conversation in which nobody wrote for so long ends by itself, unless the visitor waits. null: none does.',
        }),
        reopens_days: z.int().min(0).max(365).optional().openapi({
          description: 'So long after its end a conversation opens again when its visitor writes. 0: never.',
        }),
        expected_version: z.int().positive().optional(),
      }).openapi('WidgetChange'),
    ),
  },
  responses: { 200: answer('As it is now.'), ...problems(400, 404, 409, 422) },
});

const holdings = createStaffRoute({
  method: 'get',
  path: '/api/widgets/{id}/holdings',
  right: 'person',
  summary: 'What a widget holds, which would go with it',
  request: { params: widgetKey },
  responses: {
    200: {
      description:
        'A widget with conversations cannot be deleted; an opened widget counts as one, also if nothing was written.',
      content: {
        'application/json': {
          schema: z
            .object({ conversations: z.int(), chatbots: z.array(z.string()), agents: z.int(), secrets: z.int() })
            .openapi('WidgetHoldings'),
        },
      },
    },
    ...problems(404, 422),
  },
});

const remove = createStaffRoute({
  method: 'delete',
  path: '/api/widgets/{id}',
  right: 'administrator',
  summary: 'Delete a widget through which nobody came, with its chatbots, team and secrets',
  request: { params: widgetKey },
  responses: { 204: { description: 'Deleted.' }, ...problems(404, 409, 422) },
});

const team = createStaffRoute({
  method: 'put',
  path: '/api/widgets/{id}/team',
  right: 'administrator',
  summary: 'Set the agents who answer a widget that belongs to no team',
  request: {
    params: widgetKey,
    body: jsonBody(object({ agent_ids: z.array(uuid()).max(500) }).openapi('WidgetTeam')),
  },
  responses: { 200: answer('As it is now.'), ...problems(400, 404, 409, 422) },
});

const addOne = createStaffRoute({
  method: 'post',
  path: '/api/widgets/{id}/secrets',
  right: 'administrator',
  summary: 'Make a new secret for signed identities',
  description: 'It is shown only here. The previous one stays valid for a day.',
  request: { params: widgetKey, body: jsonBody(object({}).openapi('NewSecret')) },
  responses: {
    201: {
      description: 'Keep it on the host page’s server.',
      content: { 'application/json': { schema: z.object({ id: z.string(), secret: z.string() }) } },
    },
    ...problems(400, 404, 422),
  },
});

const removeOne = createStaffRoute({
  method: 'delete',
  path: '/api/widgets/{id}/secrets/{secret_id}',
  right: 'administrator',
  summary: 'Withdraw a secret at once',
  request: { params: object({ id: uuid(), secret_id: uuid() }) },
  responses: { 204: { description: 'Its signatures are no longer valid.' }, ...problems(404, 422) },
});

export function addWidgetRoutes(app: App, db: PlatformDb, { url }: Pick<ServerContext, 'url'>) {
  const withSnippet = (widget: Widget) => ({
    ...widget,
    snippet: `<script async src="${url()}/widget.js" data-key="${widget.key}"></script>`,
  });
  return app
    .openapi(list, async (c) => c.json({ widgets: (await listWidgets(db)).map(withSnippet) }, 200))
    .openapi(create, async (c) => {
      const made = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        createWidget(tx, c.req.valid('json').name),
      );
      return c.json(withSnippet(made), 201);
    })
    .openapi(change, async (c) => {
      const { expected_version, ...change } = c.req.valid('json');
      const changed = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        updateWidget(tx, c.req.valid('param').id, change, expected_version),
      );
      return c.json(withSnippet(changed), 200);
    })
    .openapi(holdings, async (c) => c.json(await countHoldings(db, c.req.valid('param').id), 200))
    .openapi(remove, async (c) => {
      await db.transaction({ actor: c.get('actor')?.id }, (tx) => deleteWidget(tx, c.req.valid('param').id));
      return c.body(null, 204);
    })
    .openapi(team, async (c) => {
      const changed = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        replaceTeam(tx, c.req.valid('param').id, c.req.valid('json').agent_ids),
      );
      return c.json(withSnippet(changed), 200);
    })
    .openapi(addOne, async (c) =>
      c.json(await db.transaction({ actor: c.get('actor')?.id }, (tx) => addSecret(tx, c.req.valid('param').id)), 201),
    )
    .openapi(removeOne, async (c) => {
      const { id, secret_id } = c.req.valid('param');
      await db.transaction({ actor: c.get('actor')?.id }, (tx) => removeSecret(tx, id, secret_id));
      return c.body(null, 204);
    });
}
