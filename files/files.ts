import { createHash } from 'node:crypto';
import { Problem, refuseFields, type ServerContext } from '@aether/http';
import {
  ClientIdReused,
  NotFound,
  type PlatformDb,
  PlatformError,
  requireSameContent,
  type Transaction,
} from '@aether/platform';
import { openBlobs } from './blobs.ts';
import { refuseAway, refuseFull, refuseIncomplete, refuseSize, refuseUnreadable } from './codes.ts';
import { type ImageHead, NotAnImage, readImage } from './images/heads.ts';
import { openThumbnails } from './images/thumbnails.ts';
import { readFileSettings } from './settings.ts';
import { chunkBytes, keepIn, openDatabaseStore, type Store, type Variant } from './store.ts';
import { checkerOf, type FileType, isImage, recognise } from './types.ts';

/*
 * Takes files in parts, recognises them by their bytes, keeps them, gives them out and removes what nobody sent. Who may do that the app decides:
 * it calls this only for an owner whom it knows.
 *
 *   begin     a row, under the sender's client_id: a retry finds it again, with the parts that are missing
 *   add       a part of a megabyte; the first one is refused if it is of no type that is taken
 *   complete  looks at all bytes, frees an image of what tells of its maker, makes a thumbnail, moves the bytes to their place
 *   send      in the app's transaction: the file belongs to a message or an activity from now on
 *
 * A process that dies leaves a row that was not sent, which goes within a day with all that it has.
 */

/** Who uploads, and where: a conversation of Support, a customer of Foundation. A visitor and a machine have no id. */
export type Owner = { parentId: string; createdBy: string | null };

/** What the readers of a message or an activity see of a file. */
export type SentFile = {
  id: string;
  name: string;
  type: string;
  size: number;
  width?: number;
  height?: number;
  has_thumbnail: boolean;
};

export type Upload = {
  id: string;
  /** The size of a part; the last one is shorter. */
  chunk_bytes: number;
  /** The parts that have not arrived, from 0. */
  missing: number[];
  /** Null until it is complete. */
  file: SentFile | null;
};

export type StoredFile = SentFile & {
  parent_id: string;
  record_id: string | null;
  place: Store['place'];
  sha256: Buffer;
};

export type FileLimits = {
  /** More is refused: a decoder, the reader's as well, needs four bytes for each. */
  pixelsMax: number;
  /** Of a larger image there is no thumbnail. */
  thumbnailPixelsMax: number;
};

const limits: FileLimits = { pixelsMax: 50_000_000, thumbnailPixelsMax: 24_000_000 };
const sweepMs = 30_000;
const unsentHours = 24;
/** A blob may still be written for a minute after its file has gone; so long its removal is repeated. */
const removalMs = 120_000;
const roomMs = 60_000;
/** Files whose bytes are looked at, at the same time in this process. */
const finishingMax = 3;

type Row = StoredFile & { created_by: string | null; state: 'uploading' | 'stored'; client_id: string };

const columns = `f.id, f.name, f.type, f.size, f.width, f.height, f.has_thumbnail, f.parent_id, f.record_id, f.place, f.sha256,
  f.created_by, f.state, f.client_id`;

export type Files = ReturnType<typeof openFiles>;

