import { Worker } from 'node:worker_threads';
import { type Read, type ReadOptions, readMail } from './reading.ts';

/*
 * Reads mails beside the server's own work. A line takes microseconds, so a mail of ten megabytes of attachments stops everything else for a second,
 * and one of ten million lines for a minute. Such a mail is read in a thread of its own, which ends with its memory and at a time limit.
 */

export type Aside = { raw: Uint8Array; options: ReadOptions };

/** Its MIME is too deep or too long, or it takes too long to read. */
export class UnreadableMail extends Error {}

const smallBytes = 32_768;
const withinMs = 60_000;
const memoryMb = 512;
let last: Promise<unknown> = Promise.resolve();

/** As readMail. One larger mail at a time in this process. @throws UnreadableMail */
export async function readAside(raw: Uint8Array, options: Aside['options'] = {}): Promise<Read> {
  const reading =
    raw.byteLength <= smallBytes ? readMail(raw, options) : last.then(() => readInThread({ raw, options }));
  last = Promise.allSettled([last, reading]);
  return reading.catch((error) => {
    throw new UnreadableMail((error as Error).message);
  });
}

function readInThread(workerData: Aside): Promise<Read> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./thread.ts', import.meta.url), {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
    });
    const limit = setTimeout(() => {
      reject(new Error('it takes too long to read'));
      void thread.terminate();
    }, withinMs);
    thread.once('message', (read: Read) =>
      resolve({ ...read, key: Buffer.from(read.key), refersTo: read.refersTo.map((key) => Buffer.from(key)) }),
    );
    thread.once('error', reject);
    thread.once('exit', () => {
      clearTimeout(limit);
      reject(new Error('it could not be read'));
    });
  });
}
