import {
  type App,
  answerCsv,
  byteBody,
  bytesOf,
  createStaffRoute,
  csvResponse,
  jsonBody,
  type Log,
  object,
  Problem,
  problems,
  readByteBody,
  uuid,
  z,
} from '@aether/http';
import { NotFound, type PlatformDb } from '@aether/platform';
import type { Privacy } from '../../privacy/connection.ts';
import { cleanUp } from '../../privacy/erasing.ts';
import { beginJob, previewLine, runJob } from '../../privacy/erasingmany.ts';
import { type ErasureJob, listJobs, listLines, type PlacedLine, readJob, stopJob } from '../../privacy/jobs.ts';
import { type Listed, listRefusals, NoList, readList } from '../../privacy/lists.ts';
import { json, moment, reason } from '../acting.ts';
import { readNames } from '../people.ts';
import { actorOf, orPrivacyProblem, requirePrivacy } from './problems.ts';

const listBytesMax = 8 * 1_048_576;
const previewBytesMax = 64 * 1_024;
const previewMax = 200;
const pageMax = 100;

const refusal = z.enum(['unreadable', 'unknown', 'several', 'held', 'busy']);
const state = z.enum(['open', 'asked', 'erased', 'refused']);
const act = z.enum(['delete', 'scrub', 'keep']);
const aList = {
  ...byteBody,
  description:
    'A list of people as text in UTF-8: an address, a telephone number or an id a line. Empty lines, and those that begin with #, are nobody.',
};

const LinePreviewSchema = z
  .object({
    line: z.int(),
    state: z
      .enum(['present', 'before', 'refused'])
      .openapi({ description: 'before: who is meant was erased already. refused: the line would erase nobody.' }),
    customer: z.string().nullable().openapi({ description: 'Several lines may name one customer.' }),
    records: z.int().openapi({ description: 'Records that were merged and are this person.' }),
    refusal: refusal.nullable(),
    why: z.string().nullable().openapi({ description: 'The refusal in words.' }),
    tables: z.array(z.object({ table: z.string(), act, rows: z.int() })),
    events: z.int(),
    asked_by: z.string().nullable().openapi({ description: 'Who has asked for it: another person confirms it.' }),
  })
  .openapi('ErasureLinePreview');

const jobMembers = {
  id: z.string(),
  reason: z.string(),
  begun_at: moment(),
  begun_by: z.string(),
  begun_by_name: z.string().nullable(),
  run_at: moment().nullable().openapi({ description: 'When somebody began it or went on with it, the last time.' }),
  run_by: z.string().nullable(),
  run_by_name: z.string().nullable(),
  stopped_at: moment().nullable(),
  stopped_by: z.string().nullable(),
  stopped_by_name: z.string().nullable(),
  is_running: z.boolean(),
  people: z.int(),
  open: z.int().openapi({ description: 'Nobody has come to them.' }),
  unread: z.int().openapi({
    description:
      'Of those that are open: the job was cut off before their lines were read, so the same list is needed.',
  }),
  asked: z.int().openapi({ description: 'A second person has to confirm them.' }),
  erased: z.int(),
  refused: z.array(z.object({ refusal, why: z.string(), lines: z.int() })),
  again: z.int().openapi({ description: 'Refused lines of known customers: going on with the job tries them again.' }),
  left: z.int().openapi({ description: 'Whom this run has still to come to.' }),
  per_second: z.number().nullable().openapi({ description: 'Of the last minute of this run.' }),
  seconds_left: z.int().nullable(),
};
const JobSchema = z.object(jobMembers).openapi('ErasureJob');
const JobDetailSchema = z
  .object({
    ...jobMembers,
    confirmable: z.int().openapi({ description: 'Whom the caller may confirm, because somebody else has asked.' }),
    is_cleaning: z.boolean().openapi({ description: 'The clean-up of files and indexes is open.' }),
  })
  .openapi('ErasureJobDetail');
const LineSchema = z
  .object({
    place: z.int(),
    line: z.int(),
    state,
    customer: z.string().nullable(),
    receipt: z.string().nullable(),
    refusal: refusal.nullable(),
    why: z.string().nullable(),
    decided_at: moment().nullable(),
  })
  .openapi('ErasureJobLine');

