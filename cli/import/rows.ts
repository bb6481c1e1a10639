import { listRows, type Outcome, readRun, writeRowsFile } from '@aether/importer';
import type pg from 'pg';
import type { Common } from '../syncclient.ts';
import { formatTable } from '../table.ts';
import { word } from './words.ts';

/** Lines of a run and what became of them, as a table, as JSON, or as the file that they were. */
export async function printRows(
  client: pg.Client,
  run: string,
  options: Common & { outcome?: Outcome; conflicts?: boolean; csv?: boolean; limit: number },
): Promise<void> {
  const { outcome } = options;
  if (options.csv) {
    for await (const text of writeRowsFile(client, run, { outcome }))
      if (text) console.log(text.replace(/\r\n$/, '\r'));
    return;
  }
  await readRun(client, run); // throws if there is no such run
  const rows = await listRows(client, run, {
    limit: options.limit,
    ...(outcome && { outcome }),
    ...(options.conflicts && { withConflicts: true }),
  });
  if (options.json) console.log(JSON.stringify({ run, rows }));
  else
    console.log(
      formatTable(
        ['file', 'line', 'outcome', 'address', 'name', 'why or what', 'conflicts'],
        rows.map((row) => [
          row.file,
          row.line,
          row.planned === null ? row.outcome : `${row.outcome} (planned: ${row.planned})`,
          row.email,
          row.name,
          row.message ?? row.code ?? Object.keys(row.fills).join(', '),
          Object.entries(row.conflicts)
            .map(([field, { ours, theirs }]) => `${field}: ${word(ours)} / ${word(theirs)}`)
            .join('; '),
        ]),
      ),
    );
}
