import { Client, type QueryConfig } from 'pg';
import { writeCsvRow } from './csv.ts';
import { SourceRefused } from './refusal.ts';
import { plainRow, type RawRow } from './rows.ts';
import type { QuerySource } from './source.ts';

/*
 * The rows of a query of another PostgreSQL, such as that of a former app. A cursor gives them in batches, in one transaction that may only
 * read. All values stay the text that PostgreSQL writes.
 */

export type QueryLayout = { kind: 'query'; headings: string[] };

const batchRows = 1_000;
const connectMsMax = 10_000;
/** For the first rows, before which a query may sort all of them, and for each batch. */
const statementMsMax = 600_000;
const textArrays = new Set([1009, 1015, 1002]);

/** @throws SourceRefused if the database cannot be reached or refuses the query */
export async function findQuery(
  source: QuerySource,
  rowsMax: number,
): Promise<{ layout: QueryLayout; sample: RawRow[] }> {
  const sample: RawRow[] = [];
  let headings: string[] = [];
  for await (const batch of readBatches(source)) {
    headings = batch.headings;
    sample.push(...batch.rows);
    if (sample.length >= rowsMax) break;
  }
  return { layout: { kind: 'query', headings }, sample: sample.slice(0, rowsMax) };
}

export async function* readQueryRows(source: QuerySource, layout: QueryLayout): AsyncGenerator<RawRow[]> {
  for await (const { headings, rows } of readBatches(source)) {
    if (headings.join('\0') !== layout.headings.join('\0'))
      throw new SourceRefused('bad-query', 'The query returns other columns than before.');
    if (rows.length > 0) yield rows;
  }
}

async function* readBatches(source: QuerySource): AsyncGenerator<{ headings: string[]; rows: RawRow[] }> {
  const client = new Client({
    connectionString: source.url,
    connectionTimeoutMillis: connectMsMax,
    statement_timeout: statementMsMax,
    query_timeout: statementMsMax + connectMsMax,
    application_name: 'aether import',
    // Every value as its text: ids keep their digits, dates are dates of the ISO.
    types: { getTypeParser: () => (value: string) => value } as never,
  });
  // A broken line ends the query that runs, which tells it. The event would end the process.
  client.on('error', () => {});
  try {
    await client.connect().catch((error: Error) => {
      throw new SourceRefused('no-connection', `${source.name} cannot be reached (${error.message}).`);
    });
    await client.query("set datestyle = 'ISO'; set timezone = 'UTC'; set bytea_output = 'hex'");
    await client.query('begin transaction isolation level repeatable read, read only');
    // The extended protocol takes one statement only, so that no second one can follow the query and end the transaction.
    const text = `declare people no scroll cursor for ${bareQuery(source.query)}`;
    await client.query({ text, queryMode: 'extended' } as QueryConfig).catch((error: Error) => {
      throw new SourceRefused('bad-query', `The database refuses the query: ${error.message}.`);
    });
    for (let line = 1; ; ) {
      const result = await client
        .query({ text: `fetch ${batchRows} from people`, rowMode: 'array' })
        .catch((error: Error) => {
          throw new SourceRefused('bad-query', `The query fails: ${error.message}.`);
        });
      const arrays = result.fields.map(({ dataTypeID }) => textArrays.has(dataTypeID));
      const rows = (result.rows as (string | null)[][]).map((values, place) => {
        const cells = values.map((value, at) => (value === null ? '' : arrays[at] ? linesOfArray(value) : value));
        return plainRow(line + place, writeCsvRow(cells), cells);
      });
      line += rows.length;
      yield { headings: result.fields.map(({ name }) => name), rows };
      if (rows.length < batchRows) return;
    }
  } finally {
    await client.end().catch(() => {});
  }
}

const bareQuery = (query: string): string => query.trim().replace(/;\s*$/, '');

/** `{a,"b c"}` → one element a line. */
function linesOfArray(array: string): string {
  const elements = array.slice(1, -1).match(/"(?:[^"\\]|\\.)*"|[^,]+/g) ?? [];
  return elements
    .filter((element) => element !== 'NULL')
    .map((element) => (element.startsWith('"') ? element.slice(1, -1).replace(/\\(.)/g, '$1') : element))
    .join('\n');
}
