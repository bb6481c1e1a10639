import { Worker } from 'node:worker_threads';
import type { JobProgress } from '../imports/jobs.ts';
import type { FromThread, ToThread } from '../imports/jobthread.ts';

/** A plan compares persons in memory; a file itself is never in it. */
const megabytesMax = 1_400;
/** Its start costs a second of a processor, and people often bring several files. */
const idleEndMs = 30_000;
const stopWithinMs = 500;

export type ThreadEnd = Exclude<FromThread, { kind: 'progress' }>;

/** The thread of a lane, which starts with a job and ends when there was none for a while. */
export type ImportThread = {
  /** Does a job; a signal that aborts ends it at once. It settles in every case. */
  run(job: Extract<ToThread, { kind: 'job' }>, options: RunOptions): Promise<ThreadEnd>;
  end(): Promise<void>;
};
type RunOptions = { signal: AbortSignal; onProgress: (progress: JobProgress) => void };

export function createImportThread(): ImportThread {
  let thread: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;

  function start(): Worker {
    const started = new Worker(new URL('../imports/jobthread.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: megabytesMax },
    });
    started.on('error', () => {}); // the job that it did hears of it
    started.on('exit', () => {
      if (thread === started) thread = undefined;
    });
    return started;
  }

  async function end(): Promise<void> {
    clearTimeout(idle);
    await thread?.terminate();
  }

  return {
    run(message, { signal, onProgress }) {
      clearTimeout(idle);
      const own = thread ?? start();
      thread = own;
      own.ref();
      const { promise, resolve } = Promise.withResolvers<ThreadEnd>();
      const hear = (told: FromThread) => (told.kind === 'progress' ? onProgress(told.progress) : resolve(told));
      const fail = ({ message, code }: Error & { code?: string }) => resolve({ kind: 'error', message, code });
      const leave = () => resolve({ kind: 'error', message: 'its thread ended', code: undefined });
      let timer: NodeJS.Timeout | undefined;
      const stop = () => {
        own.postMessage({ kind: 'stop' } satisfies ToThread);
        timer = setTimeout(() => void own.terminate(), stopWithinMs);
      };
      own.on('message', hear).on('error', fail).on('exit', leave);
      signal.addEventListener('abort', stop);
      own.postMessage(message);
      if (signal.aborted) stop();
      return promise.finally(() => {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
        own.off('message', hear).off('error', fail).off('exit', leave);
        own.unref();
        idle = setTimeout(() => void end(), idleEndMs);
        idle.unref();
      });
    },
    end,
  };
}
