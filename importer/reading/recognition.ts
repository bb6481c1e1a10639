import { type Column, proposeColumns, seeColumns } from './columns.ts';
import { collectEvidence, type DayOrder, noEvidence, type OrderEvidence, orderOf, readDate } from './dates.ts';
import type { EncodingFinding } from './encoding.ts';
import { formatOf, recogniseFormat } from './formats.ts';
import { findLayoutOf, type Layout, type LayoutAnswers, readRows } from './layout.ts';
import { fingerprintOf, type Mapping } from './mapping.ts';
import { isAddedColumn } from './mending.ts';
import type { Source } from './source.ts';

/** What only a person knows. `choices` are what `answers` takes; the first one is the likeliest, without being assumed. */
export type Question =
  | { kind: 'encoding'; choices: string[]; examples: string[]; assumed: string }
  | { kind: 'day-month'; column: string; choices: DayOrder[]; examples: string[]; isContradictory: boolean }
  | { kind: 'timezone'; columns: string[]; choices: string[]; examples: string[] }
  | { kind: 'sheet'; choices: string[]; examples: string[]; assumed: string };

/** What was recognised in a source: pure data, which a screen shows and a run stores. */
export type Recognition = {
  /** The known format, such as hubspot; null: another list, whose columns are proposed by headings and values. */
  format: string | null;
  label: string;
  /** What its rows are. Companies and users complete a list of people that they are given with. */
  holds: 'people' | 'companies' | 'users';
  layout: Layout;
  encoding: EncodingFinding | null;
  columns: Column[];
  /** The proposed meaning of each column, by its name. */
  mapping: Mapping;
  fingerprint: string;
  /** What is decided from all rows, by the name of a column. */
  dayOrder: Record<string, DayOrder>;
  questions: Question[];
};

/**
 * Recognises a source without being told: encoding, delimiter, header, format, the meaning of its columns, and what has to be asked.
 *
 * It reads the beginning. It reads all rows only for columns of dates such as 03/04/2020, because one row far down can decide their order.
 *
 * @throws SourceRefused if nothing can be read from the source
 */
export async function recognise(source: Source, answers: LayoutAnswers = {}): Promise<Recognition> {
  const { layout, encoding, sample } = await findLayoutOf(source, answers);
  const rows = sample.filter(({ refusal }) => !refusal).map(({ cells }) => cells);
  const seen = seeColumns(layout.headings, rows);
  const format = layout.kind === 'vcard' ? formatOf('vcard') : recogniseFormat(seen).format;
  const columns = proposeColumns(seen, layout.headings, format);
  const evidence = await collectOrders(source, layout, columns, rows);
  const dayOrder: Record<string, DayOrder> = {};
  const questions: Question[] = [];
  if (encoding?.by === 'guess' && !answers.encoding)
    questions.push({
      kind: 'encoding',
      choices: [encoding.encoding, ...encoding.alternatives],
      examples: encoding.examples,
      assumed: encoding.encoding,
    });
  if (layout.kind === 'workbook' && layout.sheets.length > 1 && !answers.sheet)
    questions.push({ kind: 'sheet', choices: layout.sheets, examples: [], assumed: layout.sheet });
  for (const [name, found] of evidence) {
    const order = orderOf(found);
    if (order) dayOrder[name] = order;
    else
      questions.push({
        kind: 'day-month',
        column: name,
        choices: ['day-first', 'month-first'],
        examples: found.examples,
        isContradictory: found.dayFirst > 0,
      });
  }
  const zoneless = columns.filter((column, at) => column.field === 'created_at' && hasNoZone(rows, at));
  if (zoneless.length > 0)
    questions.push({
      kind: 'timezone',
      columns: zoneless.map(({ name }) => name),
      choices: ['UTC', Intl.DateTimeFormat().resolvedOptions().timeZone].filter(
        (zone, at, all) => all.indexOf(zone) === at,
      ),
      examples: zoneless.flatMap(({ samples }) => samples).slice(0, 3),
    });
  return {
    format: format?.id ?? null,
    label: format?.label ?? labels[layout.kind],
    holds: format?.holds ?? 'people',
    layout,
    encoding,
    columns,
    mapping: Object.fromEntries(columns.map(({ name, field }) => [name, field])),
    fingerprint: fingerprintOf(columns.map(({ name }) => name).filter((name) => !isAddedColumn(name))),
    dayOrder,
    questions,
  };
}

const labels: Record<Layout['kind'], string> = {
  delimited: 'Another list',
  workbook: 'Another workbook',
  json: 'Another list in JSON',
  vcard: 'An address book',
  query: 'A table of another database',
};

const hasNoZone = (rows: readonly string[][], at: number): boolean =>
  rows.some((cells) => {
    const written = readDate((cells[at] ?? '').trim());
    return written !== undefined && written.offset === null && !/^\d+$/.test(cells[at] ?? '');
  });

/** The evidence of all rows for columns whose dates could be either, by the name of the column. */
async function collectOrders(
  source: Source,
  layout: Layout,
  columns: readonly Column[],
  sample: readonly string[][],
): Promise<Map<string, OrderEvidence>> {
  const found = new Map<string, OrderEvidence>();
  const places: [number, OrderEvidence][] = [];
  for (const [at, { name, shape }] of columns.entries()) {
    if (shape.date < 0.2 || !sample.some((cells) => readDate((cells[at] ?? '').trim())?.separator)) continue;
    const evidence = noEvidence();
    found.set(name, evidence);
    places.push([at, evidence]);
  }
  if (places.length === 0) return found;
  for await (const { rows } of readRows(source, layout))
    for (const { cells, refusal } of rows)
      if (!refusal) for (const [at, evidence] of places) collectEvidence(evidence, cells[at] as string);
  return found;
}
