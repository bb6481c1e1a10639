/**
 * A row as CSV that opens again as the same cells. Rows that have no text of their own, such as those of a workbook, are kept in this form.
 */
export const writeCsvRow = (cells: readonly string[]): string => cells.map(writeCell).join(',');

// The first cell is quoted if it begins with sep=, which spreadsheets take for an instruction, and a lone empty cell, which would be no row.
const writeCell = (cell: string, place: number, cells: readonly string[]): string =>
  /[",\r\n]|^\s|\s$/.test(cell) || (place === 0 && (/^sep=/i.test(cell) || (cell === '' && cells.length === 1)))
    ? `"${cell.replaceAll('"', '""')}"`
    : cell;
