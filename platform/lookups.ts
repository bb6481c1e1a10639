import type { LookupCounts } from './log/connection.ts';
import type { Queryable, Statement } from './log/query.ts';
import type { Reader } from './log/reader.ts';
import { fromPrimary, type Reads } from './reads.ts';

/** The most keys in one query. More keys become several queries on several connections, so that the server's cores share the work. */
const keysMax = 32;

/** A select by key, prepared for one key and for many. */
export type Lookup = { one: Statement; many: Statement };

/**
 * @param select ends with the column with which the key is compared.
 *
 * The array of keys is inside a subselect. Otherwise PostgreSQL estimates each array by its length, finds that a plan for a short array
 * beats the general plan, and plans small batches again every time (measured: a quarter of the throughput).
 */
export function prepareLookup(
  name: string,
  keyType: 'text' | 'uuid',
  select: string,
  how: Pick<Statement, 'rowMode'> = {},
): Lookup {
  const many = `${select} = any ((select $1::${keyType}[])::${keyType}[])`;
  return {
    one: { name, text: `${select} = $1`, isShort: true, ...how },
    many: { name: `${name}-many`, text: many, isShort: true, ...how },
  };
}

/** @returns the rows of all the keys, in no order. */
export function runLookup<Row extends object>(on: Queryable, { one, many }: Lookup, keys: string[]): Promise<Row[]> {
  return keys.length === 1 ? on.run<Row>(one, keys) : on.run<Row>(many, [keys]);
}

/**
 * @param columns names, each with or without a table before it, and with commas between them.
 * @returns makes a record of their values. The first is at the place `from` of the row.
 */
export function recordReader<Record extends object>(
  columns: string,
): (row: readonly unknown[], from: number) => Record {
  const names = columns.split(',').map((column) => column.trim().replace(/^\w+\./, ''));
  const empty: { [name: string]: unknown } = Object.fromEntries(names.map((name) => [name, null]));
  return (row, from) => {
    const record = { ...empty };
    for (let n = 0; n < names.length; n++) record[names[n] as string] = row[from + n];
    return record as Record;
  };
}

/**
 * Turns a query for many keys into a lookup of one: lookups made in the same tick share a query, and each distinct key is
 * asked once. Nothing is remembered between ticks, so an answer is never older than its question. Each caller gets a copy of its own.
 *
 * @param fetch returns the values found; a key without a value is missing from the map. If it throws, its lookups throw. `asked` is the number of
 *   lookups that the query answers.
 * @param counts counts the lookups and their queries.
 */
export function coalesce<Key, Value>(
  fetch: (keys: Key[], asked: number) => Promise<Map<Key, Value>>,
  counts?: LookupCounts,
): (key: Key) => Promise<Value | null> {
  const loader = new DataLoader<Key, Value | null>(
    async (keys) => {
      const distinct = new Set(keys);
      if (counts) {
        counts.asked += keys.length;
        counts.queries += 1;
      }
      const found = await fetch([...distinct], keys.length);
      const answers = keys.map((key) => found.get(key) ?? null);
      if (distinct.size === keys.length) return answers;
      return answers.map((answer, index) => (distinct.delete(keys[index] as Key) ? answer : structuredClone(answer)));
    },
    { cache: false, maxBatchSize: keysMax },
  );
  return (key) => loader.load(key);
}

/**
 * `coalesce` for lookups that may come from a replica. Those of a tick whose callers it may answer share a query there, which needs what any of
 * them has seen; the others share one at the primary.
 */
export function coalesceReads<Key, Value>(
  fetch: (on: Queryable, keys: Key[]) => Promise<Map<Key, Value>>,
  reads: Reads,
  counts?: LookupCounts,
): (key: Key) => Promise<Value | null> {
  const readers: Reader[] = []; // of the lookups that wait, in their order
  const onPrimary = coalesce((keys: Key[]) => fetch(reads.primary, keys), counts);
  const onReplica = coalesce(
    (keys: Key[], asked) => fetch(reads.for([...new Set(readers.splice(0, asked))]), keys),
    counts,
  );
  const askReplica = async (reader: Reader, key: Key) => {
    readers.push(reader);
    const found = await onReplica(key);
    // A replica may not know yet what somebody has just made: that there is none, only the primary says.
    return found ?? (reader.isPinned ? null : fromPrimary(() => onPrimary(key)));
  };
  return (key) => {
    const reader = reads.admit();
    if (reader) return askReplica(reader, key);
    const settling = reads.settled();
    return settling ? settling.then(() => onPrimary(key)) : onPrimary(key);
  };
}
