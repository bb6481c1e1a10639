/*
 * Spreadsheets take a text that begins like a formula for one, and whoever typed it decides what it does. So files that we write have an
 * apostrophe before such a text, and files that we read lose it again: the same rows come back.
 */

/** White space and invisible characters before the sign do not keep a spreadsheet from seeing a formula. */
const formula = /^'*[\s\p{Cf}]*[=+\-@\t\r|%]/u;

/** The text as it is in a cell of a file for spreadsheets. Pure. */
export const toCell = (text: string): string => (formula.test(text) ? `'${text}` : text);

/** The text of a cell that `toCell` made; any other is returned as it is. Pure. */
export const fromCell = (cell: string): string => (cell.startsWith("'") && formula.test(cell) ? cell.slice(1) : cell);
