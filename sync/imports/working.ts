import {
  applyImport,
  type ByteSource,
  countRows,
  type Field,
  ImportRefused,
  type Mapping,
  type NamedPlace,
  namePlaces,
  type PreparedRun,
  planImport,
  prepareRun,
  type RunChange,
  readCompanions,
  readPersons,
  readRun,
  recognise,
  replanImport,
  SourceRefused,
  UnknownSetting,
  undoImport,
  verifyImport,
  whatIfRun,
} from '@aether/importer';
import type pg from 'pg';
import type { Job, JobEnd, JobProgress, KeptField, PairChange, PlanSettings } from './jobs.ts';
import { type KeptRecognition, openUpload, readUploads, type Upload } from './uploads.ts';

/*
 * The work of a job. It may be cut off at any moment: whoever takes the job next begins it again or goes on. What refuses the wish, such as
 * a file that nothing can be read from, ends the job; every other error is thrown, and the job is tried again.
 */

export type JobContext = {
  /** As sync_app, for this job alone. */
  client: pg.Client;
  onProgress: (progress: JobProgress) => void;
  signal: AbortSignal;
};

const linesPerPreview = 500;
/** What a preview lists of what an undo would keep. */
const keptShownMax = 1_000;

/** Does a job to its end. @throws what was not foreseen, and the reason of the signal */
export async function workJob(job: Job, context: JobContext): Promise<JobEnd> {
  if (job.kind !== 'whatif') compared = undefined;
  try {
    return await works[job.kind](job, context);
  } catch (error) {
    if (error instanceof SourceRefused || error instanceof ImportRefused || error instanceof UnknownSetting)
      return { state: 'failed', error: error.message };
    throw error;
  }
}

const works: Record<Job['kind'], (job: Job, context: JobContext) => Promise<JobEnd>> = {
  recognise: recogniseUpload,
  plan: planUploads,
  replan: replanRun,
  whatif: whatIfOfRun,
  apply: applyRun,
  verify: verifyRun,
  preview: previewUndo,
  undo: undoRun,
};

async function recogniseUpload({ upload: id }: Job, { client, onProgress, signal }: JobContext): Promise<JobEnd> {
  const [upload] = await readUploads(client, [id as number]);
  if (!upload) return { state: 'failed', error: 'The file was removed.' };
  const source = await openUpload(client, upload);
  const store = (sha256: string, found: KeptRecognition | null, refused: string | null) =>
    client.query('select sync.store_import_recognition($1, $2, $3, $4)', [id, sha256, found && toJson(found), refused]);
  let sha256 = '';
  try {
    sha256 = await source.hash();
    const { encoding, sheet } = upload.settings.answers ?? {};
    const recognition = await recognise(source, { ...(encoding && { encoding }), ...(sheet && { sheet }) });
    await store(sha256, recognition, null); // people go on with it while the rows are counted
    const rows = await countRows(source, recognition, {
      signal,
      onProgress: ({ rows, share }) => onProgress({ phase: 'counting', done: rows, share }),
    });
    await store(sha256, { ...recognition, rows }, null);
  } catch (error) {
    if (!(error instanceof SourceRefused)) throw error;
    await store(sha256, null, error.message);
  } finally {
    await source.close();
  }
  return { state: 'done' };
}

/** JSON that PostgreSQL takes: without zeros and halves of characters, which a sample of a cell may have. */
const toJson = (value: object): string =>
  JSON.stringify(value).replace(/\\(?:u0000|ud[89a-f][0-9a-f]{2}|.)/g, (sequence) =>
    /^.u(0000|d)/.test(sequence) ? '\ufffd' : sequence,
  );

