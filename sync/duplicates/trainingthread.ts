import { workerData } from 'node:worker_threads';
import { createLine } from '../worker/line.ts';
import { trainModel } from './training.ts';

/*
 * A thread that makes the model and ends. To compare a hundred thousand customers keeps a processor busy for seconds, for which the numbering
 * of events must not wait.
 */

const line = createLine({ url: (workerData as { url: string }).url, name: 'aether-duplicates', answerMs: 60_000 });
try {
  await line.open(`set statement_timeout = '60s'`);
  await trainModel(line);
} finally {
  await line.close();
}