/** @throws ConfigurationError */
export function openFiles(
  db: PlatformDb,
  { variables, closing, log }: Pick<ServerContext, 'variables' | 'closing' | 'log'>,
) {
  const { bytesMax, totalBytesMax, azure } = readFileSettings(variables);
  const database = openDatabaseStore(db);
  const thumbnails = openThumbnails();
  let blobs: Promise<Store | undefined> | undefined;
  let room: { at: number; bytes: number } | undefined;
  let hasWarned = false;
  const finishing = new Map<string, Promise<Row>>();
  const waiting: (() => void)[] = [];
  let underway = 0;

  function openStore(): Promise<Store | undefined> {
    blobs ??= openBlobs(variables);
    return blobs;
  }
  async function storeOf(place: Store['place']): Promise<Store> {
    if (place === 'database') return database;
    const store = await openStore();
    if (!store)
      throw new Error(
        'A file is kept in Azure, and FILES_AZURE_ACCOUNT_URL or FILES_AZURE_CONNECTION_STRING is not set.',
      );
    return store;
  }

  /** @throws NotFound, also for a file of another owner */
  async function requireUpload({ parentId, createdBy }: Owner, id: string): Promise<Row> {
    const [row] = await db.query<Row>(
      `select ${columns} from platform.files f
       where f.id = $1 and f.parent_id = $2 and f.created_by is not distinct from $3::text`,
      [id, parentId, createdBy],
    );
    if (!row) throw new NotFound('upload');
    return row;
  }

  async function listMissing({ id, size, state }: Row): Promise<number[]> {
    if (state === 'stored') return [];
    const rows = await db.query<{ place: number }>(
      `select g.place from generate_series(0, $2::integer - 1) g (place)
       where not exists (select from platform.file_chunks c where c.file_id = $1 and c.variant = 'whole' and c.place = g.place)
       order by g.place`,
      [id, Math.ceil(size / chunkBytes)],
    );
    return rows.map(({ place }) => place);
  }

  const describe = async (row: Row): Promise<Upload> => ({
    id: row.id,
    chunk_bytes: chunkBytes,
    missing: await listMissing(row),
    file: row.state === 'stored' ? toSentFile(row) : null,
  });

  /** How much is kept is counted once a minute: the limit is a fuse, and no account. */
  async function requireRoom(bytes: number): Promise<void> {
    if (!room || Date.now() - room.at > roomMs) {
      const [row] = await db.query<{ bytes: number }>(
        'select coalesce(sum(size), 0)::float8 as bytes from platform.files where app = $1',
        [db.app],
      );
      room = { at: Date.now(), bytes: row?.bytes ?? 0 };
    }
    if (room.bytes + bytes > totalBytesMax) throw refuseFull();
    room.bytes += bytes;
  }

  /** All that arrived. @throws Problem 409 if that is not the whole: parts are missing, or another process has moved them to Azure. */
  async function* readParts({ id, size }: Row): AsyncGenerator<Uint8Array> {
    let read = 0;
    for await (const part of database.read(id, 'whole')) {
      read += part.length;
      yield part;
    }
    if (read !== size) throw refuseIncomplete();
  }

  /** Looks at all bytes of an upload. @throws Problem 409, 415, 422 */
  async function inspect(row: Row): Promise<{ type: FileType; size: number; sha256: Buffer; image?: ImageHead }> {
    let type: FileType | undefined;
    let checker: ReturnType<typeof checkerOf> | undefined;
    let size = 0;
    const hash = createHash('sha256');
    const picture: Uint8Array[] = [];
    for await (const part of readParts(row)) {
      type ??= recognise(part, row.name);
      checker ??= checkerOf(type);
      checker.pass(part);
      size += part.length;
      hash.update(part);
      if (isImage(type)) picture.push(part);
    }
    if (!type) throw refuseIncomplete();
    checker?.end();
    if (!isImage(type)) return { type, size, sha256: hash.digest() };
    const image = readHead(type, Buffer.concat(picture));
    if (image.width * image.height > limits.pixelsMax)
      throw new Problem({
        status: 422,
        code: 'image-too-large',
        detail: `An image may have at most ${limits.pixelsMax / 1_000_000} million pixels. Make it smaller and send that.`,
      });
    return { type, size: image.bytes.length, sha256: createHash('sha256').update(image.bytes).digest(), image };
  }

  async function finish(row: Row): Promise<Row> {
    const { type, size, sha256, image } = await inspect(row);
    const isSmall = image && image.width * image.height <= limits.thumbnailPixelsMax;
    const thumbnail = isSmall ? await thumbnails.make(image.bytes, image.orientation) : undefined;
    const store = azure ? await storeOf('azure') : database;
    // Before the first blob is written: if this process dies, the removal of the row finds what there is.
    if (store.place === 'azure') {
      const held = await db.query(
        `update platform.files set place = 'azure' where id = $1 and state = 'uploading' returning id`,
        [row.id],
      );
      // Nothing would remove the blob of a row that is gone.
      if (held.length === 0) return refind(row.id);
      await store.keep(row.id, 'whole', image ? only(image.bytes) : readParts(row)).catch(tellAway);
      if (thumbnail) await store.keep(row.id, 'thumbnail', only(thumbnail)).catch(tellAway);
    }
    const isOnSide = image !== undefined && image.orientation >= 5;
    // In one transaction with the state: of a process that dies before it, what arrived is there to be completed again.
    const stored = await db.transaction({}, async (tx) => {
      const [held] = await tx.query<Row>(`select ${columns} from platform.files f where f.id = $1 for update`, [
        row.id,
      ]);
      // Gone, or another request has completed it.
      if (held?.state !== 'uploading') return held;
      if (store.place === 'database' && image && size !== row.size)
        await keepIn(tx, row.id, 'whole', only(image.bytes));
      if (store.place === 'database' && thumbnail) await keepIn(tx, row.id, 'thumbnail', only(thumbnail));
      const [found] = await tx.query<Row>(
        `update platform.files f set state = 'stored', type = $2, size = $3, sha256 = $4, width = $5, height = $6, has_thumbnail = $7
         where f.id = $1 returning ${columns}`,
        [
          row.id,
          type,
          size,
          sha256,
          (isOnSide ? image.height : image?.width) ?? null,
          (isOnSide ? image.width : image?.height) ?? null,
          thumbnail !== undefined,
        ],
      );
      if (store.place === 'azure') await tx.query('delete from platform.file_chunks where file_id = $1', [row.id]);
      return found;
    });
    if (stored) return stored;
    // It was cancelled, or its person was erased, meanwhile.
    await store.remove(row.id);
    throw new NotFound('upload');
  }

  /** Of the account, and not of the file: whoever sends it tries again. */
  function tellAway(error: unknown): never {
    if (error instanceof Problem || error instanceof PlatformError) throw error;
    log.warn({ err: error }, 'a file could not be kept in Azure');
    throw refuseAway();
  }

  /** As another request has left it. @throws NotFound if it was cancelled, or its person was erased */
  async function refind(id: string): Promise<Row> {
    const [row] = await db.query<Row>(`select ${columns} from platform.files f where f.id = $1`, [id]);
    if (!row) throw new NotFound('upload');
    return row;
  }

  /**
   * Completes a file once, however many requests ask for it at a time, and few files at a time: an image is in memory as a whole. In another
   * process it may be completed meanwhile, which takes the parts away under this one: then the file is what that one has made.
   */
  function finishOnce(row: Row): Promise<Row> {
    const under = finishing.get(row.id);
    if (under) return under;
    const work = inTurn(() =>
      finish(row).catch(async (error) => {
        if (!(error instanceof Problem)) throw error;
        const found = await refind(row.id);
        if (found.state === 'stored') return found;
        throw error;
      }),
    ).finally(() => finishing.delete(row.id));
    finishing.set(row.id, work);
    return work;
  }

  async function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    while (underway >= finishingMax) await new Promise<void>((resolve) => waiting.push(resolve));
    underway += 1;
    try {
      return await work();
    } finally {
      underway -= 1;
      waiting.shift()?.();
    }
  }

  /** What is refused for its content is not kept; the same client_id may begin anew. */
  async function orForget<Result>(id: string, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Problem && !['file-incomplete', 'files-away'].includes(error.code)) await forget(id);
      throw error;
    }
  }

  const forget = (id: string) => db.query('delete from platform.files where id = $1 and record_id is null', [id]);

  async function removeUnsent(): Promise<void> {
    await db.query(
      `delete from platform.files where id in (select f.id from platform.files f
         where f.app = $1 and f.record_id is null and f.created_at < now() - make_interval(hours => $2) limit 100)`,
      [db.app, unsentHours],
    );
  }

  async function removeBlobs(): Promise<void> {
    const waiting = await db.query<{ file_id: string }>(
      'select b.file_id from platform.blob_removals b where b.app = $1 order by b.removed_at limit 100',
      [db.app],
    );
    if (waiting.length === 0) return;
    const store = await openStore();
    if (!store) {
      if (!hasWarned)
        log.warn('blobs of removed files wait for FILES_AZURE_ACCOUNT_URL or FILES_AZURE_CONNECTION_STRING');
      hasWarned = true;
      return;
    }
    for (const { file_id } of waiting) {
      await store.remove(file_id);
      await db.query(
        `delete from platform.blob_removals where file_id = $1 and removed_at < now() - make_interval(secs => $2)`,
        [file_id, removalMs / 1_000],
      );
    }
  }

  async function sweep(): Promise<void> {
    await removeUnsent();
    await removeBlobs();
  }

  const timer = setInterval(() => {
    sweep().catch((error) => {
      if (!closing.aborted) log.warn({ err: error }, 'unsent and removed files could not be cleared');
    });
  }, sweepMs).unref();
  closing.addEventListener('abort', () => {
    clearInterval(timer);
    thumbnails.close();
  });

  return {
    bytesMax,

    /**
     * @param hold called in the transaction that makes the row: it locks what the file is uploaded to, and throws if nothing may be.
     * @throws Problem 413, 503; ClientIdReused
     */
    async begin(
      owner: Owner,
      { client_id, name, size }: { client_id: string; name: string; size: number },
      hold: (tx: Transaction) => Promise<void>,
    ): Promise<Upload> {
      if (size > bytesMax) throw refuseSize(bytesMax);
      await requireRoom(size);
      const row = await db.transaction({}, async (tx) => {
        await hold(tx);
        await tx.query(
          `insert into platform.files (parent_id, client_id, created_by, name, size) values ($1, $2, $3, $4, $5)
           on conflict (app, parent_id, created_by, client_id) do nothing`,
          [owner.parentId, client_id, owner.createdBy, name, size],
        );
        const [found] = await tx.query<Row>(
          `select ${columns} from platform.files f
           where f.app = $4 and f.parent_id = $1 and f.client_id = $2 and f.created_by is not distinct from $3::text`,
          [owner.parentId, client_id, owner.createdBy, db.app],
        );
        return found as Row;
      });
      // An image that was freed of what tells of its maker is smaller than what was sent.
      requireSameContent({ name: row.name }, { name });
      if (row.state === 'uploading') requireSameContent({ size: row.size }, { size });
      return describe(row);
    },

    /**
     * Keeps a part. The same part again changes nothing: what `complete` has looked at cannot become something else before it is stored.
     *
     * @throws NotFound, Problem 415, 422; ClientIdReused for other bytes
     */
    async addPart(owner: Owner, id: string, place: number, bytes: Uint8Array): Promise<void> {
      const row = await requireUpload(owner, id);
      if (row.state === 'stored') return;
      const wanted = Math.min(chunkBytes, row.size - place * chunkBytes);
      if (wanted <= 0) throw refuseFields([{ field: 'place', in: 'path', message: 'is behind the end of the file' }]);
      if (bytes.length !== wanted)
        throw refuseFields([{ field: 'body', message: `must have ${wanted} bytes, and has ${bytes.length}` }]);
      await orForget(id, async () => {
        if (place === 0) recognise(bytes, row.name);
      });
      const kept = await db.query(
        `insert into platform.file_chunks (file_id, place, bytes)
         select f.id, $2, $3 from platform.files f where f.id = $1 and f.state = 'uploading' for key share of f
         on conflict (file_id, variant, place) do nothing returning place`,
        [id, place, bytes],
      );
      if (kept.length > 0) return;
      const [former] = await db.query<{ isSame: boolean | null; state: string }>(
        `select c.bytes = $3 as "isSame", f.state from platform.files f
           left join platform.file_chunks c on c.file_id = f.id and c.variant = 'whole' and c.place = $2 where f.id = $1`,
        [id, place, bytes],
      );
      // The row went meanwhile: it was cancelled, or its person was erased.
      if (!former) throw new NotFound('upload');
      if (former.state === 'uploading' && !former.isSame) throw new ClientIdReused();
    },

    /** @throws NotFound, Problem 409, 415, 422, 503 */
    async complete(owner: Owner, id: string): Promise<SentFile> {
      const row = await requireUpload(owner, id);
      if (row.state === 'stored') return toSentFile(row);
      return toSentFile(await orForget(id, () => finishOnce(row)));
    },

    /** Removes a file that was not sent; of one that is not there it does nothing. */
    async cancel(owner: Owner, id: string): Promise<void> {
      const row = await requireUpload(owner, id).catch(orUndefined);
      if (row) await forget(id);
    },

    /** The stored file. @throws NotFound */
    async find(id: string): Promise<StoredFile> {
      const [row] = await db.query<Row>(
        `select ${columns} from platform.files f where f.id = $1 and f.state = 'stored'`,
        [id],
      );
      if (!row) throw new NotFound('file');
      return row;
    },

    /** Whether the same bytes were sent before in the place where this file was uploaded. */
    async wasSent(id: string): Promise<boolean> {
      const found = await db.query(
        `select from platform.files f join platform.files o on o.parent_id = f.parent_id and o.sha256 = f.sha256
         where f.id = $1 and o.app = f.app and o.record_id is not null and o.id <> f.id limit 1`,
        [id],
      );
      return found.length > 0;
    },

    /** The bytes of a file, a part at a time. */
    async read({ id, place }: StoredFile, variant: Variant): Promise<AsyncGenerator<Uint8Array>> {
      return (await storeOf(place)).read(id, variant);
    },

    /** Removes what was uploaded a day ago and not sent, and the blobs of files that are gone. It runs by itself, twice a minute. */
    sweep,
  };
}

