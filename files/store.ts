import type { PlatformDb, Transaction } from '@aether/platform';

/** `thumbnail`: a small picture of an image. */
export type Variant = 'whole' | 'thumbnail';
export type Place = 'database' | 'azure';

/** Where the bytes of files are. Both stores do the same, and the same tests hold both to it. */
export type Store = {
  place: Place;
  /** Keeps the bytes, in place of what is there. It takes at most `keepWithinMs`. */
  keep(id: string, variant: Variant, parts: AsyncIterable<Uint8Array>): Promise<void>;
  /** The bytes, a part at a time; nothing of a file that is not there. */
  read(id: string, variant: Variant): AsyncGenerator<Uint8Array>;
  /** Removes both variants. It does no harm if they are gone. */
  remove(id: string): Promise<void>;
};

export const chunkBytes = 1_048_576;
export const keepWithinMs = 60_000;

/** The bytes as rows of platform.file_chunks. */
export function openDatabaseStore(db: PlatformDb): Store {
  return {
    place: 'database',
    keep: (id, variant, parts) => db.transaction({}, (tx) => keepIn(tx, id, variant, parts)),
    // A query for each part, so that a slow reader holds no connection.
    async *read(id, variant) {
      for (let place = 0; ; place += 1) {
        const [row] = await db.query<{ bytes: Buffer }>(
          'select bytes from platform.file_chunks where file_id = $1 and variant = $2 and place = $3',
          [id, variant, place],
        );
        if (!row) return;
        yield row.bytes;
      }
    },
    async remove(id) {
      await db.query('delete from platform.file_chunks where file_id = $1', [id]);
    },
  };
}

/** Keeps the bytes in the caller's transaction. */
export async function keepIn(
  tx: Transaction,
  id: string,
  variant: Variant,
  parts: AsyncIterable<Uint8Array>,
): Promise<void> {
  await tx.query('delete from platform.file_chunks where file_id = $1 and variant = $2', [id, variant]);
  let place = 0;
  for await (const part of inChunks(parts)) {
    await tx.query('insert into platform.file_chunks (file_id, variant, place, bytes) values ($1, $2, $3, $4)', [
      id,
      variant,
      place,
      part,
    ]);
    place += 1;
  }
}

async function* inChunks(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const part of parts)
    for (let at = 0; at < part.length; at += chunkBytes) yield part.subarray(at, at + chunkBytes);
}
