import { escapeHtml } from '@aether/http';
import { type Category, categories } from './categories.ts';
import type { Held } from './person.ts';
import type { Row } from './redaction.ts';
import type { Piece, ReadRows } from './rows.ts';

/*
 * The page of an export: for the person, in plain words, in one file that opens without a network and prints. A long table shows its first
 * rows and says which file has all. Every text is escaped, and nothing of it runs: the page allows no script and loads nothing.
 */

const rowsShownMax = 1_000;

export async function* writePage({
  madeAt,
  sources,
  read,
  leftOut,
}: {
  madeAt: Date;
  sources: Held[];
  read: ReadRows;
  leftOut: readonly string[];
}): AsyncGenerator<Piece> {
  const present = categories.filter(({ name }) => sources.some(({ category }) => category === name));
  yield { text: head(madeAt, present, sources), rows: 0 };
  for (const category of present) {
    yield {
      text: `<section id="${category.name}"><h2>${escapeHtml(category.title)}</h2><p>${escapeHtml(category.words)}</p>`,
      rows: 0,
    };
    for (const source of sources.filter((each) => each.category === category.name)) yield* writeTable(source, read);
    yield { text: '</section>\n', rows: 0 };
  }
  const items = leftOut.map((line) => `<li>${escapeHtml(line)}</li>`).join('');
  yield {
    text: `<section id="left-out"><h2>What is not here</h2><ul>${items}</ul></section>\n</main></body></html>\n`,
    rows: 0,
  };
}

const style = `
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;padding:1.5rem;max-width:60rem}
h1{font-size:1.7rem;line-height:1.2}h2{font-size:1.3rem;margin-top:2.5rem;border-bottom:1px solid;padding-bottom:.3rem}
h3{font-size:1rem;margin:1.5rem 0 .3rem}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid #8886;overflow-wrap:anywhere;white-space:pre-wrap;min-width:5rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:0 0 1rem;padding-bottom:.6rem;border-bottom:1px solid #8886}
dt{opacity:.75}dd{margin:0;overflow-wrap:anywhere;white-space:pre-wrap}
@media(max-width:30rem){dl{grid-template-columns:1fr}dd{margin-bottom:.4rem}}
@media print{body{max-width:none;padding:0;font-size:11pt}nav{display:none}h2,h3{break-after:avoid}tr,dl{break-inside:avoid}}`;

function head(madeAt: Date, present: Category[], sources: Held[]): string {
  const count = (category: string) =>
    sources.filter((each) => each.category === category).reduce((sum, { rows }) => sum + rows, 0);
  const links = present.map(
    ({ name, title }) =>
      `<li><a href="#${name}">${escapeHtml(title)}</a>: ${say(count(name), 'entry', 'entries')}</li>`,
  );
  const none = '<p>Nothing is held about this person.</p>';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>What is held about you</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>${style}</style></head><body><main>
<h1>What is held about you</h1>
<p>This page shows everything that was held about you on ${escapeHtml(sayTime(madeAt.toISOString()))}. The folders <b>data</b> (JSON) and <b>csv</b> (for spreadsheets) beside it have the same entries in full, for other programs.</p>
${links.length === 0 ? none : `<nav><ul>${links.join('')}</ul></nav>`}
`;
}

async function* writeTable({ table, why, rows: total }: Held, read: ReadRows): AsyncGenerator<Piece> {
  const columns = shown[table];
  yield { text: `<h3>${escapeHtml(why)}</h3>`, rows: 0 };
  if (columns)
    yield {
      text: `<div class="wide"><table><thead><tr>${columns.map(([, label]) => `<th scope="col">${escapeHtml(label)}</th>`).join('')}</tr></thead><tbody>\n`,
      rows: 0,
    };
  let count = 0;
  for await (const rows of read(table)) {
    // The rest is read and not shown: the cursor is closed in its order.
    const visible = rows.slice(0, Math.max(0, rowsShownMax - count));
    count += visible.length;
    if (visible.length === 0) continue;
    const text = visible.map((row) => (columns ? tableRow(row, columns) : list(row))).join('\n');
    yield { text, rows: visible.length };
  }
  if (columns) yield { text: '</tbody></table></div>', rows: 0 };
  if (total > count)
    yield {
      text: `<p>The first ${count} of ${total}. All are in <b>csv/${escapeHtml(table.replace('.', '_'))}.csv</b>.</p>`,
      rows: 0,
    };
}

const tableRow = (row: Row, columns: readonly Column[]) =>
  `<tr>${columns.map(([name]) => `<td>${escapeHtml(sayValue(row[name]))}</td>`).join('')}</tr>`;

function list(row: Row): string {
  const facts = Object.entries(row).filter(([, value]) => value !== null && !isEmpty(value));
  return `<dl>${facts.map(([name, value]) => `<dt>${escapeHtml(sayName(name))}</dt><dd>${escapeHtml(sayValue(value))}</dd>`).join('')}</dl>`;
}

const isEmpty = (value: unknown) => typeof value === 'object' && value !== null && Object.keys(value).length === 0;
const sayName = (column: string) => column.replace(/_(?:id|at)$/, '').replaceAll('_', ' ');
const say = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`;
const time = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}/;

