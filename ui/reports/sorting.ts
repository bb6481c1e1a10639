export type SortedBy = { key: string; dir: 'asc' | 'desc' };

/** The rows in order; rows without a value are last in both directions, and equal ones stay as they came. Pure. */
export function sortRows<Row>(
  rows: readonly Row[],
  by: (row: Row) => number | string | null,
  dir: SortedBy['dir'],
): Row[] {
  const sign = dir === 'asc' ? 1 : -1;
  return rows.toSorted((one, other) => {
    const [a, b] = [by(one), by(other)];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    if (typeof a === 'string' || typeof b === 'string') return sign * String(a).localeCompare(String(b));
    return sign * (a - b);
  });
}