const jobKey = object({ id: uuid() });

const preview = createStaffRoute({
  method: 'post',
  path: '/api/privacy/jobs/preview',
  right: 'privacy.read',
  people: 'steward',
  summary: 'What erasing up to 200 people of a list would do, line by line; nothing is changed',
  description: 'A longer list is looked at in parts. Stored files are not looked into.',
  request: { body: aList },
  middleware: readByteBody(previewBytesMax),
  responses: {
    200: json(
      'Each line that names somebody.',
      z.object({ lines: z.array(LinePreviewSchema), needs_two: z.boolean() }),
    ),
    ...problems(400, 413, 415, 422, 503),
  },
});
const begin = createStaffRoute({
  method: 'post',
  path: '/api/privacy/jobs',
  right: 'privacy.write',
  people: 'administrator',
  summary: 'Erase a list of people as one job. It cannot be taken back',
  description:
    'Each person is a transaction with a receipt of its own. The job runs behind the answer. The same list with the same reason goes on with the job that they began: nobody is erased twice, and refused lines are tried again. The list is stored nowhere.',
  request: { query: object({ reason: reason() }), body: aList },
  middleware: readByteBody(listBytesMax),
  responses: { 200: json('The job.', z.object({ id: z.string() })), ...problems(400, 409, 413, 415, 422, 503) },
});
const jobs = createStaffRoute({
  method: 'get',
  path: '/api/privacy/jobs',
  right: 'privacy.read',
  people: 'steward',
  summary: 'Lists of people that were erased as one job, the newest first',
  request: { query: object({ before: uuid().optional().openapi({ description: 'A job: only older ones.' }) }) },
  responses: { 200: json('Up to twenty.', z.object({ jobs: z.array(JobSchema) })), ...problems(422, 503) },
});
const job = createStaffRoute({
  method: 'get',
  path: '/api/privacy/jobs/{id}',
  right: 'privacy.read',
  people: 'steward',
  summary: 'How far a job is',
  request: { params: jobKey },
  responses: { 200: json('The job.', JobDetailSchema), ...problems(404, 422, 503) },
});
const lines = createStaffRoute({
  method: 'get',
  path: '/api/privacy/jobs/{id}/lines',
  right: 'privacy.read',
  people: 'steward',
  summary: 'What became of each line of a job',
  request: {
    params: jobKey,
    query: object({
      state: state.optional(),
      after: z.coerce.number().int().min(0).max(100_000).default(0).openapi({
        type: 'integer',
        description: 'A place: only those behind it.',
      }),
    }),
  },
  responses: {
    200: json('Up to a hundred.', z.object({ lines: z.array(LineSchema), next: z.int().nullable() })),
    ...problems(404, 422, 503),
  },
});
const file = createStaffRoute({
  method: 'get',
  path: '/api/privacy/jobs/{id}/lines.csv',
  right: 'privacy.read',
  people: 'steward',
  summary: 'What became of each line of a job, as a file: line numbers and ids, no addresses',
  request: { params: jobKey },
  responses: { 200: csvResponse, ...problems(404, 422, 503) },
});
const stop = createStaffRoute({
  method: 'post',
  path: '/api/privacy/jobs/{id}/stop',
  right: 'privacy.write',
  people: 'administrator',
  summary: 'Stop a job before its next person',
  request: { params: jobKey, body: jsonBody(object({})) },
  responses: {
    200: json('Whether it was not stopped before.', z.object({ stopped: z.boolean() })),
    ...problems(404, 422, 503),
  },
});
const run = createStaffRoute({
  method: 'post',
  path: '/api/privacy/jobs/{id}/run',
  right: 'privacy.write',
  people: 'administrator',
  summary: 'Go on with a job without its list, or confirm what another person has asked for',
  description: 'Refused lines whose customer is known, such as one on hold, are tried again.',
  request: { params: jobKey, body: jsonBody(object({})) },
  responses: { 200: json('It runs.', z.object({ id: z.string() })), ...problems(404, 409, 422, 503) },
});

