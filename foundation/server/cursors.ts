import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { refuseFields, z } from '@aether/http';
import type { Queryable } from '@aether/platform';
import type { Place } from './keyset.ts';

/*
 * A cursor marks the end of a page: the sort value and the id of its last row. The value may be a person's name or address, and cursors are
 * parts of URLs, which are logged and shared. So a cursor is sealed. The key is in the database, because every server of Foundation must
 * open the cursors of all others, also after a restart.
 */

const algorithm = 'aes-256-gcm';
const [nonceBytes, tagBytes] = [12, 16];
/** Enough for a name of 200 characters with 4 bytes each and the overhead of the seal. */
const charactersMax = 2_048;

/** A cursor in a query; `open` returns its place. */
export const sealedCursor = () => z.string().openapi({ maxLength: charactersMax });

/**
 * The cursors of one database.
 *
 * @returns `open` and `cut` take the name of the list with its order, such as `customers name asc`. A cursor works only for that.
 */
export function cursorsOf(db: Queryable) {
  let asked: Promise<Buffer> | undefined;
  const readKey = () => {
    asked ??= db.query<{ key: Buffer }>('select key from crm.cursor_key').then(([row]) => (row as { key: Buffer }).key);
    asked.catch(() => {
      asked = undefined;
    });
    return asked;
  };

  return {
    /** @throws Problem for a cursor that was not made for this list */
    async open(list: string, cursor: string | undefined): Promise<Place | undefined> {
      if (cursor === undefined) return undefined;
      const place = unseal(await readKey(), list, cursor);
      if (place) return place;
      throw refuseFields([
        {
          field: 'cursor',
          in: 'query',
          message:
            'is not a cursor that this server gave for this list in this order: leave it out to start at the first page',
        },
      ]);
    },

    /** Makes a page of rows. The caller reads one row more than the page may hold; that row only shows that there is a next page. */
    async cut<Row extends { place: Place }>(
      list: string,
      rows: Row[],
      size: number,
    ): Promise<{ page: Omit<Row, 'place'>[]; next_cursor: string | null }> {
      const last = rows[size - 1];
      return {
        page: rows.slice(0, size).map(({ place: _, ...row }) => row),
        next_cursor: rows.length > size && last ? seal(await readKey(), list, last.place) : null,
      };
    },
  };
}

function seal(key: Buffer, list: string, place: Place): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key, nonce).setAAD(Buffer.from(list));
  const sealed = [cipher.update(JSON.stringify(place), 'utf8'), cipher.final()];
  return Buffer.concat([nonce, ...sealed, cipher.getAuthTag()]).toString('base64url');
}

function unseal(key: Buffer, list: string, cursor: string): Place | undefined {
  const bytes = Buffer.from(cursor, 'base64url');
  if (cursor.length > charactersMax || bytes.length <= nonceBytes + tagBytes) return undefined;
  try {
    const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
      .setAAD(Buffer.from(list))
      .setAuthTag(bytes.subarray(-tagBytes));
    return JSON.parse(
      Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()]).toString(),
    );
  } catch {
    return undefined;
  }
}