async function planUploads(job: Job, { client, onProgress, signal }: JobContext): Promise<JobEnd> {
  const { app, files, overwrite, again } = job.settings as PlanSettings;
  const uploads = await readUploads(
    client,
    files.map(({ upload }) => upload),
  );
  if (uploads.length < files.length || uploads.some(({ recognition }) => !recognition))
    return { state: 'failed', error: 'A file was removed before it was read. Upload it again.' };
  const opened: { source: ByteSource; upload: Upload; recognition: KeptRecognition; at: number }[] = [];
  try {
    for (const [at, upload] of uploads.entries())
      opened.push({
        at,
        upload,
        source: await openUpload(client, upload),
        recognition: upload.recognition as KeptRecognition,
      });
    const companions = await readCompanions(opened);
    const people = opened.filter(({ recognition }) => recognition.holds === 'people');
    if (people.length === 0)
      return { state: 'failed', error: 'None of these files holds people: companies and users only complete them.' };
    const sums = people.map(({ source }) => source.size);
    const all = sums.reduce((sum, size) => sum + size, 0);
    let [mapping, lines]: [Mapping, number] = [{}, 0];
    const sources = [];
    for (const [place, { upload, source, recognition, at }] of people.entries()) {
      const file = files[at] as PlanSettings['files'][number];
      const before = sums.slice(0, place).reduce((sum, size) => sum + size, 0);
      const own = toMapping(file.mapping);
      mapping = { ...mapping, ...recognition.mapping, ...own };
      const leftOut = new Map<string, number>();
      sources.push({
        leftOut,
        source: file.source,
        name: upload.name,
        sha256: await source.hash(),
        rows: readPersons(source, {
          recognition,
          leftOut,
          mapping: own,
          answers: {
            ...(file.timezone && { timezone: file.timezone }),
            dayOrder: Object.fromEntries(file.dayOrder.map(({ column, order }) => [column, order])),
          },
          phoneCountry: file.phoneCountry,
          companions,
          signal,
          onProgress: ({ rows, bytes, bytesTotal, rowsPerSecond, secondsLeft }) =>
            onProgress({
              phase: 'reading',
              file: upload.name,
              done: rows,
              perSecond: rowsPerSecond,
              ...(bytesTotal > 0 && bytes > 0 && { share: (before + bytes) / all }),
              ...(secondsLeft !== null && place === people.length - 1 && { secondsLeft }),
            }),
        }),
      });
    }
    const plan = await planImport(client, {
      app,
      sources: sources.map(({ rows, ...source }, at) => ({
        ...source,
        rows: at === sources.length - 1 ? tellEnd(rows, () => onProgress({ phase: 'deciding', done: lines })) : rows,
      })),
      settings: {
        mapping: Object.fromEntries(
          Object.entries(mapping).filter((each): each is [string, Field] => each[1] !== null),
        ),
        ...(overwrite.length > 0 && { overwrite }),
        ...(again && { again }),
      },
      ...(job.actor !== null && { actor: job.actor }),
      signal,
      onProgress: (count) => {
        lines = count;
      },
    });
    const conflicts = await countConflicts(client, plan.run);
    return { state: 'done', run: plan.run, outcome: { counts: plan.counts, conflicts } };
  } finally {
    for (const { source } of opened) await source.close();
  }
}

async function replanRun({ run, actor, settings: { matching } }: Job, context: JobContext): Promise<JobEnd> {
  const { client, onProgress, signal } = context;
  const { lines } = await readRun(client, run as string);
  onProgress({ phase: 'deciding', done: lines });
  const { counts } = await replanImport(client, run as string, {
    signal,
    ...(actor !== null && { actor }),
    ...(matching && { matching }),
  });
  return { state: 'done', outcome: { counts, conflicts: await countConflicts(client, run as string) } };
}

/** The lines of the last what-if, for some minutes: comparing them takes most of its time, and the next question is about the same ones. */
let compared: PreparedRun | undefined;
let forgetting: NodeJS.Timeout | undefined;
const comparedKeptMs = 600_000;

async function whatIfOfRun({ run, settings: { matching = [] } }: Job, context: JobContext): Promise<JobEnd> {
  const { client, onProgress, signal } = context;
  const { lines } = await readRun(client, run as string);
  onProgress({ phase: 'deciding', done: lines });
  const kept = compared;
  compared = undefined; // two of them would not fit
  clearTimeout(forgetting);
  compared = await prepareRun(client, run as string, kept, { signal });
  forgetting = setTimeout(() => {
    compared = undefined;
  }, comparedKeptMs).unref();
  const { gained, lost } = whatIfRun(compared, matching);
  const change = async ({ examples, ...counts }: RunChange): Promise<PairChange> => {
    const places = examples.flatMap((each) => each.places);
    const named = await namePlaces(client, run as string, places);
    return {
      ...counts,
      examples: examples.map(({ rule, reasons }, at) => ({
        sides: [named[at * 2], named[at * 2 + 1]] as [NamedPlace, NamedPlace],
        rule,
        reasons,
      })),
    };
  };
  return { state: 'done', outcome: { whatIf: { matching, gained: await change(gained), lost: await change(lost) } } };
}

