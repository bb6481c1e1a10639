import { once } from 'node:events';
import { from as copyFrom } from 'pg-copy-streams';
import { rulesVersion } from '../matching/rules.ts';
import { readSettings } from '../matching/settings.ts';
import type { ReadRow } from '../person.ts';
import type { LeftOut } from '../reading/leftout.ts';
import { addLine, beginGrouping, findGroups, type Grouping, keepGroups } from './grouping.ts';
import { askForLines, type Digests, type LineKey, loadLines } from './knownlines.ts';
import {
  type Counts,
  emptyCounts,
  type FileLayout,
  type ImportClient,
  ImportRefused,
  type RunSettings,
  throwRefusal,
} from './records.ts';
import { lineOf, stagedColumns, stageRow } from './staging.ts';
import { preparePlan } from './steps.ts';

export type PlannedSource = {
  /** Where the ids of its rows come from, such as `hubspot`. A row is known again by its source and its id. */
  source: string;
  /** Of the file, for people. */
  name: string;
  sha256: string | null;
  /** How a line that is kept as it was is taken apart. */
  layout?: FileLayout;
  /** How many rows say something in each column that means nothing, once the rows are read. */
  leftOut?: LeftOut;
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
  /** Ends it; what was planned so far is given up. */
  signal?: AbortSignal | undefined;
};
const flushCharacters = 1 << 16;
/** So many lines are asked for one by one. */
const askedMax = 10_000;

/**
 * Reads the sources and decides what each line will be. Nothing that an app sees is written. A plan that is cut off leaves a run that the
 * next one abandons.
 *
 * @param client as sync_app, of its own. @throws ImportRefused
 */
export async function planImport(client: ImportClient, options: PlanOptions): Promise<Plan> {
  const { app, sources, settings = {}, actor, signal } = options;
  if (sources.length === 0) throw new ImportRefused('An import has at least one file.');
  const matching = readSettings(settings.matching ?? []);
  await preparePlan(client, actor);
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
    await keepGroups(client, run, grouping, await findGroups(client, run, grouping, matching, signal));
    signal?.throwIfAborted();
    await keepLeftOut(client, run, sources);
    const planned = await client.query<{ counts: Partial<Counts> }>('select sync.plan_import($1) as counts', [run]);
    return { run, counts: { ...emptyCounts(), ...planned.rows[0]?.counts } };
  } catch (error) {
    await client.query('select sync.abandon_import($1)', [run]).catch(() => {}); // the next plan does it
    return throwRefusal(error);
  } finally {
    await client.query('select pg_advisory_unlock(7272, $1)', [run]).catch(() => {}); // it ends with the session
  }
}

async function keepLeftOut(client: ImportClient, run: string, sources: PlannedSource[]): Promise<void> {
  const columns: Record<string, number> = {};
  for (const { leftOut = [] } of sources)
    for (const [column, cells] of leftOut) columns[column] = (columns[column] ?? 0) + cells;
  if (Object.keys(columns).length > 0)
    await client.query('select sync.note_left_out($1, $2)', [run, JSON.stringify(columns)]);
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

/** A row of the sources, in the order of the run. */
type RunRow = { n: number; file: number; source: string; row: ReadRow };

async function* numberRows(sources: PlannedSource[]): AsyncGenerator<RunRow[]> {
  let n = 0;
  for (const [place, { source, rows }] of sources.entries())
    for await (const batch of rows) yield batch.map((row) => ({ n: ++n, file: place + 1, source, row }));
}

/** Of each source, the lines that were imported before and have not changed. */
type Known = (source: string, digest: bigint) => boolean;

async function copyRows(client: ImportClient, run: string, options: PlanOptions, grouping: Grouping): Promise<void> {
  const { sources, onProgress, signal } = options;
  const batches = numberRows(sources);
  // A few lines ask what is known of them; many load what is known of their sources.
  const first: RunRow[][] = [];
  let lines = 0;
  let isWhole = false;
  while (lines <= askedMax && !isWhole) {
    const { value: batch, done } = await batches.next();
    if (done) isWhole = true;
    else lines += first.push(batch) && batch.length;
  }
  const knows = await knowLines(client, run, options, isWhole ? first.flat() : undefined);
  const writer = beginCopy(client);
  // A source is named by the first of its files.
  const firstFile = new Map<string, number>();
  for (const [place, { source }] of sources.entries()) if (!firstFile.has(source)) firstFile.set(source, place + 1);
  const take = async (batch: RunRow[]) => {
    signal?.throwIfAborted();
    for (const { n, file, source, row } of batch) {
      const staged = stageRow(run, n, file, row);
      const isKnown = staged.key !== null && knows(source, staged.key.digest);
      writer.add(lineOf(staged, isKnown));
      if (staged.person !== null && !isKnown) addLine(grouping, n, staged.person, firstFile.get(source) as number);
    }
    await writer.flush();
    onProgress?.(batch.at(-1)?.n ?? 0);
  };
  try {
    for (const batch of first.splice(0)) await take(batch);
    for await (const batch of batches) await take(batch);
  } catch (error) {
    await writer.cut(error as Error);
    throw error;
  }
  await writer.end();
}

/** @param all the lines, if they are few */
async function knowLines(
  client: ImportClient,
  run: string,
  { sources }: PlanOptions,
  all: RunRow[] | undefined,
): Promise<Known> {
  const known = new Map<string, Digests>();
  if (all) {
    const keys = new Map<string, LineKey[]>(sources.map(({ source }) => [source, []]));
    for (const { n, file, source, row } of all) {
      const { key } = stageRow(run, n, file, row);
      if (key) keys.get(source)?.push({ source, ...key });
    }
    for (const [source, lines] of keys) known.set(source, await askForLines(client, lines));
  } else for (const { source } of sources) if (!known.has(source)) known.set(source, await loadLines(client, source));
  return (source, digest) => known.get(source)?.has(digest) ?? false;
}

type CopyWriter = {
  add(line: string): void;
  /** Waits until what was added is on its way, once there is enough of it. */
  flush(): Promise<void>;
  end(): Promise<void>;
  cut(error: Error): Promise<void>;
};

function beginCopy(client: ImportClient): CopyWriter {
  const stream = client.query(copyFrom(`copy staging.import_lines (${stagedColumns}) from stdin`));
  const failed = once(stream, 'error').then(([error]) => {
    throw error;
  });
  failed.catch(() => {});
  let text = '';
  return {
    add(line) {
      text += line;
    },
    async flush() {
      if (text.length < flushCharacters) return;
      const full = text;
      text = '';
      if (!stream.write(full)) await Promise.race([once(stream, 'drain'), failed]);
    },
    async end() {
      const finished = once(stream, 'finish');
      stream.end(text);
      await Promise.race([finished, failed]);
    },
    async cut(error) {
      stream.destroy(error);
      await once(stream, 'close').catch(() => {});
    },
  };
}
