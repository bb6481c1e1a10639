import { parentPort, workerData } from 'node:worker_threads';
import type { Aside } from './aside.ts';
import { readMail } from './reading.ts';

/* The thread that reads a larger mail (`aside.ts`). */

const { raw, options } = workerData as Aside;
parentPort?.postMessage(await readMail(raw, options));
