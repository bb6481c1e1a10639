import {
  type App,
  bigintIdText,
  byteBody,
  bytesOf,
  createStaffRoute,
  jsonBody,
  line,
  object,
  Problem,
  problems,
  readByteBody,
  z,
} from '@aether/http';
import { readField } from '@aether/importer';
import type { PlatformDb, Queryable } from '@aether/platform';
import { type Job, listOpenJobs, readJob } from '../../imports/jobs.ts';
import { planFileOf } from '../../imports/planfiles.ts';
import { listUploads, readUploads, type Upload } from '../../imports/uploads.ts';
import { act } from '../../operations/acting.ts';
import { rowsOf } from '../../sql.ts';
import { json, moment, orProblem, reason } from '../acting.ts';
import { readNames } from '../people.ts';

const chunkBytes = 1_048_576;
const filesMax = 20;

const field = z
  .string()
  .max(70)
  .refine((text) => readField(text) !== undefined, 'must be a field, such as email or custom:lead_status')
  .nullable();
const columnName = () => z.string().min(1).max(1_000);
const SettingsSchema = object({
  source: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,59}$/, 'must be small letters and digits, such as hubspot or old-crm')
    .optional(),
  mapping: z.array(object({ column: columnName(), field })).optional(),
  answers: object({
    encoding: z.string().max(40).optional(),
    sheet: z.string().max(200).optional(),
    timezone: z.string().max(64).optional(),
    dayOrder: z.array(object({ column: columnName(), order: z.enum(['day-first', 'month-first']) })).optional(),
  }).optional(),
  phoneCountry: z
    .string()
    .regex(/^[A-Z]{2}$/, 'must be a country, such as DE')
    .optional(),
});

const UploadSchema = z
  .object({
    id: z.int(),
    name: z.string(),
    size: z.number(),
    state: z.enum(['uploading', 'stored', 'recognised', 'refused', 'removed']),
    recognition: z.record(z.string(), z.unknown()).nullable(),
    refusal: z.string().nullable(),
    settings: z.record(z.string(), z.unknown()),
    is_remembered: z.boolean(),
    began_at: moment(),
    stored_at: moment().nullable(),
    goes_at: moment().nullable().openapi({ description: 'Its bytes are removed then, unless it is used before.' }),
    actor: z.string().nullable(),
    actor_name: z.string().nullable(),
  })
  .openapi('ImportFile');
export const JobSchema = z
  .object({
    id: z.int(),
    kind: z.enum(['recognise', 'plan', 'replan', 'whatif', 'apply', 'verify', 'preview', 'undo']),
    upload: z.int().nullable(),
    run: z.string().nullable(),
    files: z.array(z.int()).openapi({ description: 'Of a plan: the files that it reads.' }),
    state: z.enum(['waiting', 'working', 'done', 'failed', 'cancelled']),
    progress: z.record(z.string(), z.unknown()),
    outcome: z.record(z.string(), z.unknown()).nullable(),
    error: z.string().nullable(),
    attempts: z.int(),
    is_cancelled: z.boolean(),
    asked_at: moment(),
    began_at: moment().nullable(),
    ended_at: moment().nullable(),
    actor: z.string().nullable(),
    actor_name: z.string().nullable(),
    login: z.string(),
  })
  .openapi('ImportJob');
const fileKey = object({ id: bigintIdText() });
const jobKey = object({ id: bigintIdText() });
const begun = z.object({ job: z.int() });