type Options = { phoneCountry: string | undefined; log: Log; closing: AbortSignal };

/** Lists of people that are erased as one job: the dry run, the job, how far it is, and what became of each line. */
export function addErasureJobRoutes(
  app: App,
  db: PlatformDb,
  privacy: Privacy | undefined,
  { phoneCountry, log, closing }: Options,
): void {
  const readOrRefuse = async (actor: string, id: string) => {
    const found = await orPrivacyProblem(() => requirePrivacy(privacy).with(actor, (client) => readJob(client, id)));
    if (!found) throw new NotFound('job');
    return found;
  };
  /** Runs a job behind the answer. Settles when everybody can see that it runs. */
  const start = (actor: string, id: string, list?: Listed[]) =>
    new Promise<void>((resolve, reject) => {
      requirePrivacy(privacy)
        .alone(actor, async (client) => {
          await runJob(client, id, { list, country: phoneCountry, signal: closing, onRun: resolve });
          if (!closing.aborted) await cleanUp(client, { waitMs: cleanUpWaitMs });
        })
        .catch((error) => {
          log.warn({ err: error, job: id }, 'a job of erasures was cut off');
          reject(error);
        });
    });

  app.openapi(preview, async (c) => {
    const list = readListOf(bytesOf(c));
    if (list.length > previewMax)
      throw new Problem({
        status: 422,
        code: 'too-many-people',
        detail: `The list names ${list.length} people. Ask for ${previewMax} of them at most, and for the others after that.`,
      });
    const seen = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actorOf(c), async (client) => {
        const previews = [];
        for (const listed of list) previews.push(await previewLine(client, listed, phoneCountry));
        return previews;
      }),
    );
    c.header('Cache-Control', 'no-store');
    return c.json(
      {
        lines: seen.map(({ needsTwo: _, askedBy, ...line }) => ({
          ...line,
          why: sayRefusal(line.refusal),
          asked_by: askedBy,
        })),
        needs_two: seen.some(({ needsTwo }) => needsTwo),
      },
      200,
    );
  });

  app.openapi(begin, async (c) => {
    const list = readListOf(bytesOf(c));
    const actor = actorOf(c);
    const id = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actor, (client) => beginJob(client, list, c.req.valid('query').reason)),
    );
    if ((await readOrRefuse(actor, id)).isRunning) throw jobRuns();
    await orPrivacyProblem(() => start(actor, id, list));
    return c.json({ id }, 200);
  });

  app.openapi(jobs, async (c) => {
    const { before } = c.req.valid('query');
    const found = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actorOf(c), (client) => listJobs(client, before ? { before } : {})),
    );
    const names = await readNamesOf(db, found);
    return c.json({ jobs: found.map((each) => toJob(each, names)) }, 200);
  });

  app.openapi(job, async (c) => {
    const found = await readOrRefuse(actorOf(c), c.req.valid('param').id);
    const { confirmable, isCleaning } = found;
    return c.json({ ...toJob(found, await readNamesOf(db, [found])), confirmable, is_cleaning: isCleaning }, 200);
  });

  app.openapi(lines, async (c) => {
    const { id } = c.req.valid('param');
    const { state: only, after } = c.req.valid('query');
    await readOrRefuse(actorOf(c), id);
    const page = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actorOf(c), (client) =>
        listLines(client, id, { ...(only && { state: only }), after, limit: pageMax }),
      ),
    );
    const next = page.length < pageMax ? null : (page.at(-1)?.place ?? null);
    return c.json({ lines: page.map(toLine), next }, 200);
  });

  app.openapi(file, async (c) => {
    const { id } = c.req.valid('param');
    const actor = actorOf(c);
    await readOrRefuse(actor, id);
    return answerCsv<PlacedLine>(c, {
      name: `erasures-${id}`,
      columns: {
        line: ({ line }) => line,
        state: (row) => row.state,
        customer: ({ customer }) => customer,
        receipt: ({ erasure }) => erasure,
        refusal: (row) => sayRefusal(row.refusal),
        decided_at: ({ decidedAt }) => decidedAt,
      },
      async *pages() {
        for (let after = 0; ; ) {
          const page = await requirePrivacy(privacy).with(actor, (client) =>
            listLines(client, id, { after, limit: 1_000 }),
          );
          if (page.length === 0) return;
          yield page;
          after = page.at(-1)?.place ?? after;
        }
      },
    }) as never;
  });

  app.openapi(stop, async (c) => {
    const stopped = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actorOf(c), (client) => stopJob(client, c.req.valid('param').id)),
    );
    return c.json({ stopped }, 200);
  });

  app.openapi(run, async (c) => {
    const { id } = c.req.valid('param');
    const found = await readOrRefuse(actorOf(c), id);
    if (found.isRunning) throw jobRuns();
    if (found.open - found.unread + found.again + found.confirmable === 0) throw nothingToRun(found);
    await orPrivacyProblem(() => start(actorOf(c), id));
    return c.json({ id }, 200);
  });
}

