import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type App, createStaffRoute, object, problems, z } from '@aether/http';
import { NotFound } from '@aether/platform';

const folder = join(import.meta.dirname, '..', '..', '..', 'docs', 'runbooks');

/** The name of a runbook, which is also that of its file. It has no dot and no slash, so that it leads nowhere else. */
const kind = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,59}$/, { error: 'must be the kind of a check, such as subscription' })
  .openapi({ example: 'subscription' });

const read = createStaffRoute({
  method: 'get',
  path: '/api/runbooks/{kind}',
  right: 'person',
  summary: 'What a check means, likely causes, and what to do',
  request: { params: object({ kind }) },
  responses: {
    200: {
      description: 'The page of docs/runbooks, in Markdown.',
      content: { 'application/json': { schema: z.object({ kind: z.string(), text: z.string() }).openapi('Runbook') } },
    },
    ...problems(400, 404, 422),
  },
});

/** Adds the runbooks of docs/, which the pages of the console link to. */
export function addRunbookRoutes(app: App) {
  return app.openapi(read, async (c) => {
    const { kind } = c.req.valid('param');
    const text = await readFile(join(folder, `${kind}.md`), 'utf8').catch((error) => {
      if (error.code === 'ENOENT') throw new NotFound('runbook');
      throw error;
    });
    return c.json({ kind, text }, 200);
  });
}
