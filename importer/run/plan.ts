import { once } from 'node:events';
import { from as copyFrom } from 'pg-copy-streams';
import type { ReadRow } from '../person.ts';
import { addLine, beginGrouping, type Grouping, groupLines } from './grouping.ts';
import {
  type Counts,
  emptyCounts,
  type FileLayout,
  type ImportClient,
  ImportRefused,
  type RunSettings,
  throwRefusal,
} from './records.ts';
import { stagedColumns, stageRow } from './staging.ts';

export type PlannedSource = {
  /** Where the ids of its rows come from, such as `hubspot`. A row is known again by its source and its id. */
  source: string;
  /** Of the file, for people. */
  name: string;
  sha256: string | null;
  /** How a line that is kept as it was is taken apart. */
  layout?: FileLayout;
  rows: AsyncIterable<ReadRow[]>;
};

export type Plan = { run: string; counts: Counts };
export type PlanOptions = {
  /** Whose customers are created; this app numbers them. */
  app: string;
  sources: PlannedSource[];
  settings?: RunSettings;
  /** The person for whom this is done. */
  actor?: string;
  /** Called after each batch, with the lines so far. */
  onProgress?: (lines: number) => void;
};

/** The version of the rules that decide who is the same person; it changes when a rule does. */
export const rulesVersion = 'matching-1';
const flushCharacters = 1 << 16;
/** Six million lines are planned within some minutes. */
const planTimeoutMs = 1_800_000;

/**
 * Reads the sources and decides what each line will be. Nothing that an app sees is written. A plan that is cut off leaves a run that the
 * next one abandons.
 *
 * @param client as sync_app, of its own. @throws ImportRefused
 */
export async function planImport(client: ImportClient, options: PlanOptions): Promise<Plan> {
  const { app, sources, settings = {}, actor = '' } = options;
  if (sources.length === 0) throw new ImportRefused('An import has at least one file.');
  await client.query(`set statement_timeout = ${planTimeoutMs}`);
  await client.query('select set_config($1, $2, false)', ['aether.actor', actor]);
  const files = sources.map(({ source, name, sha256 }, place) => ({ file: place + 1, source, name, sha256 }));
  const { rows } = await client
    .query<{ run: string }>('select sync.begin_import($1, $2, $3, $4) as run', [
      app,
      JSON.stringify({ ...settings, layouts: sources.map(({ layout }) => layout ?? null) }),
      rulesVersion,
      JSON.stringify(files),
    ])
    .catch(refuseSource);
  const run = String(rows[0]?.run);
  try {
    const grouping = beginGrouping();
    await copyRows(client, run, options, grouping);
    await groupLines(client, run, grouping);
    const planned = await client.query<{ counts: Partial<Counts> }>('select sync.plan_import($1) as counts', [run]);
    return { run, counts: { ...emptyCounts(), ...planned.rows[0]?.counts } };
  } catch (error) {
    await client.query('select sync.abandon_import($1)', [run]).catch(() => {}); // the next plan does it
    return throwRefusal(error);
  } finally {
    await client.query('select pg_advisory_unlock(7272, $1)', [run]).catch(() => {}); // it ends with the session
  }
}

function refuseSource(error: unknown): never {
  const { constraint } = error as { constraint?: string };
  if (constraint === 'import_files_source_check')
    throw new ImportRefused('A source is named in small letters and digits, such as hubspot or old-crm.', {
      cause: error,
    });
  if (constraint === 'import_runs_app_check')
    throw new ImportRefused('There is no such app: customers become those of foundation or support.', { cause: error });
  throw error;
}

async function copyRows(
  client: ImportClient,
  run: string,
  { sources, onProgress }: PlanOptions,
  grouping: Grouping,
): Promise<void> {
  const sourceNumbers = new Map(
    [...new Set(sources.map(({ source }) => source))].map((source, at) => [source, at + 1]),
  );
  const stream = client.query(copyFrom(`copy staging.import_lines (${stagedColumns}) from stdin`));
  const failed = once(stream, 'error').then(([error]) => {
    throw error;
  });
  failed.catch(() => {});
  let n = 0;
  let text = '';
  const flush = async () => {
    const full = text;
    text = '';
    if (!stream.write(full)) await Promise.race([once(stream, 'drain'), failed]);
  };
  try {
    for (const [place, { source, rows }] of sources.entries()) {
      const sourceNumber = sourceNumbers.get(source) as number;
      for await (const batch of rows) {
        for (const row of batch) {
          n++;
          const staged = stageRow(run, n, place + 1, row);
          text += staged.line;
          if (row.kind === 'person' && staged.isPerson) addLine(grouping, n, row.person, sourceNumber);
        }
        if (text.length >= flushCharacters) await flush();
        onProgress?.(n);
      }
    }
  } catch (error) {
    stream.destroy(error as Error);
    await once(stream, 'close').catch(() => {});
    throw error;
  }
  const finished = once(stream, 'finish');
  stream.end(text);
  await Promise.race([finished, failed]);
}
