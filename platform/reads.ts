import { becauseOf, readCause } from './log/cause.ts';
import type { Connection } from './log/connection.ts';
import type { Queryable, Statement } from './log/query.ts';
import type { Reader } from './log/reader.ts';
import type { Replica } from './log/replica.ts';

/** Where reads run that may come from a replica: lookups, lists and searches. Everything else runs on the connection itself. */
export type Reads = Queryable & {
  primary: Queryable;
  /** As `run`; that there is no row, only the primary says, for a replica may not know yet what somebody has just made. */
  find: Queryable['run'];
  /** For a query that answers several callers, each of whom was admitted. */
  for(readers: readonly Reader[]): Queryable;
  /** The reader of the surrounding `readAs`, if the replica may answer it. Otherwise the read belongs to the primary. */
  admit(): Reader | undefined;
  /** Settles when the primary shows what a replica has shown to the reader of the surrounding `readAs`; undefined: it does. */
  settled(): Promise<void> | undefined;
};

/** @param replica undefined: there is none, and everything comes from the primary. */
export function readsOf(primary: Queryable, replica: Replica | undefined): Reads {
  const settled = () => {
    const { reader } = readCause();
    return reader && !reader.isOver ? replica?.settled(reader) : undefined;
  };
  const onceSettled: Queryable = {
    async query(text, values, limit) {
      await settled();
      return primary.query(text, values, limit);
    },
    async run(statement, values) {
      await settled();
      return primary.run(statement, values);
    },
  };
  const on = () => {
    const { reader } = readCause();
    if (!reader || !replica || reader.isOver) return primary;
    return reader.isPinned ? onceSettled : replica.for([reader]);
  };
  return {
    primary,
    async find<Row extends object>(statement: Statement, values: unknown[]): Promise<Row[]> {
      const from = on();
      const rows = await from.run<Row & unknown[]>(statement, values);
      if (rows.length > 0 || from === primary || readCause().reader?.isPinned) return rows;
      return fromPrimary(() => primary.run<Row & unknown[]>(statement, values));
    },
    query: (text, values, limit) => on().query(text, values, limit),
    run: (statement, values) => on().run(statement, values),
    for: (readers) => replica?.for(readers) ?? primary,
    admit() {
      const { reader } = readCause();
      return reader && replica?.admit(reader) ? reader : undefined;
    },
    settled,
  };
}

/**
 * Runs `work` so that all that it reads comes from the primary, and what the reader reads after it as well: the parts of a record must not be
 * older than the version that was found there, which the reader could then change as if they had seen it.
 */
export function fromPrimary<T>(work: () => Promise<T>): Promise<T> {
  const cause = readCause();
  if (!cause.reader) return work();
  cause.reader.hasReadPrimary = cause.reader.isPinned = true;
  return becauseOf({ ...cause, reader: undefined }, work);
}

/** The connection to the primary. What is read there for a reader is noted: the primary may be ahead of every replica. */
export function noting<App extends string>(connection: Connection<App>): Connection<App> {
  const note = () => {
    const { reader } = readCause();
    if (reader) reader.hasReadPrimary = true;
  };
  return {
    ...connection,
    query(text, values, limit) {
      note();
      return connection.query(text, values, limit);
    },
    run(statement, values) {
      note();
      return connection.run(statement, values);
    },
    copier() {
      const copy = connection.copier();
      return (text, into) => {
        note();
        return copy(text, into);
      };
    },
    transaction(options, work) {
      note();
      return connection.transaction(options, work);
    },
    within(write, work) {
      note();
      return connection.within(write, work);
    },
  };
}
