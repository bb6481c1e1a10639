import { atEnd } from '@aether/database/testing';
import { until } from '@aether/database/testing.scope';
import { startImports } from '../../worker/imports.ts';
import type { TestConsole } from '../testing.ts';

export type ImportCalls = ReturnType<typeof importCallsOf>;

/** A worker that does imports only, in this process; its jobs have threads of their own. */
export function startImportWorker(app: TestConsole, onError: (error: unknown) => void = console.error): void {
  const worker = startImports({
    url: app.database.url('sync_app'),
    idleLookMs: 50,
    renewMs: 50,
    onError,
  });
  atEnd(() => worker.stop());
}

/** What a test does with the console as an administrator. */
export function importCallsOf(app: TestConsole) {
  const boss = app.callAs('boss');

  async function put(id: number, place: number, bytes: Uint8Array, person = 'boss'): Promise<Response> {
    return fetch(`${app.url}/api/imports/files/${id}/chunks/${place}`, {
      method: 'PUT',
      headers: { ...(await app.headersOf(person)), 'Content-Type': 'application/octet-stream' },
      body: new Uint8Array(bytes),
    });
  }

  /** Uploads a text as a file; it is not recognised yet. */
  async function upload(name: string, text: string | Buffer): Promise<number> {
    const bytes = Buffer.from(text);
    const { body } = await boss('POST', '/api/imports/files', { name, size: bytes.length });
    for (let place = 0; place * body.chunk_bytes < bytes.length; place += 1)
      await put(body.id, place, bytes.subarray(place * body.chunk_bytes, (place + 1) * body.chunk_bytes));
    await boss('POST', `/api/imports/files/${body.id}/complete`, {});
    return body.id;
  }

  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of the body
  const recognised = (id: number): Promise<any> =>
    until(async () => {
      const { body } = await boss('GET', `/api/imports/files/several?ids=${id}`);
      const [file] = body.files;
      // Until its job has ended, the worker reads the file, and nobody may remove it or choose another encoding.
      const { jobs } = (await boss('GET', '/api/imports/files')).body as {
        jobs: { upload: number; ended_at: unknown }[];
      };
      const isRead = file.state === 'refused' || file.recognition?.rows !== undefined;
      return isRead && !jobs.some(({ upload, ended_at }) => upload === id && ended_at === null) && file;
    });

  // biome-ignore lint/suspicious/noExplicitAny: as above
  const ended = (job: number): Promise<any> =>
    until(async () => {
      const { body } = await boss('GET', `/api/imports/jobs/${job}`);
      return body.ended_at !== null && body;
    });

  return { boss, put, upload, recognised, ended };
}

export const pause = () => new Promise((resolve) => setTimeout(resolve, 20));
