/** Rows as text in columns, with a header. An empty value is shown as a dash. */
export function formatTable(head: string[], rows: unknown[][]): string {
  const cells = [
    head,
    ...rows.map((row) => row.map((value) => (value === null || value === '' ? '–' : String(value)))),
  ];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
