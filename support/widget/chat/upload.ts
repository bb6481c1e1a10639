import type { Attempt } from './outbox.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import type { SentFile } from './thread.ts';

type Begun = { id: string; chunk_bytes: number; missing: number[]; file: SentFile | null };
type Upload = { file: File; clientId: string; signal: AbortSignal; onShare: (share: number) => void };

const waitMs = 1_000;

/**
 * Uploads a file in parts, each again until it has arrived. The same clientId is the same file: it is never there twice.
 *
 * @throws the code of a refusal as text, such as `file-too-large`.
 */
export async function uploadFile(
  server: Server,
  findSession: () => Promise<{ session: Session } | { attempt: Attempt } | undefined>,
  { file, clientId, signal, onShare }: Upload,
): Promise<SentFile> {
  let session: Session | undefined;
  async function post<Body>(path: string, body: object): Promise<Body> {
    while (!signal.aborted) {
      const way = session ? { session } : await findSession();
      if (!way) break;
      let attempt: Attempt | undefined;
      if ('attempt' in way) attempt = way.attempt;
      else {
        session = way.session;
        const answer = await server.upload<Body & { code?: string }>(session, path, body, signal);
        if (answer.attempt.kind === 'taken') return answer.body as Body;
        if (answer.attempt.kind !== 'later' || answer.body?.code === 'files-full') throw answer.body?.code ?? 'refused';
        attempt = answer.attempt;
      }
      const ms = attempt.kind === 'later' ? attempt.afterMs : waitMs;
      await new Promise((resolve) => setTimeout(resolve, ms));
    }
    throw 'cancelled';
  }

  const name = [...file.name.replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, '')].slice(-200).join('').trim() || 'file';
  const begun = await post<Begun>('', { client_id: clientId, name, size: file.size });
  if (begun.file) return begun.file;
  const { id, chunk_bytes: bytes, missing } = begun;
  for (const [at, place] of missing.entries()) {
    onShare(at / missing.length);
    await post(`/${id}/parts/${place}`, file.slice(place * bytes, (place + 1) * bytes, ''));
  }
  onShare(1);
  return post<SentFile>(`/${id}/complete`, {});
}
