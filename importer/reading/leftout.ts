import type { RowRules } from './formats.ts';
import type { MappedColumn } from './persons.ts';
import type { RawRow } from './rows.ts';

/** How many rows say something in a column that means nothing, by the name of the column. */
export type LeftOut = Map<string, number>;

/** Makes a counter of the cells that an import leaves out. Columns that a rule of the format reads, such as the id of a company, are none. */
export function leftOutCounter(
  columns: MappedColumn[],
  { exclude = [], sharedPhone, companyId = [], ownerId = [] }: RowRules,
  leftOut: LeftOut,
): (rows: RawRow[]) => void {
  const used = new Set([...exclude.map(({ key }) => key), sharedPhone, ...companyId, ...ownerId]);
  const counts = columns.flatMap(({ name, key, field }, at) =>
    field === null && !used.has(key) ? [{ name, at, cells: 0 }] : [],
  );
  return (rows) => {
    for (const count of counts) {
      for (const { cells } of rows) if ((cells[count.at] ?? '').trim() !== '') count.cells++;
      if (count.cells > 0) leftOut.set(count.name, count.cells);
    }
  };
}
