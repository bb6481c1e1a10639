import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Context } from 'hono';
import { type App, answerNoSuchRoute } from './app.ts';
import { makePage } from './page.ts';

const compress = promisify(gzip);

/** Addresses at which no page can be: an unknown one is answered while the web app is still being built. */
const forPrograms = /^\/(api|signin|healthz|readyz|metrics|openapi\.json)(\/|$)/;

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};
const compressible = /^(text|application\/json|image\/svg)/;
const compressBytesMin = 1_024;

/** `gzipped` is kept from the first request on. */
type WebFile = { type: string; gzipped?: Buffer<ArrayBuffer> };
type WebFiles = {
  index: string;
  /** The sources of scripts for the Content-Security-Policy: the server's own files, and the scripts that are written in the index itself. */
  scripts: string;
  files: Map<string, WebFile>;
  /** Whether the web app has a page at this path. */
  isPage: (path: string) => boolean;
  /** The same for every process that serves this build; undefined if the build does not say which one it is. */
  build: string | undefined;
  madeAt: number | undefined;
};

/**
 * Serves the built web app in `folder`: its files as they are, and index.html at the addresses of its pages, with
 * a Content-Security-Policy whose nonce replaces `__NONCE__`. The build lists the pages of its router in pages.json; every other address
 * without a route is a 404. The files are listed once, as soon as they are built. Only files on that list are served, so that no path leads
 * out of the folder. Each is read when it is asked for: three apps would hold 4.5 MB of which nobody asks for most. When another build has
 * taken the place of this one, the list is made again, so that no page names files that are gone.
 *
 * Every answer names the build in the header `Aether-Build`, and the page names it in place of `__BUILD__`: so an open page notices
 * that it is out of date. Call it before the routes are added.
 *
 * @param built settles when a build in progress is done. Earlier requests wait for it.
 */
export function addWeb(app: App, folder: string, built: Promise<unknown> = Promise.resolve()): void {
  let reading: Promise<WebFiles | undefined> | undefined;
  let build: string | undefined;
  const read = async () => {
    await built;
    const known = reading;
    if (known && (await known)?.madeAt !== (await madeAtOf(folder)) && reading === known) reading = undefined;
    reading ??= readFiles(folder).catch((error) => {
      reading = undefined; // the next request finds a build that finishes now
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    const web = await reading;
    build = web?.build;
    return web;
  };
  read().catch(() => {}); // a request for a page says what is wrong
  app.use(async (c, next) => {
    await next();
    if (build) c.res.headers.set('Aether-Build', build);
  });
  app.notFound(async (c) => {
    const { method, path } = c.req;
    if ((method !== 'GET' && method !== 'HEAD') || forPrograms.test(path)) return answerNoSuchRoute(c);
    const web = await read();
    if (!web)
      return c.text('The web app has not been built yet: `npm start` builds it, or `npm run build` alone.\n', 503);
    const file = web.files.get(path);
    if (file)
      return answerFile(c, join(folder, path), file, path.startsWith('/assets/')).catch((error) => {
        if (error.code !== 'ENOENT') throw error;
        return answerNoSuchRoute(c); // another build takes the place of this one just now
      });
    return web.isPage(path) ? answerIndex(c, web) : answerNoSuchPage(c);
  });
}

/** When the build was made; undefined if there is none. */
async function madeAtOf(folder: string): Promise<number | undefined> {
  const index = await stat(join(folder, 'index.html')).catch(() => undefined);
  return index?.mtimeMs;
}

async function readFiles(folder: string): Promise<WebFiles> {
  const madeAt = await madeAtOf(folder);
  const index = await readFile(join(folder, 'index.html'), 'utf8');
  const mark = await readFile(join(folder, 'sources.sha256'), 'utf8').catch(() => '');
  const build = /^[0-9a-f]{64}$/.test(mark) ? mark.slice(0, 16) : undefined;
  const hashes = [...index.matchAll(/<script>(.*?)<\/script>/gs)].map(
    ([, script = '']) => ` 'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  );
  const pages = await readFile(join(folder, pagesFile), 'utf8').catch(() => '["/"]');
  const files = new Map<string, WebFile>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = `/${relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/')}`;
    const type = types[extname(entry.name)];
    if (!entry.isFile() || !type || path === '/index.html' || path === `/${pagesFile}`) continue;
    files.set(path, { type });
  }
  return { index, scripts: `'self'${hashes.join('')}`, files, isPage: matchPages(JSON.parse(pages)), build, madeAt };
}

const pagesFile = 'pages.json';

/** `/customers/$id` is every address with one part after `/customers`; a `/` at the end makes no difference, as in the router. */
function matchPages(pages: string[]): (path: string) => boolean {
  const patterns = pages.map((page) =>
    page
      .replace(/\/$/, '')
      .split('/')
      .map((part) => (part.startsWith('$') ? '[^/]+' : RegExp.escape(part)))
      .join('/'),
  );
  const whole = new RegExp(`^(?:${patterns.join('|')})/?$`);
  return (path) => whole.test(path);
}

/** 404: a small page for a person whose browser opens the address, a problem for every program. */
function answerNoSuchPage(c: Context): Response {
  if (!/\btext\/html\b/.test(c.req.header('accept') ?? '')) return answerNoSuchRoute(c);
  const { html, headers } = makePage(
    'There is no such page',
    '<p>The address may be mistyped, or the page was moved. <a href="/">To the first page</a></p>',
  );
  return c.body(html, 404, headers);
}

/** @throws ENOENT if the file is gone */
async function answerFile(c: Context, place: string, file: WebFile, isImmutable: boolean): Promise<Response> {
  const { type } = file;
  const takesGzip = compressible.test(type) && /\bgzip\b/.test(c.req.header('accept-encoding') ?? '');
  const body = (takesGzip && file.gzipped) || (await readFile(place));
  c.header('Content-Type', type);
  c.header('Cache-Control', isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache');
  c.header('Vary', 'Accept-Encoding');
  if (!takesGzip || (!file.gzipped && body.length < compressBytesMin)) return c.body(body);
  file.gzipped ??= Buffer.from(await compress(body, { level: 9 }));
  c.header('Content-Encoding', 'gzip');
  return c.body(file.gzipped);
}

function answerIndex(c: Context, { index, scripts, build = '' }: WebFiles): Response {
  const nonce = randomBytes(16).toString('base64');
  c.header(
    'Content-Security-Policy',
    [
      "default-src 'self'",
      `script-src ${scripts}`,
      `style-src 'self' 'nonce-${nonce}'`,
      "img-src 'self' data:",
      "connect-src 'self'",
      "object-src 'none'",
      "base-uri 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
    ].join('; '),
  );
  return c.html(index.replaceAll('__NONCE__', nonce).replaceAll('__BUILD__', build));
}
