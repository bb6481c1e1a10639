import { type App, createStaffRoute, csvHeaders, jsonBody, line, object, Problem, problems, z } from '@aether/http';
import {
  answers,
  ImportRefused,
  listRuns,
  mendingFileOf,
  outcomes,
  type Run,
  readKept,
  readRun,
  readSettings,
  UnknownSetting,
} from '@aether/importer';
import type { PlatformDb } from '@aether/platform';
import { type JobKind, listJobsOfRun } from '../../imports/jobs.ts';
import { asImportClient, showCandidates, showKept, showRows } from '../../imports/runrows.ts';
import { readUploads } from '../../imports/uploads.ts';
import { act, OperationRefused } from '../../operations/acting.ts';
import { json, moment, orProblem, reason } from '../acting.ts';
import { readNames } from '../people.ts';
import { JobSchema, nameJobs } from './files.routes.ts';

const CountsSchema = z.record(z.enum(outcomes), z.int());
const person = () => z.object({ id: z.string(), name: z.string(), email: z.string().nullable() }).nullable();
const value = z.string().nullable();
const RunSchema = z
  .object({
    id: z.string(),
    app: z.string(),
    state: z.enum(['reading', 'planned', 'applying', 'applied', 'undoing', 'undone', 'abandoned']),
    files: z.array(z.object({ source: z.string(), name: z.string(), sha256: z.string().nullable(), lines: z.int() })),
    lines: z.int(),
    planned: CountsSchema,
    appliedTo: z.int(),
    goesAt: moment().nullable().openapi({ description: 'A plan that nobody applies is given up then.' }),
    unmapped: z.record(z.string(), z.record(z.string(), z.int())),
    createdAt: moment(),
    createdBy: z.string().nullable(),
    createdByName: z.string().nullable(),
  })
  .openapi('ImportRun');
const RowSchema = z
  .object({
    n: z.int(),
    file: z.string(),
    line: z.int(),
    outcome: z.enum(outcomes),
    planned: z.enum(outcomes).nullable(),
    because: value,
    externalId: value,
    email: value,
    name: value,
    raw: value,
    person: person(),
    fills: z.array(z.object({ field: z.string(), theirs: value })),
    conflicts: z.array(z.object({ field: z.string(), ours: value.optional(), theirs: value })),
  })
  .openapi('ImportRow');
const SideSchema = z.object({ n: z.int(), line: z.int(), name: value, email: value, phone: value });
const KeptSchema = z.object({ n: z.int(), person: person(), field: z.string(), written: value, present: value });
const runKey = object({ run: z.string().regex(/^[1-9]\d{0,14}$/, 'must be the number of a run') });
const begun = z.object({ job: z.int() });
const pageMax = 100;

