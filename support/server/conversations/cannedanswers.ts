import { type App, createStaffRoute, jsonBody, line, object, problems, text, uuid, z } from '@aether/http';
import {
  collectValues,
  matchName,
  NotFound,
  type PlatformDb,
  patchRow,
  type Queryable,
  wordsOf,
} from '@aether/platform';
import { requireAgent } from '../agents/agents.ts';
import { knownPlaceholders } from './placeholders.ts';

/** Answers that agents give often, each behind a shortcut. */
export type CannedAnswer = { id: string; shortcut: string; title: string; body: string };

const CannedAnswerSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    shortcut: z.string(),
    title: z.string(),
    body: z
      .string()
      .openapi({ description: 'May hold {{customer.name}}, {{customer.first_name}} and {{agent.name}}.' }),
  })
  .openapi('CannedAnswer');

const fields = {
  shortcut: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,39}$/, {
    error: 'must be 1 to 40 small letters, digits, - or _',
  }),
  title: line({ charactersMax: 80 }),
  body: text({ charactersMax: 4_000 }).refine(...knownPlaceholders),
};
const answerKey = object({ id: uuid() });
const answer = (description: string) => ({
  description,
  content: { 'application/json': { schema: CannedAnswerSchema } },
});

const list = createStaffRoute({
  method: 'get',
  path: '/api/canned-answers',
  right: 'person',
  summary: 'Canned answers, by shortcut',
  request: { query: object({ search: line({ charactersMax: 100 }).optional() }) },
  responses: {
    200: {
      description: 'All, or those whose shortcut or title contains the text.',
      content: { 'application/json': { schema: z.object({ canned_answers: z.array(CannedAnswerSchema) }) } },
    },
    ...problems(422),
  },
});

const create = createStaffRoute({
  method: 'post',
  path: '/api/canned-answers',
  right: 'person',
  summary: 'Add a canned answer',
  request: { body: jsonBody(object(fields).openapi('NewCannedAnswer')) },
  responses: { 201: answer('Added.'), ...problems(400, 409, 422) },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/canned-answers/{id}',
  right: 'person',
  summary: 'Change a canned answer',
  request: { params: answerKey, body: jsonBody(object(fields).partial().openapi('CannedAnswerChange')) },
  responses: { 200: answer('As it is now.'), ...problems(400, 404, 409, 422) },
});

const remove = createStaffRoute({
  method: 'delete',
  path: '/api/canned-answers/{id}',
  right: 'person',
  summary: 'Remove a canned answer',
  request: { params: answerKey },
  responses: { 204: { description: 'Removed.' }, ...problems(404, 422) },
});

const answersMax = 500;
const columns = 'id, shortcut, title, body';

/** Adds the routes that read and write canned answers: all agents share them. */
export function addCannedAnswerRoutes(app: App, db: PlatformDb) {
  return app
    .openapi(list, async (c) => c.json({ canned_answers: await listAnswers(db, c.req.valid('query').search) }, 200))
    .openapi(create, async (c) => {
      await requireAgentOrAdmin(db, c.get('actor'));
      const { shortcut, title, body } = c.req.valid('json');
      const [made] = await db.query<CannedAnswer>(
        `insert into support.canned_answers (shortcut, title, body) values ($1, $2, $3) returning ${columns}`,
        [shortcut, title, body],
      );
      return c.json(made as CannedAnswer, 201);
    })
    .openapi(change, async (c) => {
      await requireAgentOrAdmin(db, c.get('actor'));
      const { id } = c.req.valid('param');
      const [changed] = await db.transaction({}, async (tx) => {
        await patchRow(tx, 'support.canned_answers', id, c.req.valid('json'), ['shortcut', 'title', 'body']);
        return tx.query<CannedAnswer>(`select ${columns} from support.canned_answers where id = $1`, [id]);
      });
      if (!changed) throw new NotFound('canned answer');
      return c.json(changed, 200);
    })
    .openapi(remove, async (c) => {
      await requireAgentOrAdmin(db, c.get('actor'));
      const gone = await db.query('delete from support.canned_answers where id = $1 returning id', [
        c.req.valid('param').id,
      ]);
      if (gone.length === 0) throw new NotFound('canned answer');
      return c.body(null, 204);
    });
}

async function requireAgentOrAdmin(db: PlatformDb, user: Parameters<typeof requireAgent>[1]): Promise<void> {
  if (user?.role !== 'admin') await requireAgent(db, user);
}

function listAnswers(on: Queryable, search: string | undefined): Promise<CannedAnswer[]> {
  const { values, parameter } = collectValues();
  return on.query<CannedAnswer>(
    `select ${columns} from support.canned_answers
     where ${
       wordsOf(search ?? '')
         .map((word) => matchName('title', word, parameter, { also: 'shortcut' }))
         .join(' and ') || 'true'
     }
     order by shortcut limit ${answersMax}`,
    values,
  );
}
