import { openSync, readFileSync, writeSync } from 'node:fs';

/*
 * What the stand-in remembers over its death, if it is asked to: a file of lines. Each is written before the client has its answer, so that a
 * process that is killed has lost nothing that it acknowledged. It is not synced to the disk, and it only grows: it is for tests.
 */

export type Entry =
  /** An entity as the management interface was given it. */
  | { put: string; body: string }
  | { remove: string }
  /** Messages of one send, in base64. */
  | { topic: string; at: number; messages: string[] }
  /** A message was settled, or has become a dead letter. */
  | { queue: string; gone: number }
  | { queue: string; dead: number; added: Record<string, unknown> };

export type Journal = { entries: Entry[]; write(entry: Entry): void };

export const noJournal: Journal = { entries: [], write() {} };

/** @param path of a file, which may be missing */
export function openJournal(path: string): Journal {
  const file = openSync(path, 'a+');
  // The last line is cut short if the process was killed while it wrote: then nobody had an answer.
  const lines = readFileSync(path, 'utf8').split('\n');
  const half = lines.pop();
  if (half) writeSync(file, '\n');
  const entries = lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as Entry];
    } catch {
      return [];
    }
  });
  return { entries, write: (entry) => void writeSync(file, `${JSON.stringify(entry)}\n`) };
}
