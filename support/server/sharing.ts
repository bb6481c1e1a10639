import { type App, createStaffRoute, jsonBody, object, problems, z } from '@aether/http';
import { NotFound, type PlatformDb, VersionConflict } from '@aether/platform';

/* What Support lets the people of the CRM read of what was said. Its administrators decide; docs/support.md says what is never shown. */

const whats = ['conversations', 'calls'] as const;
const readers = ['nobody', 'managers', 'everybody'] as const;

type Sharing = { what: (typeof whats)[number]; readers: (typeof readers)[number]; version: number };

const SharingSchema = z
  .object({
    what: z.enum(whats).openapi({
      description:
        'conversations: what visitor, chatbot and agents said, once it has ended. calls: the agents’ notes of calls.',
    }),
    readers: z.enum(readers).openapi({
      description:
        'managers: the manager of the customer, and administrators. everybody: whoever may see the customer.',
    }),
    version: z.int(),
  })
  .openapi('Sharing');

const list = createStaffRoute({
  method: 'get',
  path: '/api/sharing',
  operationId: 'listSharing',
  right: 'person',
  summary: 'Who in the CRM reads conversations and notes of calls',
  responses: {
    200: {
      description: 'Both.',
      content: { 'application/json': { schema: z.object({ sharing: z.array(SharingSchema) }) } },
    },
  },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/sharing/{what}',
  operationId: 'changeSharing',
  right: 'administrator',
  summary: 'Decide who in the CRM reads conversations, or notes of calls',
  description:
    'It holds at once, also for conversations and calls that are over. Agents’ notes in a conversation are never shown.',
  request: {
    params: object({ what: z.enum(whats) }),
    body: jsonBody(
      object({ readers: z.enum(readers), expected_version: z.int().positive().optional() }).openapi('SharingChange'),
    ),
  },
  responses: {
    200: { description: 'As it is now.', content: { 'application/json': { schema: SharingSchema } } },
    ...problems(400, 404, 409, 422),
  },
});

const columns = 'what, readers, version';

export function addSharingRoutes(app: App, db: PlatformDb) {
  return app
    .openapi(list, async (c) =>
      c.json({ sharing: await db.query<Sharing>(`select ${columns} from support.sharing order by what desc`) }, 200),
    )
    .openapi(change, async (c) => {
      const { what } = c.req.valid('param');
      const { readers, expected_version } = c.req.valid('json');
      const changed = await db.transaction({ actor: c.get('actor')?.id }, async (tx) => {
        const [held] = await tx.query<Sharing>(`select ${columns} from support.sharing where what = $1 for update`, [
          what,
        ]);
        if (!held) throw new NotFound('sharing');
        if (expected_version !== undefined && held.version !== expected_version)
          throw new VersionConflict('sharing', expected_version, held.version);
        const [row] = await tx.query<Sharing>(
          `update support.sharing set readers = $2 where what = $1 returning ${columns}`,
          [what, readers],
        );
        return row as Sharing;
      });
      return c.json(changed, 200);
    });
}