const list = createStaffRoute({
  method: 'get',
  path: '/api/imports/runs',
  right: 'person',
  summary: 'The latest fifty runs, the newest first',
  responses: { 200: json('The runs.', z.object({ runs: z.array(RunSchema) })) },
});
const get = createStaffRoute({
  method: 'get',
  path: '/api/imports/runs/{run}',
  right: 'person',
  summary: 'One run: its outcomes, what was done with it by whom, and what the worker does with it',
  request: { params: runKey },
  responses: {
    200: json(
      'The run.',
      RunSchema.extend({
        counts: CountsSchema,
        changed: z.record(z.string(), z.int()),
        steps: z.array(
          z.object({
            step: z.enum(['plan', 'apply', 'undo', 'abandon']),
            beganAt: moment(),
            endedAt: moment().nullable(),
            actor: z.string().nullable(),
            actor_name: z.string().nullable(),
            login: z.string(),
            reason: z.string().nullable(),
          }),
        ),
        candidates: z.int(),
        newAnswers: z.int().openapi({
          description: 'Answers, of this run or of another one, that the plan does not follow yet: replan.',
        }),
        matching: z.object({
          rules: z.record(z.string(), z.boolean()),
          chance: z.number(),
          family: z.int(),
          'group-size': z.int(),
          review: z.number(),
        }),
        kept: z.int(),
        jobs: z.array(JobSchema),
        uploads: z.array(z.object({ id: z.int(), name: z.string(), state: z.string() })),
      }),
    ),
    ...problems(404, 422),
  },
});
const rows = createStaffRoute({
  method: 'get',
  path: '/api/imports/runs/{run}/rows',
  right: 'person',
  summary: 'Lines of a run, with names in place of ids',
  request: {
    params: runKey,
    query: object({
      outcome: z.enum(outcomes).optional(),
      conflicts: z
        .enum(['true', 'false'])
        .optional()
        .openapi({ description: 'Only lines that differ from a customer.' }),
      after: z.coerce.number().int().min(0).default(0).openapi({ description: 'Only lines behind this one.' }),
      limit: z.coerce.number().int().min(1).max(pageMax).default(10),
    }),
  },
  responses: {
    200: json('Some lines.', z.object({ rows: z.array(RowSchema), next_after: z.int().nullable() })),
    ...problems(404, 422),
  },
});
const candidates = createStaffRoute({
  method: 'get',
  path: '/api/imports/runs/{run}/candidates',
  right: 'person',
  summary: 'Pairs of a run that may be one person, the likeliest first, with the reasons',
  request: {
    params: runKey,
    query: object({
      offset: z.coerce.number().int().min(0).max(10_000).default(0),
      limit: z.coerce.number().int().min(1).max(pageMax).default(10),
    }),
  },
  responses: {
    200: json(
      'Some pairs.',
      z.object({
        candidates: z.array(
          z.object({
            score: z.number(),
            reasons: z.array(z.string()),
            first: SideSchema,
            second: SideSchema.nullable(),
            customer: person(),
            answer: z.enum(answers).nullable(),
            answered_by: z.string().nullable(),
          }),
        ),
      }),
    ),
    ...problems(404, 422),
  },
});
const kept = createStaffRoute({
  method: 'get',
  path: '/api/imports/runs/{run}/kept',
  right: 'person',
  summary: 'What the last preview of an undo would keep, or what the undo has kept: field by field',
  request: { params: runKey },
  responses: {
    200: json('The first thousand.', z.object({ preview: z.array(KeptSchema), undone: z.array(KeptSchema) })),
    ...problems(404, 422),
  },
});
const file = createStaffRoute({
  method: 'get',
  path: '/api/imports/runs/{run}/lines',
  right: 'person',
  summary: 'Lines that were not taken over, as they were, with their reasons: mend the file and upload it again',
  request: { params: runKey, query: object({ outcome: z.enum(['rejected', 'held', 'excluded']) }) },
  responses: {
    200: { description: 'A file that is read like the source.', content: { 'text/csv': { schema: z.string() } } },
    ...problems(404, 409, 422),
  },
});
const step = createStaffRoute({
  method: 'post',
  path: '/api/imports/runs/{run}/{step}',
  operationId: 'stepImportRun',
  right: 'administrator',
  summary: 'Let the worker apply a plan, verify it, undo it, or say what an undo would do',
  description: 'Applying and undoing go on where they were cut off. An undo needs a reason.',
  request: {
    params: runKey.extend({ step: z.enum(['apply', 'verify', 'preview', 'undo']) }),
    body: jsonBody(object({ reason: reason().optional() })),
  },
  responses: { 202: json('The job.', begun), ...problems(404, 409, 422) },
});

const answer = createStaffRoute({
  method: 'post',
  path: '/api/imports/runs/{run}/answers',
  right: 'steward',
  summary: 'Say whether two lines of a plan, or a line and a customer, are the same person',
  description:
    'It is kept by the ids of the lines in their source: the same file again does not ask again, and no rule overrides it.',
  request: {
    params: runKey,
    body: jsonBody(
      object({
        n: z.int().positive(),
        other_n: z.int().positive().optional(),
        customer: z.uuid().optional(),
        answer: z.enum(answers),
      }),
    ),
  },
  responses: {
    200: json(
      'Kept.',
      z.object({ changes_plan: z.boolean().openapi({ description: 'The plan must be decided again.' }) }),
    ),
    ...problems(404, 409, 422),
  },
});
const matching = () =>
  z
    .array(line({ charactersMax: 60 }))
    .max(20)
    .superRefine((texts, context) => {
      try {
        readSettings(texts);
      } catch (error) {
        if (!(error instanceof UnknownSetting)) throw error;
        context.addIssue({ code: 'custom', message: error.message });
      }
    })
    .openapi({ description: 'Rules and thresholds, such as `name-and-place=off` and `chance=0.01`.' });
