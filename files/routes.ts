import {
  type App,
  type AppEnv,
  byteBody,
  bytesOf,
  jsonBody,
  object,
  problems,
  readByteBody,
  uuid,
  z,
} from '@aether/http';
import type { Transaction } from '@aether/platform';
import type { RouteConfig } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { answerFile } from './answer.ts';
import type { Files, Owner, StoredFile } from './files.ts';
import { chunkPlace, NewFileSchema, SentFileSchema, UploadSchema } from './schemas.ts';
import { chunkBytes } from './store.ts';

type Act = 'begin' | 'write' | 'cancel';

type Places = {
  /** The address below which files are uploaded, with `{id}` of what they belong to: /api/sessions/{id}/uploads. */
  uploads: string;
  /** The address of a file, with `{file}`. */
  file: string;
  /** What the id of `uploads` is, for the document. */
  of: string;
  /** Refusals of the caller beside those of files. */
  statuses: Parameters<typeof problems>;
  /** Makes a route: with the right that it needs, or with a visitor's token. */
  make: (parts: RouteConfig & { path: string; operationId: string }, act: 'write' | 'read') => RouteConfig;
  /** Who uploads: it refuses who may not. `hold` locks what the file is uploaded to. */
  enter: (
    c: Context<AppEnv>,
    id: string,
    act: Act,
  ) => Promise<{ owner: Owner; hold: (tx: Transaction) => Promise<void> }>;
  /** Refuses who may not read the file. @param id of `file`, if it has one */
  read: (c: Context<AppEnv>, file: () => Promise<StoredFile>, id: string | undefined) => Promise<StoredFile>;
  /** The names of the operations end so: SessionUpload. */
  noun: string;
};

/** The routes by which files come in and go out. Each app adds them for its own places, and decides who may do what. */
export function addFileRoutes(app: App, files: Files, places: Places): void {
  const { uploads, file, of, make, enter, noun } = places;
  const statuses = (...more: Parameters<typeof problems>) => problems(...new Set([...places.statuses, ...more]));
  const json = (description: string, schema: z.ZodType) => ({
    description,
    content: { 'application/json': { schema } },
  });
  const parent = object({ id: uuid() });
  const upload = object({ id: uuid(), file: uuid() });
  const part = object({ id: uuid(), file: uuid(), place: chunkPlace() });
  const hasParent = file.includes('{id}');
  const fileKey = hasParent ? upload : object({ file: uuid() });
  const add = (route: RouteConfig, handle: (c: Context<AppEnv>) => Promise<Response>) =>
    app.openapi(route as never, handle as never);
  const bytes = { schema: { type: 'string', format: 'binary' } } as const;

  const begin = make(
    {
      method: 'post',
      path: uploads,
      operationId: `begin${noun}`,
      summary: `Begin to upload a file to ${of}`,
      description: 'Send its parts then, and complete it. What no message and no activity has after a day is removed.',
      request: { params: parent, body: jsonBody(NewFileSchema) },
      responses: {
        200: json('Begun, now or by an earlier attempt.', UploadSchema),
        ...statuses(400, 404, 409, 413, 422, 503),
      },
    },
    'write',
  );
  const addPart = make(
    {
      method: 'post',
      path: `${uploads}/{file}/parts/{place}`,
      operationId: `send${noun}Part`,
      summary: 'Send a part of a file',
      description:
        'The first part is refused if the file is of no type that is taken. The same part again changes nothing, and other bytes in its place are refused.',
      middleware: [readByteBody(chunkBytes)],
      request: { params: part, body: byteBody },
      responses: { 204: { description: 'Kept.' }, ...statuses(400, 404, 409, 413, 415, 422) },
    },
    'write',
  );
  const complete = make(
    {
      method: 'post',
      path: `${uploads}/{file}/complete`,
      operationId: `complete${noun}`,
      summary: 'Complete a file: all its bytes are looked at',
      description:
        'What is refused is not kept. An image loses what tells of its maker, such as the place where it was taken.',
      request: { params: upload, body: jsonBody(object({})) },
      responses: { 200: json('It can be sent.', SentFileSchema), ...statuses(400, 404, 409, 415, 422, 503) },
    },
    'write',
  );
  const cancel = make(
    {
      method: 'post',
      path: `${uploads}/{file}/cancel`,
      operationId: `cancel${noun}`,
      summary: 'Remove a file that was not sent',
      request: { params: upload, body: jsonBody(object({})) },
      responses: { 204: { description: 'It is gone.' }, ...statuses(400, 404, 422) },
    },
    'write',
  );
  const given = {
    200: {
      description: 'The bytes. Images may be shown; everything else is a download.',
      headers: z.object({ ETag: z.string(), 'Content-Disposition': z.string() }),
      content: { 'application/octet-stream': bytes },
    },
    304: { description: 'The bytes are those whose ETag was sent.' },
    ...statuses(404, 422),
  };
  const reader = noun.replace('Upload', 'File');
  const whole = make(
    {
      method: 'get',
      path: file,
      operationId: `get${reader}`,
      summary: 'A file',
      description: 'For whoever may read the record that has it.',
      request: { params: fileKey },
      responses: given,
    },
    'read',
  );
  const thumbnail = make(
    {
      method: 'get',
      path: `${file}/thumbnail`,
      operationId: `get${reader}Thumbnail`,
      summary: 'A small picture of an image',
      request: { params: fileKey },
      responses: given,
    },
    'read',
  );

  const param = (c: Context<AppEnv>) => c.req.valid('param' as never) as { id: string; file: string; place: number };
  add(begin, async (c) => {
    const { owner, hold } = await enter(c, param(c).id, 'begin');
    const given = c.req.valid('json' as never) as z.infer<typeof NewFileSchema>;
    return c.json(await files.begin(owner, given, hold), 200);
  });
  add(addPart, async (c) => {
    const { id, file, place } = param(c);
    const { owner } = await enter(c, id, 'write');
    await files.addPart(owner, file, place, bytesOf(c));
    return c.body(null, 204);
  });
  add(complete, async (c) => {
    const { id, file } = param(c);
    const { owner } = await enter(c, id, 'write');
    return c.json(await files.complete(owner, file), 200);
  });
  add(cancel, async (c) => {
    const { id, file } = param(c);
    const { owner } = await enter(c, id, 'cancel');
    await files.cancel(owner, file);
    return c.body(null, 204);
  });
  const giveOut = async (c: Context<AppEnv>, variant: 'whole' | 'thumbnail') => {
    const { id, file } = param(c);
    const found = await places.read(c, () => files.find(file), hasParent ? id : undefined);
    return answerFile(c, files, found, variant);
  };
  add(whole, (c) => giveOut(c, 'whole'));
  add(thumbnail, (c) => giveOut(c, 'thumbnail'));
}
