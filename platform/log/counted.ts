/** How many rows a statement has changed, beside the rows that it gave: an answer is a list of rows for everybody but those who ask. */
const counts = new WeakMap<readonly unknown[], number>();

export function withCount<Rows extends unknown[]>({ rows, rowCount }: { rows: Rows; rowCount: number | null }): Rows {
  if (rowCount !== null) counts.set(rows, rowCount);
  return rows;
}

/** Of an insert, update or delete; of a select how many rows it gave. Undefined of what no query gave. */
export const countOf = (rows: readonly unknown[]): number | undefined => counts.get(rows);
