import DataLoader from 'dataloader';
import type { Queryable, Statement } from './log/query.ts';

/** Keys in one query. More keys than this become several queries on several connections, so that the server's cores share them. */
const keysMax = 32;

/** A select by key, prepared for one key and for many. */
export type Lookup = { one: Statement; many: Statement };

/**
 * @param select ends with the column that the key is compared with.
 *
 * The array of the many hides in a subselect: PostgreSQL otherwise estimates each array by its length, finds that a plan made
 * for a short one beats the plan for all, and plans small batches again every time (measured: a quarter of the throughput).
 */
export function prepareLookup(name: string, keyType: 'text' | 'uuid', select: string): Lookup {
  return {
    one: { name, text: `${select} = $1` },
    many: { name: `${name}-many`, text: `${select} = any ((select $1::${keyType}[])::${keyType}[])` },
  };
}

/** @returns the rows of all the keys, in no order. */
export function runLookup<Row extends object>(on: Queryable, { one, many }: Lookup, keys: string[]): Promise<Row[]> {
  return keys.length === 1 ? on.run<Row>(one, keys) : on.run<Row>(many, [keys]);
}

/**
 * Turns a query for many keys into a lookup of one: lookups made in the same tick share a query, and each distinct key is
 * asked once. Nothing is remembered between ticks, so an answer is never older than its question; and each caller's is its own to change.
 *
 * @param fetch the values found; a key that is missing from the map has none. When it throws, the lookups it was for do.
 */
export function coalesce<Key, Value>(
  fetch: (keys: Key[]) => Promise<Map<Key, Value>>,
): (key: Key) => Promise<Value | null> {
  const loader = new DataLoader<Key, Value | null>(
    async (keys) => {
      const distinct = new Set(keys);
      const found = await fetch([...distinct]);
      const answers = keys.map((key) => found.get(key) ?? null);
      if (distinct.size === keys.length) return answers;
      return answers.map((answer, index) => (distinct.delete(keys[index] as Key) ? answer : structuredClone(answer)));
    },
    { cache: false, maxBatchSize: keysMax },
  );
  return (key) => loader.load(key);
}
