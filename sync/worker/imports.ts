import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { listenOn } from '@aether/platform/log';
import { endJob, type Job, type JobEnd, type JobKind, type JobProgress, keepJob, takeJob } from '../imports/jobs.ts';
import { createImportThread, type ThreadEnd } from './importthread.ts';
import { createLine, type Line } from './line.ts';

/*
 * Does the jobs of imports: see 0016_import_files.sql. A lane takes one job after another, each for a term that it renews while a thread
 * does the work. To recognise a file takes seconds and has a lane of its own, because somebody waits for it. When the worker stops, the
 * thread ends at once and the job's term too, so that another worker goes on; when it is killed, the term runs out.
 */

export type ImportWorker = {
  /** Settles within two seconds, whether or not the database answers. */
  stop(): Promise<void>;
};

type Lane = { name: string; kinds: JobKind[] };
const lanes: Lane[] = [
  { name: 'files', kinds: ['recognise'] },
  { name: 'runs', kinds: ['plan', 'replan', 'whatif', 'apply', 'verify', 'preview', 'undo'] },
];
const answerMs = 10_000;
const stopWithinMs = 2_000;
const trimEveryMs = 60_000;

export type ImportWorkerOptions = {
  /** As sync_app, past any transaction pooler. */
  url: string;
  onError: (error: unknown) => void;
  idleLookMs?: number;
  /** How long a job stays with a worker that gives no sign. */
  termMs?: number;
  renewMs?: number;
};

/** Works on imports until it is stopped, and removes files that have had their time. */
export function startImports(options: ImportWorkerOptions): ImportWorker {
  const { url } = options;
  const stopping = new AbortController();
  let line: Line | undefined;
  let opening: Promise<Line> | undefined;
  const news = new EventTarget();
  /** The lanes share one connection. */
  function openLine(): Promise<Line> {
    if (opening && !line?.isLost()) return opening;
    const opened = createLine({ url, name: 'aether-imports', answerMs });
    line = opened;
    opening = opened.open(`set statement_timeout = ${answerMs}`).then(() => opened);
    return opening;
  }
  const tell = () => void news.dispatchEvent(new Event('job'));
  const listener = listenOn('sync_import_jobs', url, { onConnected: tell, onNotified: tell });
  const running = Promise.all(lanes.map((lane) => runLane(lane, { ...options, openLine, news }, stopping.signal))).then(
    () => line?.close(),
  );
  return {
    async stop() {
      stopping.abort();
      const timer = setTimeout(() => line?.cut(), stopWithinMs / 2);
      await Promise.race([Promise.all([running, listener.close()]), wait(stopWithinMs, undefined, { ref: false })]);
      clearTimeout(timer);
    },
  };
}

type LaneOptions = ImportWorkerOptions & { openLine: () => Promise<Line>; news: EventTarget };

async function runLane(lane: Lane, options: LaneOptions, stopping: AbortSignal): Promise<void> {
  const { url, onError, openLine, news, idleLookMs = 5_000, termMs = 15_000, renewMs = 1_000 } = options;
  const worker = `${hostname().slice(0, 60)} ${process.pid} ${lane.name} ${Math.random().toString(36).slice(2, 8)}`;
  const thread = createImportThread();
  let trimmedAt = Number.NEGATIVE_INFINITY;

  /** Takes a job and does it. False: there is none. */
  async function look(): Promise<boolean> {
    const open = await openLine();
    if (lane.name === 'files' && performance.now() - trimmedAt > trimEveryMs) {
      trimmedAt = performance.now();
      await open.query('select sync.trim_import_files()');
    }
    const job = await takeJob(open, { kinds: lane.kinds, worker, termMs });
    if (!job) return false;
    await work(job);
    return true;
  }

  async function work(job: Job): Promise<void> {
    const stop = new AbortController();
    let progress: JobProgress | undefined;
    let isOver = false;
    let isLost = false;
    const result = thread
      .run(
        { kind: 'job', url, job },
        {
          signal: AbortSignal.any([stop.signal, stopping]),
          onProgress: (told) => {
            progress = told;
          },
        },
      )
      .finally(() => {
        isOver = true;
      });
    const over = new AbortController();
    void result.then(() => over.abort());
    while (!isOver) {
      await wait(renewMs, undefined, { signal: over.signal }).catch(() => {});
      if (isOver || isLost || stopping.aborted) continue;
      // A database that is out of reach for a moment takes the job away only when its term is over.
      isLost = !(await openLine()
        .then((open) => keepJob(open, { job: job.id, worker, termMs, progress }))
        .catch((error) => {
          onError(error);
          return true;
        }));
      if (isLost) stop.abort();
    }
    await settle(job, await result, { isLost, progress });
  }

  async function settle(
    job: Job,
    result: ThreadEnd,
    { isLost, progress }: { isLost: boolean; progress: JobProgress | undefined },
  ): Promise<void> {
    const open = await openLine();
    const end = (as: JobEnd) => endJob(open, { job: job.id, worker, end: as });
    if (result.kind === 'end') return void (await end(result.end));
    // Somebody has cancelled it. If it is another worker's by now, this changes nothing.
    if (isLost) return void (await end({ state: 'cancelled' }));
    if (!stopping.aborted) {
      onError(new Error(`import job ${job.id} (${job.kind}): ${result.message}`));
      const known = endOf(result);
      if (known) return void (await end(known));
    }
    // Whoever takes it next goes on: at once if this worker stops, after a rest if something failed.
    const restMs = stopping.aborted ? 0 : job.attempts * 2_000;
    await keepJob(open, { job: job.id, worker, termMs: restMs, progress });
  }

  while (!stopping.aborted) {
    const rest = new AbortController();
    const wake = () => rest.abort();
    news.addEventListener('job', wake);
    try {
      if (await look()) wake();
    } catch (error) {
      if (!stopping.aborted) onError(error);
    }
    await wait(idleLookMs, undefined, { signal: AbortSignal.any([stopping, rest.signal]) }).catch(() => {});
    news.removeEventListener('job', wake);
  }
  await thread.end();
}

/** The end of a job by an error that the next attempt would meet again. */
function endOf({ code }: Extract<ThreadEnd, { kind: 'error' }>): JobEnd | undefined {
  if (code === 'ERR_WORKER_OUT_OF_MEMORY')
    return {
      state: 'failed',
      error: 'It needs more memory than an import may have. Divide the file, and import its parts.',
    };
  if (code === undefined || /^(08|53|57|40|55P03|58|E[A-Z]+$)/.test(code)) return undefined;
  return {
    state: 'failed',
    error: `It was ended by an error that nobody foresaw (${code}). The log of the worker says more.`,
  };
}
