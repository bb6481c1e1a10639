import type pg from 'pg';

/** Where SQL of this room runs: a client, the worker's own line, a pool or a transaction of the platform's. */
export type Sql = {
  query<Row extends pg.QueryResultRow>(
    text: string,
    values?: unknown[],
    // biome-ignore lint/suspicious/noExplicitAny: the drivers' own options, which nobody here reads
    options?: any,
  ): Promise<{ rows: Row[] } | Row[]>;
};

/** The rows of a statement, whichever of the clients runs it. */
export async function rowsOf<Row extends pg.QueryResultRow>(
  on: Sql,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const result = await on.query<Row>(text, values);
  return Array.isArray(result) ? result : result.rows;
}