const list = createStaffRoute({
  method: 'get',
  path: '/api/imports/files',
  right: 'person',
  summary: 'The files that are kept for imports, and what the worker does for imports at this moment',
  responses: { 200: json('The newest fifty.', z.object({ files: z.array(UploadSchema), jobs: z.array(JobSchema) })) },
});
const get = createStaffRoute({
  method: 'get',
  path: '/api/imports/files/several',
  right: 'person',
  summary: 'Files with what was recognised in them, and the custom fields that a column can be',
  request: {
    query: object({
      ids: z.string().regex(/^[1-9]\d{0,14}(,[1-9]\d{0,14}){0,19}$/, 'must be ids with commas between them'),
    }),
  },
  responses: {
    200: json(
      'The files in that order. A file that is not there is missing.',
      z.object({
        files: z.array(UploadSchema),
        fields: z.array(z.object({ key: z.string(), label: z.string(), type: z.string() })),
      }),
    ),
  },
});
const begin = createStaffRoute({
  method: 'post',
  path: '/api/imports/files',
  right: 'administrator',
  summary: 'Begin the upload of a file: its chunks follow',
  request: {
    body: jsonBody(object({ name: line({ charactersMax: 255 }), size: z.int().min(1).max(Number.MAX_SAFE_INTEGER) })),
  },
  responses: {
    201: json(
      'Each chunk has so many bytes; the last one has the rest.',
      z.object({ id: z.int(), chunk_bytes: z.int() }),
    ),
    ...problems(422),
  },
});
const chunk = createStaffRoute({
  method: 'put',
  path: '/api/imports/files/{id}/chunks/{place}',
  right: 'administrator',
  summary: 'Send one chunk of a file; the same chunk again changes nothing',
  request: {
    params: object({ id: bigintIdText(), place: z.coerce.number().int().min(0).max(100_000) }),
    body: byteBody,
  },
  middleware: readByteBody(chunkBytes),
  responses: { 204: { description: 'It is kept.' }, ...problems(400, 404, 409, 413, 415, 422) },
});
const missing = createStaffRoute({
  method: 'get',
  path: '/api/imports/files/{id}/missing',
  right: 'person',
  summary: 'The chunks of a file that are not kept yet: an upload that was cut off goes on with them',
  request: { params: fileKey },
  responses: { 200: json('The first thousand.', z.object({ missing: z.array(z.int()) })), ...problems(422) },
});
const complete = createStaffRoute({
  method: 'post',
  path: '/api/imports/files/{id}/complete',
  right: 'administrator',
  summary: 'The file is whole: the worker recognises it',
  request: { params: fileKey, body: jsonBody(object({})) },
  responses: { 202: json('The job.', begun), ...problems(404, 409, 422) },
});
const set = createStaffRoute({
  method: 'post',
  path: '/api/imports/files/{id}/settings',
  operationId: 'setImportFileSettings',
  right: 'administrator',
  summary: 'Say what the columns of a file mean, and answer the questions about it',
  description: 'Another encoding or sheet: the worker recognises the file again.',
  request: { params: fileKey, body: jsonBody(SettingsSchema) },
  responses: { 204: { description: 'Kept.' }, ...problems(404, 409, 422) },
});
const remove = createStaffRoute({
  method: 'delete',
  path: '/api/imports/files/{id}',
  right: 'administrator',
  summary: 'Remove a file; runs that were made of it stay',
  request: { params: fileKey },
  responses: { 204: { description: 'Its bytes are gone.' }, ...problems(404, 409, 422) },
});
const plan = createStaffRoute({
  method: 'post',
  path: '/api/imports/plans',
  right: 'administrator',
  summary: 'Plan an import of files: nothing that an app sees is written',
  request: {
    body: jsonBody(
      object({
        app: z.enum(['foundation', 'support']).openapi({ description: 'Whose customers are created.' }),
        files: z.array(z.int().positive()).min(1).max(filesMax),
        overwrite: z
          .array(
            z.string().regex(/^(name|phone|company|tier|owner|language|timezone|email|custom\.[a-z][a-z0-9_]{0,62})$/),
          )
          .max(100)
          .default([])
          .openapi({ description: 'Fields that the file decides also where a customer has another value.' }),
        again: z
          .boolean()
          .default(false)
          .openapi({ description: 'Compare also lines that have not changed since they were imported.' }),
        reason: reason().optional(),
      }),
    ),
  },
  responses: { 202: json('The job.', begun), ...problems(404, 409, 422) },
});
const job = createStaffRoute({
  method: 'get',
  path: '/api/imports/jobs/{id}',
  right: 'person',
  summary: 'What the worker does, and how far it is',
  request: { params: jobKey },
  responses: { 200: json('The job.', JobSchema), ...problems(404, 422) },
});
const cancel = createStaffRoute({
  method: 'delete',
  path: '/api/imports/jobs/{id}',
  right: 'steward',
  summary: 'Stop what the worker does; what is done stays, and can go on later or be undone',
  description: 'A steward stops what decides a plan again and a what-if; all else administrators.',
  request: { params: jobKey },
  responses: { 204: { description: 'It ends within moments.' }, ...problems(404, 409, 422) },
});

