import { IconArrowDown, IconArrowUp } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import classes from './reports.module.css';
import { type SortedBy, sortRows } from './sorting.ts';

export type ReportColumn<Row> = {
  key: string;
  label: string;
  /** What a row is sorted by; a column without it is not sorted. */
  by?: (row: Row) => number | string | null;
  isText?: boolean;
  render: (row: Row) => ReactNode;
  /** The cell of the last row, which sums up. */
  total?: ReactNode;
};

type ReportTableProps<Row> = {
  label: string;
  columns: ReportColumn<Row>[];
  rows: Row[];
  keyOf: (row: Row) => string;
  /** Said instead of a table without rows. */
  none: string;
};

/** The rows behind a chart. Each heading sorts: first the greatest number or the first word, then the other way, then as they came. */
export function ReportTable<Row>({ label, columns, rows, keyOf, none }: ReportTableProps<Row>) {
  const [sorted, setSorted] = useState<SortedBy | undefined>();
  if (rows.length === 0) return <p className={classes.none}>{none}</p>;
  const column = columns.find(({ key }) => key === sorted?.key);
  const shown = column?.by && sorted ? sortRows(rows, column.by, sorted.dir) : rows;
  const press = ({ key, isText }: ReportColumn<Row>) => {
    const first = isText ? 'asc' : 'desc';
    if (sorted?.key !== key) setSorted({ key, dir: first });
    else setSorted(sorted.dir === first ? { key, dir: first === 'asc' ? 'desc' : 'asc' } : undefined);
  };
  const hasTotal = columns.some(({ total }) => total !== undefined);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it is scrolled with the keyboard
    <section className={classes.scroll} tabIndex={0} data-sideways aria-label={`Table: ${label}`}>
      <table className={classes.table}>
        <thead>
          <tr>
            {columns.map((each) => {
              const dir = sorted?.key === each.key ? sorted.dir : undefined;
              return (
                <th
                  key={each.key}
                  scope="col"
                  data-text={each.isText || undefined}
                  aria-sort={dir ? (dir === 'asc' ? 'ascending' : 'descending') : each.by ? 'none' : undefined}
                >
                  {each.by ? (
                    <button type="button" onClick={() => press(each)}>
                      {each.label}
                      {dir === 'asc' && <IconArrowUp size={13} />}
                      {dir === 'desc' && <IconArrowDown size={13} />}
                    </button>
                  ) : (
                    each.label
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((each, index) =>
                index === 0 ? (
                  <th key={each.key} scope="row" data-text>
                    {each.render(row)}
                  </th>
                ) : (
                  <td key={each.key} data-text={each.isText || undefined}>
                    {each.render(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
        {hasTotal && (
          <tfoot>
            <tr>
              {columns.map(({ key, total, isText }, index) =>
                index === 0 ? (
                  <th key={key} scope="row" data-text>
                    {total ?? 'All'}
                  </th>
                ) : (
                  <td key={key} data-text={isText || undefined}>
                    {total}
                  </td>
                ),
              )}
            </tr>
          </tfoot>
        )}
      </table>
    </section>
  );
}
