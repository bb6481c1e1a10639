import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { ListPlace, Paging, Placed, Queryable } from '@aether/platform';
import { z } from './input/zod.ts';
import { refuseFields } from './problem.ts';

/*
 * A cursor says where a page ended: by what its last row was sorted, and its id. That may be a person's name or address, and a cursor
 * is in addresses, which are logged and shared: so it is sealed. The key is in the database, because every server must open what any
 * of them sealed, also after a restart. The seal binds a cursor to its list and order: any other list refuses it. It does not bind it to
 * filters, because a place in an order is one whatever the list leaves out; a column of the board goes on as a filtered list of deals.
 */

const algorithm = 'aes-256-gcm';
const [nonceBytes, tagBytes] = [12, 16];
/** A name of 200 characters, each of 4 bytes, and what sealing adds. */
const charactersMax = 2_048;

/** A cursor in a query. `cursorsOf` opens it. */
export const cursor = () => z.string().openapi({ maxLength: charactersMax });

type Page<Row> = { page: Omit<Row, 'place'>[]; next_cursor: string | null };

/**
 * The cursors of one database.
 *
 * @returns functions that take the name of a list in its order, such as `customers name asc`: a cursor leads on in no other.
 */
export function cursorsOf(db: Queryable) {
  let asked: Promise<Buffer> | undefined;
  const readKey = () => {
    asked ??= db
      .query<{ key: Buffer }>('select key from platform.cursor_key')
      .then(([row]) => (row as { key: Buffer }).key);
    asked.catch(() => {
      asked = undefined;
    });
    return asked;
  };

  /** @throws Problem for a cursor that was not made for this list */
  async function open(list: string, cursor: string | undefined): Promise<ListPlace | undefined> {
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
  }

  /** Makes a page of rows of which one more was asked for than it may hold: that one only tells that there is a next page. */
  async function cut<Row extends { place: ListPlace }>(list: string, rows: Row[], size: number): Promise<Page<Row>> {
    const last = rows[size - 1];
    return {
      page: rows.slice(0, size).map(({ place: _, ...row }) => row),
      next_cursor: rows.length > size && last ? seal(await readKey(), list, last.place) : null,
    };
  }

  return {
    open,
    cut,

    /** Makes the cursor of a place. */
    give: async (list: string, place: ListPlace): Promise<string> => seal(await readKey(), list, place),

    /**
     * One page of a list.
     *
     * @param read reads the rows behind a place. It is asked for one more than the page holds.
     * @throws Problem for a cursor that was not made for this list
     */
    async page<Row extends object>(
      list: string,
      { cursor, limit }: { cursor?: string; limit: number },
      read: (paging: Paging) => Promise<Placed<Row>[]>,
    ): Promise<Page<Placed<Row>>> {
      return cut(list, await read({ after: await open(list, cursor), limit: limit + 1 }), limit);
    },
  };
}

function seal(key: Buffer, list: string, place: ListPlace): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key, nonce).setAAD(Buffer.from(list));
  const sealed = [cipher.update(JSON.stringify(place), 'utf8'), cipher.final()];
  return Buffer.concat([nonce, ...sealed, cipher.getAuthTag()]).toString('base64url');
}

function unseal(key: Buffer, list: string, cursor: string): ListPlace | undefined {
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
