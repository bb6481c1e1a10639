import { Refusal, readRefusal } from '@aether/ui/refusal.ts';
import { send } from '@aether/ui/request.ts';
import { act, ask } from '../api/asking.ts';
import type { ListedFile } from './queries.ts';

const atOnce = 3;
const attemptsMax = 6;

type UploadOptions = {
  /** Files that are incomplete: a file of the same name and size goes on where it was cut off. */
  known: Pick<ListedFile, 'id' | 'name' | 'size' | 'state'>[];
  /** From 0 to 1. */
  onProgress: (share: number) => void;
  signal: AbortSignal;
};

/** Sends a file in chunks, and lets the worker look at it. A chunk without an answer is sent again. @throws Refusal */
export async function uploadFile(file: File, { known, onProgress, signal }: UploadOptions): Promise<number> {
  const begun = known.find(
    ({ name, size, state }) => state === 'uploading' && name === file.name && size === file.size,
  );
  const { id } =
    begun ?? (await act<{ id: number }>('POST', '/api/imports/files', { name: file.name, size: file.size }));
  const whole = 1_048_576;
  const chunks = Math.ceil(file.size / whole);
  for (;;) {
    const { missing } = await ask<{ missing: number[] }>(`/api/imports/files/${id}/missing`, signal);
    if (missing.length === 0) break;
    let left = missing.length;
    const queue = [...missing];
    // Of a file with more than a thousand missing chunks, the answer names the first ones.
    const rest = missing.length < 1_000 ? 0 : chunks - (missing.at(-1) as number) - 1;
    const sendNext = async (): Promise<void> => {
      for (let place = queue.shift(); place !== undefined; place = queue.shift()) {
        signal.throwIfAborted();
        await sendChunk(id, place, file.slice(place * whole, (place + 1) * whole), signal);
        left -= 1;
        onProgress(1 - (left + rest) / chunks);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, sendNext));
  }
  await act('POST', `/api/imports/files/${id}/complete`, {});
  return id;
}

async function sendChunk(id: number, place: number, body: Blob, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await send(`/api/imports/files/${id}/chunks/${place}`, {
        method: 'PUT',
        headers: { 'Content-Type': 'application/octet-stream' },
        body,
        signal,
      });
      if (answer.ok) return;
      throw await readRefusal(answer);
    } catch (error) {
      const isPassing = error instanceof Refusal && (error.status === 0 || error.status >= 500);
      if (!isPassing || attempt === attemptsMax) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500 * attempt));
    }
  }
}
