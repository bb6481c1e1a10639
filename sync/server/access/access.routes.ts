import {
  type App,
  createStaffRoute,
  csvHeaders,
  jsonBody,
  type Log,
  object,
  Problem,
  problems,
  toCsv,
  z,
} from '@aether/http';
import { NotFound, type PlatformDb } from '@aether/platform';
import { readAccessFacts, readAccessMatrix } from '../../access/matrix.ts';
import { NoTrial, type Simulator } from '../../access/simulator.ts';
import { decide } from '../../access/verdict.ts';

const name = (charactersMax = 63) => z.string().min(1).max(charactersMax);
const verb = z.enum(['select', 'insert', 'update', 'delete']);
const table = z.string().regex(/^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$/, 'must be schema.table');

const matrix = createStaffRoute({
  method: 'get',
  path: '/api/access',
  right: 'person',
  summary: 'What each login may do with each column, as the database has it now',
  responses: {
    200: {
      description:
        'A cell has a letter for each verb: S select, I insert, U update, D delete (of the table). A small letter: a policy lets it through for some rows only.',
      content: {
        'application/json': {
          schema: z
            .object({
              logins: z.array(z.object({ login: z.string(), role: z.string() })),
              tried: z.array(z.string()).openapi({ description: 'The logins as which a statement can be tried here.' }),
              rows: z.array(
                z.object({
                  schema: z.string(),
                  table: z.string(),
                  kind: z.enum(['table', 'view']),
                  column: z.string().nullable(),
                  cells: z.record(z.string(), z.string()),
                }),
              ),
              functions: z.array(
                z.object({
                  name: z.string(),
                  isDefiner: z.boolean(),
                  comment: z.string().nullable(),
                  logins: z.array(z.string()),
                }),
              ),
            })
            .openapi('AccessMatrix'),
        },
      },
    },
  },
});

const csv = createStaffRoute({
  method: 'get',
  path: '/api/access/csv',
  right: 'person',
  summary: 'The matrix as a file',
  responses: { 200: { description: 'CSV.', content: { 'text/csv': { schema: z.string() } } } },
});

const facts = createStaffRoute({
  method: 'get',
  path: '/api/access/facts',
  right: 'person',
  summary: 'The grants and policies behind one right, and why it is absent',
  request: { query: object({ login: name(), table, column: name().optional(), verb }) },
  responses: {
    200: {
      description: 'What the catalogue says.',
      content: {
        'application/json': {
          schema: z
            .object({
              role: z.string(),
              mayUseSchema: z.boolean(),
              isGranted: z.boolean(),
              grantedTo: z.array(z.object({ role: z.string(), on: z.enum(['table', 'column', 'some columns']) })),
              hasRowSecurity: z.boolean(),
              policies: z.array(
                z.object({ name: z.string(), using: z.string().nullable(), check: z.string().nullable() }),
              ),
              absence: z.string().optional(),
            })
            .openapi('AccessFacts'),
        },
      },
    },
    ...problems(400, 404, 422),
  },
});

const trial = createStaffRoute({
  method: 'post',
  path: '/api/access/trials',
  right: 'administrator',
  summary: 'Try one statement as a login, and take it back',
  description:
    'A table, a verb, a column, a row and a value: never SQL. Nothing of it stays. docs/access.md says how the login of trials is kept from everything else.',
  request: {
    body: jsonBody(
      object({
        login: name(),
        table,
        verb,
        column: name().nullable().default(null),
        row: z
          .string()
          .max(200)
          .nullable()
          .default(null)
          .openapi({ description: 'The key of the row; null: any row. An insert copies it, with the value changed.' }),
        value: z.string().max(2_000).nullable().default(null),
      }).openapi('AccessQuestion'),
    ),
  },
  responses: {
    200: {
      description: 'The answer, with what decided.',
      content: {
        'application/json': {
          schema: z
            .object({
              isAllowed: z.boolean(),
              by: z.enum(['grant', 'policy', 'trigger', 'constraint', 'value', 'row', 'lock', 'other']),
              name: z.string().nullable(),
              sentence: z.string(),
              why: z.string().nullable(),
            })
            .openapi('AccessVerdict'),
        },
      },
    },
    ...problems(400, 404, 422, 503),
  },
});

/** Who may do what, and the trial of one right. */
export function addAccessRoutes(app: App, db: PlatformDb, simulator: Simulator | undefined, log: Log): void {
  app.openapi(matrix, async (c) =>
    c.json({ ...(await readAccessMatrix(db)), tried: (await simulator?.logins().catch(() => [])) ?? [] }, 200),
  );

  app.openapi(csv, async (c) => {
    const { logins, rows } = await readAccessMatrix(db);
    const names = logins.map(({ login }) => login);
    const lines = rows.map((row) => [
      row.schema,
      row.table,
      row.kind,
      row.column,
      ...names.map((each) => row.cells[each]),
    ]);
    return c.body(toCsv(['schema', 'table', 'kind', 'column', ...names], lines), 200, csvHeaders('access')) as never;
  });

  app.openapi(facts, async (c) => {
    const { column = null, ...asked } = c.req.valid('query');
    const found = await readAccessFacts(db, { ...asked, column });
    if (!found) throw new NotFound('right');
    return c.json(found as never, 200);
  });

  app.openapi(trial, async (c) => {
    const question = c.req.valid('json');
    if (!simulator)
      throw new Problem({
        status: 503,
        code: 'simulator-missing',
        detail: 'This console has no login for trials. Set SIMULATOR_DB_URL: docs/access.md says how.',
      });
    const found = await readAccessFacts(db, question);
    if (!found) throw new NotFound('right');
    const answer = await simulator.tryAs(question).catch((error) => {
      if (error instanceof NoTrial || (error as { code?: string }).code === '22023') throw new NotFound('right');
      log.warn({ err: error }, 'a trial had no answer');
      throw new Problem({
        status: 503,
        code: 'trial-unanswered',
        detail: 'The trial was not answered in time, and nothing of it stays. Ask again.',
      });
    });
    return c.json(decide(question, answer, found), 200);
  });
}
