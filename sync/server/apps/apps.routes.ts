import { type App, createStaffRoute, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { listApps } from '../../operations/apps.ts';
import { requiredMigration } from '../../settings.ts';
import { json, moment } from '../acting.ts';

const AppSchema = z
  .object({
    name: z.string().openapi({ example: 'billing' }),
    role: z.string(),
    audience: z.string(),
    created_at: moment(),
    logins: z.array(
      z.object({
        name: z.string(),
        connections: z.int().openapi({ description: 'Of all databases of this server, as its limit counts them.' }),
        connections_max: z.int().nullable().openapi({ description: 'Null: without a limit.' }),
      }),
    ),
    schema: z.object({ name: z.string(), tables: z.int() }).nullable(),
    machines: z
      .array(z.object({ client: z.string(), scopes: z.array(z.string()) }))
      .openapi({ description: 'Its clients at the identity provider, with what each may do at most over HTTP.' }),
    granted: z
      .array(z.object({ type: z.string(), with_amounts: z.boolean() }))
      .openapi({ description: 'Events of other apps’ records that it is told of.' }),
    sees: z.array(z.string()).openapi({ description: 'The types that the database publishes and it may see.' }),
    publishes: z
      .array(z.string())
      .openapi({ description: 'The types of its own among the latest ten thousand events of the log.' }),
    processes: z.object({ live: z.int(), silent: z.int() }),
    seen_at: moment().nullable().openapi({ description: 'When one of its processes reported last.' }),
    wrote_at: moment().nullable().openapi({
      description: 'When it last changed something as its own login, by the latest ten thousand events of the log.',
    }),
    made_for: z
      .number()
      .nullable()
      .openapi({ description: 'The migration that the oldest of its live processes is made for.' }),
    subscriptions: z.array(z.string()).openapi({ description: 'Its own; those of its webhooks are the worker’s.' }),
  })
  .openapi('AppStatus');

const list = createStaffRoute({
  method: 'get',
  path: '/api/apps',
  right: 'person',
  summary: 'The apps of this database: login, machines, what each may see, and whether it is heard of',
  responses: {
    200: json(
      'By name.',
      z.object({
        apps: z.array(AppSchema),
        made_for: z.int().openapi({ description: 'The migration that this server is made for.' }),
      }),
    ),
  },
});

/** The apps on this database. They are added and removed by command, because that makes a login and a password. */
export function addAppRoutes(app: App, db: PlatformDb) {
  return app.openapi(list, async (c) =>
    c.json({ apps: (await listApps(db)) as never[], made_for: requiredMigration }, 200),
  );
}