/** Gives jobs the names of the people who asked for them. */
export async function nameJobs(db: PlatformDb, jobs: Job[]): Promise<never[]> {
  const names = await readNames(db, jobs);
  return jobs.map(({ settings, ...each }) => ({
    ...each,
    files: settings.files?.map(({ upload }) => upload) ?? [],
    actor_name: (each.actor && names.get(each.actor)) ?? null,
  })) as never[];
}

/** Files for imports: uploaded in chunks, recognised by the worker, mapped, and planned. */
export function addImportFileRoutes(app: App, db: PlatformDb) {
  const nameUploads = async (uploads: Upload[]) => {
    const names = await readNames(db, uploads);
    return uploads.map((each) => ({ ...each, actor_name: (each.actor && names.get(each.actor)) ?? null })) as never[];
  };
  const own = <T>(actor: string | undefined, work: (tx: Queryable) => Promise<T>) =>
    orProblem(() => db.transaction({ actor }, work));
  return app
    .openapi(list, async (c) =>
      c.json(
        { files: await nameUploads(await listUploads(db)), jobs: await nameJobs(db, await listOpenJobs(db)) },
        200,
      ),
    )
    .openapi(get, async (c) => {
      const ids = c.req.valid('query').ids.split(',').map(Number);
      const [files, fields] = await Promise.all([
        readUploads(db, ids).then(nameUploads),
        rowsOf<{ key: string; label: string; type: string }>(
          db,
          'select key, label, type from sync.list_import_fields()',
        ),
      ]);
      return c.json({ files, fields }, 200);
    })
    .openapi(begin, async (c) => {
      const { name, size } = c.req.valid('json');
      const id = await own(c.get('actor')?.id, (tx) =>
        act<string>(tx, 'sync.begin_import_upload($1, $2)', [name, size]),
      );
      return c.json({ id: Number(id), chunk_bytes: chunkBytes }, 201);
    })
    .openapi(chunk, async (c) => {
      const { id, place } = c.req.valid('param');
      await own(c.get('actor')?.id, (tx) => act(tx, 'sync.add_import_chunk($1, $2, $3)', [id, place, bytesOf(c)]));
      return c.body(null, 204);
    })
    .openapi(missing, async (c) => {
      const [row] = await rowsOf<{ missing: number[] }>(db, 'select sync.list_missing_chunks($1) as missing', [
        c.req.valid('param').id,
      ]);
      return c.json({ missing: row?.missing ?? [] }, 200);
    })
    .openapi(complete, async (c) => {
      const { id } = c.req.valid('param');
      const made = await own(c.get('actor')?.id, (tx) => act<string>(tx, 'sync.end_import_upload($1)', [id]));
      return c.json({ job: Number(made) }, 202);
    })
    .openapi(set, async (c) => {
      const { id } = c.req.valid('param');
      const settings = JSON.stringify(c.req.valid('json'));
      await own(c.get('actor')?.id, (tx) => act(tx, 'sync.set_import_upload($1, $2)', [id, settings]));
      return c.body(null, 204);
    })
    .openapi(remove, async (c) => {
      const { id } = c.req.valid('param');
      await own(c.get('actor')?.id, (tx) => act(tx, 'sync.remove_import_upload($1)', [id]));
      return c.body(null, 204);
    })
    .openapi(plan, async (c) => {
      const { app: ofApp, files, overwrite, again, reason: because } = c.req.valid('json');
      const uploads = await readUploads(db, files);
      const settings = { app: ofApp, overwrite, again, files: uploads.map(planFileOf) };
      if (uploads.length < files.length) throw noFile();
      const made = await own(c.get('actor')?.id, (tx) =>
        act<string>(tx, `sync.ask_import('plan', null, $1, $2)`, [JSON.stringify(settings), because ?? null]),
      );
      return c.json({ job: Number(made) }, 202);
    })
    .openapi(job, async (c) => {
      const found = await readJob(db, c.req.valid('param').id);
      if (!found) throw new Problem({ status: 404, code: 'not-found', detail: 'There is no such job.' });
      return c.json((await nameJobs(db, [found]))[0] as never, 200);
    })
    .openapi(cancel, async (c) => {
      const { id } = c.req.valid('param');
      await own(c.get('actor')?.id, (tx) => act(tx, 'sync.cancel_import_job($1)', [id]));
      return c.body(null, 204);
    });
}

const noFile = () =>
  new Problem({ status: 404, code: 'not-found', detail: 'One of these files is not there any more: choose again.' });
