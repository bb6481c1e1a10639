import type { LookupCounts } from './log/connection.ts';
import type { Queryable, Statement, StatementInTurn } from './log/query.ts';
import type { Reader } from './log/reader.ts';
import { fromPrimary, type Reads } from './reads.ts';

/** The most keys in one query. More keys become several queries on several connections, so that the server's cores share the work. */
const keysMax = 32;
/** Fewer keys do not become a query of their own. */
const keysMin = 4;
/**
 * So many queries are under way when there are keys enough: the server works on one while the answer of another is read and its callers ask again.
 * With a single query, the server would wait for this process and this process for the server, in turns.
 */
const underWayUsually = 2;

/** So many keys wait for those before them on the same connection. Fewer are asked for beside them: their pages may have to be read. */
const inTurnMin = 16;

/** A select by key, prepared for one key and for many. */
export type Lookup = { one: Statement; many: Statement; manyInTurn: StatementInTurn };

/**
 * @param select ends with the column with which the key is compared.
 * @param how.isInTurn as in StatementInTurn, of many keys
 * @param how.ofMany the same rows for many keys, where another select is cheaper then; made from the comparison.
 *
 * The array of keys is inside a subselect. Otherwise PostgreSQL estimates each array by its length, finds that a plan for a short array
 * beats the general plan, and plans small batches again every time (measured: a quarter of the throughput).
 */
export function prepareLookup(
  name: string,
  keyType: 'text' | 'uuid',
  select: string,
  {
    ofMany = (isAsked) => `${select} ${isAsked}`,
    isInTurn = false,
    ...how
  }: Pick<StatementInTurn, 'rowMode' | 'isInTurn'> & { ofMany?: (isAsked: string) => string } = {},
): Lookup {
  const many: Statement = {
    name: `${name}-many`,
    text: ofMany(`= any ((select $1::${keyType}[])::${keyType}[])`),
    isShort: true,
    ...how,
  };
  return {
    one: { name, text: `${select} = $1`, isShort: true, ...how },
    many,
    manyInTurn: isInTurn ? { ...many, isInTurn } : many,
  };
}

/** @returns the rows of all the keys, in no order. */
export function runLookup<Row extends object>(
  on: Queryable,
  { one, many, manyInTurn }: Lookup,
  keys: string[],
): Promise<Row[]> {
  if (keys.length === 1) return on.run<Row>(one, keys);
  return on.run<Row>(keys.length < inTurnMin ? many : manyInTurn, [keys]);
}

/** The values of these fields of a record, in their order. */
export type ValuesOf<Row, Fields extends readonly (keyof Row)[]> = { -readonly [At in keyof Fields]: Row[Fields[At]] };

/**
 * Turns a query for many keys into a lookup of one: lookups made in the same tick share a query, and each distinct key is
 * asked once. Nothing is remembered between ticks, so an answer is never older than its question. Each caller gets a copy of its own.
 *
 * @param fetch returns the values found; a key without a value is missing from the map. If it throws, its lookups throw.
 * @param counts counts the lookups and their queries.
 * @param underWayMin as in coalesceReads.
 */
export function coalesce<Key, Value>(
  fetch: (keys: Key[]) => Promise<Map<Key, Value>>,
  counts?: LookupCounts,
  underWayMin?: number,
): (key: Key) => Promise<Value | null> {
  const lookUp = coalesceFor<Key, Value, undefined>(
    async (keys, _, tell) => {
      for (const [key, value] of await fetch(keys)) tell(key, value);
    },
    counts,
    underWayMin,
  );
  return (key) => lookUp(key, undefined);
}

/** Takes a value that was found. */
export type Tell<Key, Value> = (key: Key, value: Value) => void;

type Ask<Key, Value, By> = {
  key: Key;
  by: By;
  value: Value | null;
  resolve(value: Value | null): void;
  reject(error: unknown): void;
  /** For the same key. */
  others: Ask<Key, Value, By>[] | undefined;
};

/** `coalesce` for a query that must know by whom its lookups are made. */
function coalesceFor<Key, Value, By>(
  fetch: (keys: Key[], by: () => By[], tell: Tell<Key, Value>) => Promise<void>,
  counts?: LookupCounts,
  underWayMin = underWayUsually,
): (key: Key, by: By) => Promise<Value | null> {
  let asked = 0;
  let waiting = new Map<Key, Ask<Key, Value, By>>();
  let underWay = 0;

  function dispatch(): void {
    const byKey = waiting;
    const asks = [...byKey.values()];
    const missing = Math.min(underWayMin - underWay, Math.floor(asks.length / keysMin));
    const queries = Math.max(Math.ceil(asks.length / keysMax), missing, 1);
    if (counts) {
      counts.asked += asked;
      counts.queries += queries;
    }
    asked = 0;
    waiting = new Map();
    const upTo = (query: number) => Math.floor((query * asks.length) / queries);
    for (let query = 0; query < queries; query++) answer(asks.slice(upTo(query), upTo(query + 1)), byKey);
  }

  async function answer(asks: Ask<Key, Value, By>[], byKey: Map<Key, Ask<Key, Value, By>>): Promise<void> {
    underWay += 1;
    try {
      await fetch(
        asks.map(({ key }) => key),
        () => asks.flatMap(({ by, others = [] }) => [by, ...others.map((other) => other.by)]),
        (key, value) => {
          const ask = byKey.get(key);
          if (ask) ask.value = value;
        },
      );
      for (const { value, resolve, others } of asks) {
        for (const other of others ?? []) other.resolve(structuredClone(value));
        resolve(value);
      }
    } catch (error) {
      for (const { reject, others } of asks) for (const each of [{ reject }, ...(others ?? [])]) each.reject(error);
    } finally {
      underWay -= 1;
    }
  }

  return (key, by) =>
    new Promise((resolve, reject) => {
      if (asked++ === 0) afterTick(dispatch);
      const ask = { key, by, value: null, resolve, reject, others: undefined };
      const first = waiting.get(key);
      if (!first) waiting.set(key, ask);
      else if (first.others) first.others.push(ask);
      else first.others = [ask];
    });
}

const resolved = Promise.resolve();

/** When all that is resolved by now, and what follows from that, has run: callers who got their answers together ask together again. */
function afterTick(work: () => void): void {
  resolved.then(() => process.nextTick(work));
}

/**
 * `coalesce` for lookups that may come from a replica. Those of a tick whose callers it may answer share a query there, which needs what any of
 * them has seen; the others share one at the primary.
 *
 * @param underWayMin more than usual for lookups that take the server much longer than this process.
 */
export function coalesceReads<Key, Value>(
  fetch: (on: Queryable, keys: Key[], tell: Tell<Key, Value>) => Promise<void>,
  reads: Reads,
  counts?: LookupCounts,
  underWayMin?: number,
): (key: Key) => Promise<Value | null> {
  const askPrimary = coalesceFor<Key, Value, undefined>(
    (keys, _, tell) => fetch(reads.primary, keys, tell),
    counts,
    underWayMin,
  );
  const onPrimary = (key: Key) => askPrimary(key, undefined);
  const onReplica = coalesceFor<Key, Value, Reader>(
    (keys, readers, tell) => fetch(reads.for([...new Set(readers())]), keys, tell),
    counts,
    underWayMin,
  );
  const askReplica = async (reader: Reader, key: Key) => {
    const found = await onReplica(key, reader);
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
