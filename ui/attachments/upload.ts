import { Refusal, readRefusal } from '../refusal.ts';
import { send } from '../request.ts';

/** A file that the server has, as the readers of a message or an entry see it. */
export type SentFile = {
  id: string;
  name: string;
  type: string;
  size: number;
  width?: number | undefined;
  height?: number | undefined;
  has_thumbnail: boolean;
};

type Begun = { id: string; chunk_bytes: number; missing: number[]; file: SentFile | null };

const waitMsMin = 500;
const waitMsMax = 10_000;

/** Whether the same request may succeed a moment later. */
const isPassing = (error: unknown): boolean =>
  error instanceof Refusal &&
  (error.status === 0 || error.status === 429 || (error.status >= 500 && error.code !== 'files-full'));

/** Asks again while the line or the server is away, until `signal` ends it. */
async function untilAnswered<Answer>(signal: AbortSignal, ask: () => Promise<Answer>): Promise<Answer> {
  for (let failures = 0; ; failures += 1) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted || !isPassing(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.min(waitMsMax, waitMsMin * 2 ** failures)));
    }
  }
}

/**
 * Uploads a file in parts. Each part is sent again until it has arrived, and under the same client_id the whole is never there twice.
 *
 * @param base the address below which it is uploaded, such as /api/sessions/ID/attachments.
 * @param onProgress gets the share that has arrived, from 0 to 1.
 * @throws Refusal of a file that is not taken; an AbortError once `signal` has ended it.
 */
export async function uploadFile(
  base: string,
  file: File,
  { clientId, signal, onProgress }: { clientId: string; signal: AbortSignal; onProgress: (share: number) => void },
): Promise<SentFile> {
  const post = (path: string, body: object | Blob): Promise<Response> =>
    untilAnswered(signal, async () => {
      const isBytes = body instanceof Blob;
      const answer = await send(`${base}${path}`, {
        method: 'POST',
        signal,
        headers: { 'Content-Type': isBytes ? 'application/octet-stream' : 'application/json' },
        body: isBytes ? body : JSON.stringify(body),
      });
      if (!answer.ok) throw await readRefusal(answer);
      return answer;
    });

  const begun: Begun = await (await post('', { client_id: clientId, name: nameOf(file), size: file.size })).json();
  if (begun.file) return begun.file;
  const parts = Math.ceil(file.size / begun.chunk_bytes);
  for (const [at, place] of begun.missing.entries()) {
    onProgress((parts - begun.missing.length + at) / parts);
    // Without a type: the browser would send its own.
    const part = file.slice(place * begun.chunk_bytes, (place + 1) * begun.chunk_bytes, '');
    await post(`/${begun.id}/parts/${place}`, part);
  }
  onProgress(1);
  return (await post(`/${begun.id}/complete`, {})).json();
}

/** Removes an upload that is not to be sent. What cannot be removed now goes by itself within a day. */
export const cancelUpload = (base: string, id: string): Promise<unknown> =>
  send(`${base}/${id}/cancel`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{}',
  }).catch(() => {});

/** A pasted picture has no name of its own, and some names have characters that no line may have. */
function nameOf({ name, type }: File): string {
  const plain = name.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, '').trim();
  return [...(plain || `file.${type.split('/')[1] ?? 'bin'}`)].slice(-200).join('');
}

const kilobyte = 1_024;

/** `2.4 MB` */
export function formatSize(bytes: number): string {
  if (bytes < kilobyte) return `${bytes} B`;
  const isLarge = bytes >= kilobyte ** 2;
  const value = bytes / (isLarge ? kilobyte ** 2 : kilobyte);
  return `${value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 1 : 0 })} ${isLarge ? 'MB' : 'KB'}`;
}

export const isImage = ({ type }: Pick<SentFile, 'type'>): boolean => type.startsWith('image/');

/** `2 images, 1 file` */
export function sayFiles(files: readonly Pick<SentFile, 'type'>[]): string {
  const images = files.filter(isImage).length;
  const others = files.length - images;
  const say = (count: number, noun: string) => (count === 0 ? [] : [`${count} ${noun}${count === 1 ? '' : 's'}`]);
  return [...say(images, 'image'), ...say(others, 'file')].join(', ');
}
