import { parentPort, workerData } from 'node:worker_threads';
import type { Aside } from './aside.ts';
import { readMail } from './reading.ts';

/* The thread that reads a larger mail (`aside.ts`). */

const { raw, options } = workerData as Aside;
const read = await readMail(raw, options);
// A part may be a view of the whole mail: only what it shows goes over, and no part of it is copied twice.
const files = read.files.map((file) => ({ ...file, bytes: new Uint8Array(file.bytes) }));
parentPort?.postMessage(
  { ...read, files },
  files.map(({ bytes }) => bytes.buffer),
);
