import { randomUUID } from 'node:crypto';
import { Problem } from '@aether/http';
import type { Transaction } from '@aether/platform';
import { refuseType } from './codes.ts';
import type { Files, Owner } from './files.ts';
import { readImage } from './images/heads.ts';
import { filesMax } from './schemas.ts';
import { chunkBytes } from './store.ts';
import { isImage, recognise } from './types.ts';

/** A file that came as a whole, with a mail. */
export type Given = {
  name: string;
  bytes: Uint8Array;
  /** The text of the mail shows it in its place. Then it is left out if it is a mere ornament, such as the logo of a signature. */
  isInText: boolean;
};

export type Taken = {
  /** Complete uploads, in the order in which they were given. */
  ids: string[];
  refused: { name: string; why: string }[];
  /** How many ornaments were left out. */
  leftOut: number;
};

/** A picture in a text is an ornament if its shorter side has at most so many pixels, or all of it at most as many as a square of twice that. */
const ornamentPixels = 100;
const refusals = ['file-too-large', 'file-type-refused', 'image-too-large', 'image-unreadable', 'files-full'];

/**
 * Uploads files that came as a whole on the way that every file takes: looked at by their bytes, freed of what tells of their maker. One after the
 * other, so that they take no more memory than one. What is refused is told, and is no reason to refuse the rest.
 *
 * @param hold as of `begin`
 * @throws NotFound, or what `hold` throws, if the owner is gone
 */
export async function takeGiven(
  files: Files,
  owner: Owner,
  given: Given[],
  hold: (tx: Transaction) => Promise<void>,
): Promise<Taken> {
  const taken: Taken = { ids: [], refused: [], leftOut: 0 };
  for (const file of given) {
    if (file.isInText && isOrnament(file)) {
      taken.leftOut += 1;
      continue;
    }
    const { name } = file;
    if (taken.ids.length >= filesMax) taken.refused.push({ name, why: `A message has at most ${filesMax} files.` });
    else if (file.bytes.length === 0) taken.refused.push({ name, why: 'It is empty.' });
    else {
      try {
        const id = await upload(files, owner, file, hold);
        // The same banner comes with each mail of a correspondence.
        if (file.isInText && (await files.wasSent(id))) {
          await files.cancel(owner, id);
          taken.leftOut += 1;
        } else taken.ids.push(id);
      } catch (error) {
        if (!(error instanceof Problem) || !refusals.includes(error.code)) {
          // It comes again, with all of them.
          for (const id of taken.ids) await files.cancel(owner, id).catch(() => {});
          throw error;
        }
        taken.refused.push({ name, why: firstSentence(error.message) });
      }
    }
  }
  return taken;
}

async function upload(
  files: Files,
  owner: Owner,
  { name, bytes }: Given,
  hold: (tx: Transaction) => Promise<void>,
): Promise<string> {
  // New for each attempt: two processes that take the same mail at once do not take each other's uploads away.
  const begun = { client_id: randomUUID(), name, size: bytes.length };
  const { id, missing } = await files.begin(owner, begun, hold);
  try {
    for (const place of missing)
      await files.addPart(owner, id, place, bytes.subarray(place * chunkBytes, (place + 1) * chunkBytes));
    await files.complete(owner, id);
  } catch (error) {
    // Nobody goes on with it; what cannot be removed now goes within a day.
    await files.cancel(owner, id).catch(() => {});
    throw error;
  }
  return id;
}

/** Pure. */
export function isOrnament({ name, bytes }: Pick<Given, 'name' | 'bytes'>): boolean {
  try {
    const type = recognise(bytes.subarray(0, chunkBytes), name);
    if (!isImage(type)) throw refuseType('');
    const { width, height } = readImage(type, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return Math.min(width, height) <= ornamentPixels || width * height <= (2 * ornamentPixels) ** 2;
  } catch {
    return false; // whatever it is, it is told
  }
}

/** What was wrong, without the advice to its sender. */
const firstSentence = (text: string): string => text.replace(/(?<=\.)\s.*$/s, '');
