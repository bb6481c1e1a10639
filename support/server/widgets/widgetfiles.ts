import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type App, Problem } from '@aether/http';
import type { Context } from 'hono';

const compress = promisify(gzip);

type WidgetFile = { body: Buffer<ArrayBuffer>; gzipped: Buffer<ArrayBuffer> };

const loaderSeconds = 300;

/**
 * Serves the built widget in `folder` to pages of any origin: /widget.js, which a host page names and a browser requests again every few
 * minutes, and the files below /widget/ that it loads, whose names never refer to other content. The files are read once: no other file
 * is served.
 *
 * @param built settles when a build under way is done: earlier requests wait for it.
 */
export function addWidgetFiles(app: App, folder: string, built: Promise<unknown>): void {
  let reading: Promise<Map<string, WidgetFile>> | undefined;
  const answer = async (c: Context) => {
    await built;
    reading ??= readFiles(folder).catch((error) => {
      reading = undefined; // a build made later is found at the next request
      if (error.code === 'ENOENT') return new Map();
      throw error;
    });
    const file = (await reading).get(c.req.path);
    if (!file)
      throw new Problem({
        status: 404,
        code: 'no-such-route',
        detail: 'The widget has no such file. Load /widget.js again.',
      });
    const isLoader = c.req.path === '/widget.js';
    c.header('Content-Type', 'text/javascript; charset=utf-8');
    c.header('Cache-Control', isLoader ? `public, max-age=${loaderSeconds}` : 'public, max-age=31536000, immutable');
    c.header('Access-Control-Allow-Origin', '*');
    c.header('Cross-Origin-Resource-Policy', 'cross-origin');
    c.header('Vary', 'Accept-Encoding');
    if (!/\bgzip\b/.test(c.req.header('accept-encoding') ?? '')) return c.body(file.body);
    c.header('Content-Encoding', 'gzip');
    return c.body(file.gzipped);
  };
  app.get('/widget.js', answer);
  app.get('/widget/:file', answer);
}

async function readFiles(folder: string): Promise<Map<string, WidgetFile>> {
  const files = new Map<string, WidgetFile>();
  const add = async (path: string) => {
    const body = await readFile(join(folder, path));
    files.set(`/${path}`, { body, gzipped: Buffer.from(await compress(body, { level: 9 })) });
  };
  await add('widget.js');
  for (const name of await readdir(join(folder, 'widget'))) if (name.endsWith('.js')) await add(`widget/${name}`);
  return files;
}