/** An old transaction keeps dead rows for so long at most before the clean-up is left to a later one. */
const cleanUpWaitMs = 60_000;

const jobRuns = () =>
  new Problem({
    status: 409,
    code: 'job-runs',
    detail: 'Somebody runs this job at this moment. Stop it, or wait for its end.',
  });

function nothingToRun({ asked, unread }: ErasureJob): Problem {
  if (asked > 0)
    return new Problem({
      status: 409,
      code: 'needs-another-person',
      detail: 'Two people are needed: another one than who has asked confirms it.',
    });
  if (unread > 0)
    return new Problem({
      status: 409,
      code: 'list-needed',
      detail: 'The job was cut off before it had read its list. Give the same list with the same reason.',
    });
  return new Problem({
    status: 409,
    code: 'nothing-left',
    detail: 'Nothing is left to do. For lines by which nobody is known, give the list again.',
  });
}

const sayRefusal = (code: keyof typeof listRefusals | null) => (code === null ? null : listRefusals[code]);

/** @throws Problem when the bytes are no text, or the text names nobody or too many */
function readListOf(bytes: Uint8Array): Listed[] {
  try {
    return readList(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    if (error instanceof NoList) throw new Problem({ status: 422, code: 'no-list', detail: error.message });
    throw new Problem({
      status: 422,
      code: 'no-list',
      detail: 'The list is no text in UTF-8. Save it as text, with a person a line.',
    });
  }
}

const readNamesOf = (db: PlatformDb, found: ErasureJob[]) =>
  readNames(
    db,
    found.flatMap(({ begunBy, runBy, stoppedBy }) => [{ actor: begunBy }, { actor: runBy }, { actor: stoppedBy }]),
  );

function toJob(found: ErasureJob, names: Map<string, string>) {
  const nameOf = (actor: string | null) => names.get(actor ?? '') ?? null;
  const { perSecond, left, refused } = found;
  return {
    id: found.id,
    reason: found.reason,
    begun_at: toMoment(found.begunAt) as string,
    begun_by: found.begunBy,
    begun_by_name: nameOf(found.begunBy),
    run_at: toMoment(found.runAt),
    run_by: found.runBy,
    run_by_name: nameOf(found.runBy),
    stopped_at: toMoment(found.stoppedAt),
    stopped_by: found.stoppedBy,
    stopped_by_name: nameOf(found.stoppedBy),
    is_running: found.isRunning,
    people: found.people,
    open: found.open,
    unread: found.unread,
    asked: found.asked,
    erased: found.erased,
    refused: refusal.options
      .filter((code) => refused[code] !== undefined)
      .map((code) => ({ refusal: code, why: listRefusals[code], lines: refused[code] as number })),
    again: found.again,
    left,
    per_second: perSecond === null ? null : Math.round(perSecond * 10) / 10,
    seconds_left: perSecond ? Math.ceil(left / perSecond) : null,
  };
}

const toMoment = (at: Date | null) => at?.toISOString() ?? null;

const toLine = ({ erasure, decidedAt, ...line }: PlacedLine) => ({
  ...line,
  receipt: erasure,
  why: sayRefusal(line.refusal),
  decided_at: toMoment(decidedAt),
});