function sayValue(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string') return time.test(value) ? sayTime(value) : value;
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return value.map(sayValue).join(', ');
  return Object.entries(value)
    .filter(([, inner]) => inner !== null)
    .map(([name, inner]) => `${sayName(name)}: ${sayValue(inner)}`)
    .join('\n');
}

/** A moment in UTC, so that it reads the same wherever the page is opened. */
function sayTime(text: string): string {
  const moment = new Date(text);
  return Number.isNaN(moment.getTime()) ? text : `${moment.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

type Column = readonly [name: string, label: string];

/** Tables with many rows alike are tables; any other is a list of what a row says. */
const shown: Readonly<Record<string, readonly Column[]>> = {
  'support.messages': [
    ['created_at', 'When'],
    ['author', 'Who'],
    ['agent_id', 'Agent'],
    ['body', 'Text'],
  ],
  'support.session_entries': [
    ['created_at', 'When'],
    ['kind', 'What'],
    ['agent_id', 'Agent'],
    ['body', 'Note'],
  ],
  'support.sessions': [
    ['started_at', 'Began'],
    ['ended_at', 'Ended'],
    ['visitor_name', 'Name that was typed'],
    ['visitor_email', 'Address that was typed'],
    ['identity', 'Identity'],
    ['page', 'Page'],
  ],
  'support.calls': [
    ['started_at', 'When'],
    ['direction', 'Direction'],
    ['number_e164', 'Number'],
    ['outcome', 'Outcome'],
    ['notes', 'Notes'],
  ],
  'crm.activities': [
    ['occurred_at', 'When'],
    ['type', 'Kind'],
    ['description', 'What'],
    ['metadata', 'More'],
  ],
  'crm.deals': [
    ['name', 'Deal'],
    ['amount', 'Amount'],
    ['currency', 'Currency'],
    ['status', 'State'],
    ['created_at', 'Since'],
  ],
  'crm.deal_contacts': [
    ['deal_id', 'Deal'],
    ['role', 'Part'],
    ['created_at', 'Since'],
  ],
  'crm.changes': [
    ['occurred_at', 'When'],
    ['change', 'Change'],
    ['data', 'New'],
    ['previous', 'Before'],
  ],
  'platform.customer_emails': [
    ['email', 'Address'],
    ['is_primary', 'Main one'],
    ['verified_at', 'Proven'],
    ['created_at', 'Since'],
  ],
  'platform.customer_phones': [
    ['phone', 'Number'],
    ['phone_extension', 'Extension'],
    ['is_primary', 'Main one'],
    ['created_at', 'Since'],
  ],
  'platform.merge_moves': [
    ['key', 'Row'],
    ['was', 'As it was'],
  ],
  'platform.merge_fields': [
    ['field', 'Field'],
    ['ours', 'In one record'],
    ['theirs', 'In the other'],
    ['why', 'Why'],
  ],
  'sync.events': [
    ['occurred_at', 'When'],
    ['type', 'What'],
    ['app', 'By'],
    ['data', 'New'],
    ['previous', 'Before'],
  ],
};
