import type pg from 'pg';

/** A statement that this package runs often: the name lets the server keep its plan. */
export type Statement = {
  name: string;
  text: string;
  /** Rows as arrays of values: for a statement that returns many, an object for each takes as long as all the rest. */
  rowMode?: 'array';
  /** As in QueryLimit. */
  isShort?: boolean;
};

/** A statement of this package, which alone knows what shares a connection with it. */
export type StatementInTurn = Statement & {
  /**
   * The connection may have another such statement before this one is answered, so that the server process goes from one to the next. For one
   * that takes the server not much longer than this process, and that may fail when the one before it loses the connection.
   */
  isInTurn?: boolean;
};

export type QueryLimit = {
  timeoutMs?: number;
  /**
   * The statement finds a few rows by a key and waits for no lock. While all connections are in use it has a lane of its own, so that a process
   * whose other work waits still says that it is ready, knows who is signed in, and finds a customer.
   */
  isShort?: boolean;
  /** How the driver reads the values of the answer, if not as everywhere: `@aether/platform/kysely` reads arrays as its types say. */
  types?: pg.CustomTypesConfig;
};

/** Where SQL runs: the pool, or the one connection of a transaction. */
export interface Queryable {
  /**
   * Runs one statement.
   *
   * @param limit.timeoutMs how long it may go without an answer, Infinity for no limit; by default PLATFORM_DB_QUERY_TIMEOUT_MS. The
   * server's own limit, statement_timeout, is unchanged.
   * @returns the rows; bigint as number where it is safe (otherwise as bigint), date as 'YYYY-MM-DD', numeric as string.
   */
  query<Row extends pg.QueryResultRow = pg.QueryResultRow>(
    text: string,
    values?: unknown[],
    limit?: QueryLimit,
  ): Promise<Row[]>;
  /** Runs a statement that has a name, so that the server keeps its plan. @returns the rows, as `query` does */
  run<Row extends pg.QueryResultRow | unknown[]>(statement: Statement, values: unknown[]): Promise<Row[]>;
}
