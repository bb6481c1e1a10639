import type { AppEnv } from '@aether/http';
import type { Context } from 'hono';
import type { Files, StoredFile } from './files.ts';
import type { Variant } from './store.ts';
import { isShown, nameDownload } from './types.ts';

/**
 * Gives out the bytes of a file, or its thumbnail. The caller has decided who may read it. A browser runs nothing of it: the type is ours, nothing
 * is guessed, a page of it would be an empty sandbox, and what is no image is only ever saved.
 */
export async function answerFile(
  c: Context<AppEnv>,
  files: Files,
  file: StoredFile,
  variant: Variant,
): Promise<Response> {
  const tag = `"${file.sha256.toString('base64url')}${variant === 'thumbnail' ? '-t' : ''}"`;
  const isImage = isShown(file.type);
  const headers: Record<string, string> = {
    // A browser asks again before each use: who may read it may change, and a file of an erased person is gone at once.
    'Cache-Control': 'private, no-cache',
    ETag: tag,
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "default-src 'none'; sandbox; frame-ancestors 'none'",
  };
  if (c.req.header('if-none-match') === tag) return c.body(null, 304, headers);
  const parts = await files.read(file, variant);
  const first = await parts.next();
  if (first.done) return c.notFound();
  const type = variant === 'whole' ? file.type : first.value[0] === 0xff ? 'image/jpeg' : 'image/png';
  headers['Content-Type'] = type.startsWith('text/') ? `${type}; charset=utf-8` : type;
  headers['Content-Disposition'] = disposition(isImage, nameDownload(file.name, file.type));
  if (variant === 'whole') headers['Content-Length'] = String(file.size);
  if (c.req.method === 'HEAD') {
    await parts.return(undefined);
    return c.body(null, 200, headers);
  }
  let begun = false;
  let left = variant === 'whole' ? file.size : undefined;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = begun ? await parts.next() : first;
      begun = true;
      if (left !== undefined && value) left -= value.length;
      // The connection breaks off, so that nobody takes it for the whole or waits for the rest.
      if (done && left) controller.error(new Error(`The bytes of file ${file.id} ended ${left} early.`));
      else if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await parts.return(undefined);
    },
  });
  return c.body(body, 200, headers);
}

/** The name twice (RFC 6266): in ASCII for old programs, and as it is. */
function disposition(isImage: boolean, name: string): string {
  const plain = name.replace(/[^\x20-\x7e]/g, '_').replace(/["\\%]/g, '_');
  const whole = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${isImage ? 'inline' : 'attachment'}; filename="${plain}"; filename*=UTF-8''${whole}`;
}
