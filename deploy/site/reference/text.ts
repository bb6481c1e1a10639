/* How the pages of the reference are put into Markdown. */

/** A page of the reference, as one of docs/: its path is the name under which others link to it. */
export type ReferencePage = { path: string; text: string };

/** Text for a place outside of code. Pure. */
export const plain = (text: string): string => text.replace(/[\\`*_[\]<>]/g, '\\$&');

/** Text as code, whatever is in it. Pure. */
export const code = (text: string): string => {
  const fence = '`'.repeat(Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length)) + 1);
  return fence.length > 1 ? `${fence} ${text} ${fence}` : `${fence}${text}${fence}`;
};

/** A table, without the columns that are empty in every row; cells are Markdown. Nothing for no rows. Pure. */
export function table(allHeads: string[], allRows: string[][]): string {
  if (allRows.length === 0) return '';
  const isFull = (column: number) => allRows.some((cells) => cells[column] !== '');
  const [heads, ...rows] = [allHeads, ...allRows].map((cells) => cells.filter((_, column) => isFull(column))) as [
    string[],
    ...string[][],
  ];
  const line = (cells: string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ')).join(' | ')} |`;
  return `${[line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}

/** Paragraphs, without those that are empty. Pure. */
export const paragraphs = (...parts: (string | undefined | false)[]): string =>
  `${parts
    .filter((part) => typeof part === 'string' && part.trim() !== '')
    .map((part) => (part as string).trim())
    .join('\n\n')}\n`;
