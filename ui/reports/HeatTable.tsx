import type { ReactNode } from 'react';
import { formatNumber } from '../formats.ts';
import classes from './reports.module.css';

type HeatTableProps = {
  label: string;
  rows: string[];
  columns: string[];
  /** By row, then by column. */
  values: number[][];
  /** What a value counts: `12 chats`. */
  say: (value: number) => string;
  /** What a cell with a value shows, such as a link to what it counts. */
  draw?: (value: number, row: number, column: number) => ReactNode;
};

/** Numbers by two keys, such as the hours of the week: the greater, the darker. The numbers stand in it, so that the colour is not alone. */
export function HeatTable({
  label,
  rows,
  columns,
  values,
  say,
  draw = (value) => formatNumber(value),
}: HeatTableProps) {
  const most = Math.max(...values.flat(), 1);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it is scrolled with the keyboard
    <section className={classes.scroll} tabIndex={0} data-sideways aria-label={`Table: ${label}`}>
      <table className={classes.heat}>
        <thead>
          <tr>
            <td />
            {columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={row}>
              <th scope="row">{row}</th>
              {columns.map((column, index) => {
                const value = values[at]?.[index] ?? 0;
                const level = value === 0 ? 0 : Math.ceil((value / most) * 4);
                return (
                  <td key={column} data-level={level} title={`${row}, ${column}: ${say(value)}`}>
                    {value === 0 ? '' : draw(value, at, index)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
