import { parentPort } from 'node:worker_threads';
import { Client } from '@aether/platform/log';
import type { Job, JobEnd, JobProgress } from './jobs.ts';
import { workJob } from './working.ts';

/*
 * A thread that does one job after another. Reading two million rows keeps a processor busy, and the numbering of events and the answers of a
 * server must not wait for that, so the work has a thread of its own, and memory of its own that is bounded.
 */

export type ToThread = { kind: 'job'; url: string; job: Job } | { kind: 'stop' };
export type FromThread =
  | { kind: 'progress'; progress: JobProgress }
  | { kind: 'end'; end: JobEnd }
  | { kind: 'error'; message: string; code: string | undefined };

const tell = (message: FromThread) => parentPort?.postMessage(message);
let stopping = new AbortController();
parentPort?.on('message', (message: ToThread) => {
  if (message.kind === 'stop') stopping.abort(new Error('the job is stopped'));
  else void work(message);
});

async function work({ url, job }: Extract<ToThread, { kind: 'job' }>): Promise<void> {
  const own = new AbortController();
  stopping = own;
  const client = new Client({
    url,
    application_name: 'aether-import',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  });
  client.on('error', (error) => own.abort(error));
  let last: FromThread;
  try {
    await client.connect();
    const onProgress = (progress: JobProgress) => tell({ kind: 'progress', progress });
    last = { kind: 'end', end: await workJob(job, { client, signal: own.signal, onProgress }) };
  } catch (error) {
    const { message, code } = error as Error & { code?: string };
    last = { kind: 'error', message, code };
  }
  await client.end().catch(() => {});
  tell(last);
}