async function countConflicts(client: pg.Client, run: string): Promise<number> {
  const { rows } = await client.query<{ lines: string }>(
    `select count(*) as lines from sync.import_rows p where p.run = $1 and p.detail ? 'conflicts'`,
    [run],
  );
  return Number(rows[0]?.lines);
}

async function* tellEnd<Item>(items: AsyncIterable<Item>, tell: () => void): AsyncGenerator<Item> {
  yield* items;
  tell();
}

const toMapping = (list: { column: string; field: Field | null }[]): Mapping =>
  Object.fromEntries(list.map(({ column, field }) => [column, field]));

/** Says how far it is, with the rate since it began here: a resumed run began earlier. */
function measure(phase: string, total: number, onProgress: JobContext['onProgress']): (done: number) => void {
  let first: { at: number; done: number } | undefined;
  return (done) => {
    first ??= { at: performance.now(), done };
    const seconds = (performance.now() - first.at) / 1_000;
    const perSecond = seconds > 0.5 ? (done - first.done) / seconds : 0;
    onProgress({
      phase,
      done,
      total,
      share: total > 0 ? done / total : 1,
      ...(perSecond > 0 && {
        perSecond: Math.round(perSecond),
        secondsLeft: Math.round((total - done) / perSecond),
      }),
    });
  };
}

async function applyRun({ run, actor }: Job, { client, onProgress, signal }: JobContext): Promise<JobEnd> {
  const { lines } = await readRun(client, run as string);
  const tell = measure('applying', lines, onProgress);
  const applied = await applyImport(client, run as string, {
    ...(actor !== null && { actor }),
    signal,
    onProgress: tell,
  });
  onProgress({ phase: 'verifying', done: lines, total: lines, share: 1 });
  // It reads all lines, and must not have the short time of a step.
  await client.query(`set statement_timeout = '30min'`);
  const verified = await verifyImport(client, run as string);
  const conflicts = await countConflicts(client, run as string);
  return { state: 'done', outcome: { counts: applied.counts, changed: applied.changed, conflicts, verified } };
}

async function verifyRun({ run }: Job, { client, onProgress }: JobContext): Promise<JobEnd> {
  onProgress({ phase: 'verifying' });
  await client.query(`set statement_timeout = '30min'`);
  return { state: 'done', outcome: { verified: await verifyImport(client, run as string) } };
}

async function previewUndo({ run }: Job, { client, onProgress, signal }: JobContext): Promise<JobEnd> {
  const { appliedTo } = await readRun(client, run as string);
  const tell = measure('previewing', appliedTo, onProgress);
  const outcome = { removed: 0, restored: 0, kept: 0, fields: [] as KeptField[] };
  for (let to = appliedTo; to > 0; to -= linesPerPreview) {
    signal.throwIfAborted();
    const { rows } = await client.query<{ found: { removed: number; restored: number; kept: KeptField[] } }>(
      'select sync.preview_import_undo($1, $2, $3) as found',
      [run, Math.max(to - linesPerPreview + 1, 1), to],
    );
    const found = rows[0]?.found;
    outcome.removed += found?.removed ?? 0;
    outcome.restored += found?.restored ?? 0;
    outcome.kept += found?.kept.length ?? 0;
    outcome.fields.push(...(found?.kept ?? []).slice(0, keptShownMax - outcome.fields.length));
    tell(appliedTo - Math.max(to - linesPerPreview, 0));
  }
  return { state: 'done', outcome };
}

async function undoRun(
  { run, actor, settings: { reason } }: Job,
  { client, onProgress, signal }: JobContext,
): Promise<JobEnd> {
  const { appliedTo } = await readRun(client, run as string);
  const tell = measure('undoing', appliedTo, onProgress);
  const { removed, restored, kept } = await undoImport(client, run as string, {
    ...(actor !== null && { actor }),
    ...(reason && { reason }),
    signal,
    onProgress: (from) => tell(appliedTo - from + 1),
  });
  return { state: 'done', outcome: { removed, restored, kept: kept.length } };
}
