/** A table as the benches print it, in Markdown. */
export type Table = { columns: string[]; rows: string[][] };

const cellsOf = (line: string) =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());

/** Reads all tables from what a bench printed. */
export function readTables(printed: string): Table[] {
  const tables: Table[] = [];
  let isInTable = false;
  for (const line of printed.split('\n')) {
    if (!line.startsWith('|')) {
      isInTable = false;
      continue;
    }
    const cells = cellsOf(line);
    if (!isInTable) tables.push({ columns: cells, rows: [] });
    else if (!/^[|:\- ]+$/.test(line)) tables.at(-1)?.rows.push(cells);
    isInTable = true;
  }
  return tables;
}

/** Reads the number at the beginning of a cell: 2985 of "2,985/s". A cell such as "≤ 5 ms" begins with no number. */
export function numberOf(cell: string): number | undefined {
  const digits = /^\*{0,2}(\d[\d,]*(?:\.\d+)?)/.exec(cell)?.[1];
  return digits === undefined ? undefined : Number(digits.replaceAll(',', ''));
}

/**
 * Joins the tables of two builds, each printed once or several times: for each number the medians before and now, and
 * now ÷ before. Rows belong together if they have the same words in the same order; a row of one build alone is left
 * out.
 */
export function joinTables(before: Table[][], now: Table[][]): Table[] {
  const medians = (runs: Table[][], table: number, key: string, column: number) => {
    const values = runs
      .map((run) => keyedRows(run[table]).get(key)?.[column] ?? '')
      .flatMap((cell) => numberOf(cell) ?? [])
      .sort((a, b) => a - b);
    return values[Math.floor(values.length / 2)];
  };
  return (now[0] ?? []).map(({ columns }, table) => {
    const keys = [...keyedRows(now[0]?.[table]).entries()];
    const rows = keys.flatMap(([key, cells]) => {
      const joined = cells.slice(1).map((_, n) => {
        const [was, is] = [medians(before, table, key, n + 1), medians(now, table, key, n + 1)];
        return was === undefined || is === undefined ? '' : `${was} → ${is} (${(is / was).toFixed(2)})`;
      });
      return joined.some(Boolean) ? [[cells[0] ?? '', ...joined]] : [];
    });
    return { columns, rows };
  });
}

/** The rows by their first cell; the second row of the same name is another one. */
function keyedRows(table: Table | undefined): Map<string, string[]> {
  const keyed = new Map<string, string[]>();
  for (const row of table?.rows ?? []) {
    let key = row[0] ?? '';
    while (keyed.has(key)) key += '′';
    keyed.set(key, row);
  }
  return keyed;
}

export function printTable({ columns, rows }: Table): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [line(columns), `|${columns.map((_, n) => (n ? '--:' : '---')).join('|')}|`, ...rows.map(line)].join('\n');
}