/**
 * Gives uploaded files to a record, in the transaction that makes it.
 *
 * @returns what the record keeps of them.
 * @throws Problem 409 when one of them is not there, was given to another record, or is of another owner
 */
export async function sendFiles(
  tx: Transaction,
  ids: string[],
  { parentId, createdBy }: Owner,
  recordId: string,
): Promise<SentFile[]> {
  const [row] = await tx.query<{ files: SentFile[] | null }>('select platform.send_files($1, $2, $3, $4) as files', [
    ids,
    parentId,
    createdBy,
    recordId,
  ]);
  if (!row?.files) throw refuseMissingFile();
  return row.files;
}

export const refuseMissingFile = () =>
  new Problem({
    status: 409,
    code: 'file-not-there',
    detail: 'One of the files is not there any more, or was sent before. Upload it again.',
  });

function toSentFile({ id, name, type, size, width, height, has_thumbnail }: Row): SentFile {
  return { id, name, type, size, ...(width && height && { width, height }), has_thumbnail };
}

function readHead(type: string, bytes: Buffer): ImageHead {
  try {
    return readImage(type, bytes);
  } catch (error) {
    throw error instanceof NotAnImage ? refuseUnreadable() : error;
  }
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function orUndefined(error: unknown): undefined {
  if (error instanceof NotFound) return undefined;
  throw error;
}