const replan = createStaffRoute({
  method: 'post',
  path: '/api/imports/runs/{run}/replan',
  right: 'steward',
  summary: 'Let the worker decide a plan again, so that it follows the answers, or other rules',
  request: { params: runKey, body: jsonBody(object({ matching: matching().optional() })) },
  responses: { 202: json('The job.', begun), ...problems(404, 409, 422) },
});
const whatIf = createStaffRoute({
  method: 'post',
  path: '/api/imports/runs/{run}/what-if',
  right: 'steward',
  summary: 'Let the worker say which pairs other rules would join and no longer join; the plan stays as it is',
  request: { params: runKey, body: jsonBody(object({ matching: matching() })) },
  responses: { 202: json('The job, whose outcome has the answer.', begun), ...problems(404, 409, 422) },
});
const abandon = createStaffRoute({
  method: 'post',
  path: '/api/imports/runs/{run}/abandon',
  right: 'administrator',
  summary: 'Give up a plan that nobody will apply: its lines go, and the run stays in the history',
  request: { params: runKey, body: jsonBody(object({ reason: reason() })) },
  responses: { 204: { description: 'It is given up.' }, ...problems(404, 409, 422) },
});

/** Runs of imports: their lines, and what is done with them. */
export function addImportRunRoutes(app: App, db: PlatformDb) {
  const client = asImportClient(db);
  const named = async (runs: Omit<Run, 'counts' | 'changed' | 'steps'>[]) => {
    const names = await readNames(
      db,
      runs.map(({ createdBy: actor }) => ({ actor })),
    );
    // The console's connection reads a bigint as a number.
    return runs.map((run) => ({
      ...run,
      id: String(run.id),
      createdByName: (run.createdBy && names.get(run.createdBy)) ?? null,
    }));
  };
  const find = (run: string) => readRun(client, run).catch(refuseMissing);
  const askFor = async (run: string, kind: JobKind, settings: object, actor: string | undefined) => {
    const made = await orProblem(() =>
      db.transaction({ actor }, (tx) =>
        act<string>(tx, 'sync.ask_import($1, $2::bigint, $3)', [kind, run, JSON.stringify(settings)]),
      ),
    );
    return Number(made);
  };
  return app
    .openapi(list, async (c) => c.json({ runs: (await named(await listRuns(client))) as never[] }, 200))
    .openapi(get, async (c) => {
      const { run } = c.req.valid('param');
      const found = await find(run);
      const [jobs, numbers, people] = await Promise.all([
        listJobsOfRun(db, run),
        db.query<{ candidates: number; kept: number; newAnswers: number }>(
          `select sync.count_new_answers($1::bigint) as "newAnswers",
             (select count(*) from sync.import_candidates c where c.run = $1::bigint)::integer as candidates,
             (select count(*) from sync.import_kept k where k.run = $1::bigint)::integer as kept`,
          [run],
        ),
        readNames(db, found.steps),
      ]);
      const plan = jobs.findLast(({ kind }) => kind === 'plan');
      const ids = plan?.settings.files?.map(({ upload }) => upload) ?? [];
      const uploads = (await readUploads(db, ids)).map(({ id, name, state }) => ({ id, name, state }));
      const [withName] = await named([found]);
      const steps = found.steps.map((each) => ({
        ...each,
        actor_name: (each.actor && people.get(each.actor)) ?? null,
      }));
      const rules = readSettings(found.settings.matching ?? []);
      const { chanceMax: chance, familyMax: family, groupSizeMax, reviewMin: review } = rules;
      const matching = { rules: rules.rules, chance, family, 'group-size': groupSizeMax, review };
      return c.json(
        { ...withName, ...numbers[0], matching, steps, uploads, jobs: await nameJobs(db, jobs) } as never,
        200,
      );
    })
    .openapi(rows, async (c) => {
      const { run } = c.req.valid('param');
      const { outcome, conflicts, after, limit } = c.req.valid('query');
      const page = await showRows(db, run, { outcome, withConflicts: conflicts === 'true', after, limit });
      return c.json({ rows: page, next_after: page.length === limit ? (page.at(-1)?.n ?? null) : null } as never, 200);
    })
    .openapi(candidates, async (c) =>
      c.json({ candidates: await showCandidates(db, c.req.valid('param').run, c.req.valid('query')) } as never, 200),
    )
    .openapi(kept, async (c) => {
      const { run } = c.req.valid('param');
      const jobs = await listJobsOfRun(db, run);
      const preview = jobs.find(({ kind, state }) => kind === 'preview' && state === 'done');
      const [before, after] = await Promise.all([
        showKept(db, preview?.outcome?.fields ?? []),
        readKept(client, run, { limit: 1_000 }).then((first) => showKept(db, first)),
      ]);
      return c.json({ preview: before, undone: after } as never, 200);
    })
    .openapi(file, async (c) => {
      const { run } = c.req.valid('param');
      const { outcome } = c.req.valid('query');
      const plan = (await listJobsOfRun(db, run)).findLast(({ kind }) => kind === 'plan');
      const uploads = await readUploads(db, plan?.settings.files?.map(({ upload }) => upload) ?? []);
      const people = uploads.filter(({ recognition }) => recognition?.holds === 'people');
      const [upload] = people;
      if (!upload?.recognition || people.length > 1) return refuseLines(people.length > 1);
      const { extension, head, write } = mendingFileOf(upload.recognition.layout);
      async function* pages() {
        yield head;
        for (let after = 0; ; ) {
          const page = await showRows(db, run, { outcome, after, limit: 1_000 });
          if (page.length === 0) return;
          yield page
            .filter(({ raw }) => raw !== null)
            .map(({ line, raw, because }) => write({ line, raw: raw as string, reason: because ?? '' }))
            .join('');
          after = (page.at(-1) as { n: number }).n;
        }
      }
      const body = ReadableStream.from(pages()).pipeThrough(new TextEncoderStream());
      const headers = csvHeaders(`run-${run}-${outcome}`);
      headers['Content-Disposition'] = `attachment; filename="run-${run}-${outcome}.${extension}"`;
      return c.body(body, 200, headers) as never;
    })
    .openapi(answer, async (c) => {
      const { run } = c.req.valid('param');
      const { n, other_n: otherN = null, customer = null, answer: said } = c.req.valid('json');
      const changes = await orProblem(() =>
        db.transaction({ actor: c.get('actor')?.id }, (tx) =>
          act<boolean>(tx, 'sync.decide_import_pair($1::bigint, $2, $3, $4, $5)', [run, n, otherN, customer, said]),
        ),
      );
      return c.json({ changes_plan: changes }, 200);
    })
    .openapi(replan, async (c) => {
      const job = await askFor(c.req.valid('param').run, 'replan', c.req.valid('json'), c.get('actor')?.id);
      return c.json({ job }, 202);
    })
    .openapi(whatIf, async (c) => {
      const job = await askFor(c.req.valid('param').run, 'whatif', c.req.valid('json'), c.get('actor')?.id);
      return c.json({ job }, 202);
    })
    .openapi(abandon, async (c) => {
      const { run } = c.req.valid('param');
      await orProblem(() =>
        db.transaction({ actor: c.get('actor')?.id }, (tx) =>
          act(tx, 'sync.give_up_import($1::bigint, $2)', [run, c.req.valid('json').reason]),
        ),
      );
      return c.body(null, 204);
    })
    .openapi(step, async (c) => {
      const { run, step: kind } = c.req.valid('param');
      const { reason: because } = c.req.valid('json');
      const made = await orProblem(() =>
        db.transaction({ actor: c.get('actor')?.id }, (tx) =>
          act<string>(tx, `sync.ask_import($1, $2::bigint, '{}', $3)`, [kind satisfies JobKind, run, because ?? null]),
        ),
      );
      return c.json({ job: Number(made) }, 202);
    });
}

const refuseLines = (areSeveral: boolean): Promise<never> =>
  orProblem(() =>
    Promise.reject(
      new OperationRefused(
        'not-possible',
        areSeveral
          ? 'The run has several files, whose lines have different columns. Plan each file by itself to download its lines.'
          : 'Its file is not kept any more, so nobody knows its columns. `aether import rows` has the lines.',
      ),
    ),
  );

function refuseMissing(error: unknown): never {
  if (!(error instanceof ImportRefused)) throw error;
  throw new Problem({ status: 404, code: 'not-found', detail: 'There is no such run.' });
}
