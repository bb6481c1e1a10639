import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readProblem, sendRaw, serveApp, type TestServer } from '../testing.ts';
import { addWeb } from './web.ts';

let folder: string;
let server: TestServer;
const script = `console.log(${JSON.stringify('x'.repeat(5_000))})`;
const inline = "addEventListener('error', () => {})";
const index = `<!doctype html><meta name="style-nonce" content="__NONCE__"><meta name="build" content="__BUILD__"><script>${inline}</script><div id="root"></div>`;
const fingerprint = '5ec7e7'.padEnd(64, '0');

beforeAll(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'aether-web-')), 'dist');
  await mkdir(join(folder, 'assets'), { recursive: true });
  await writeFile(join(folder, 'index.html'), index);
  await writeFile(join(folder, 'icon.svg'), '<svg/>');
  await writeFile(join(folder, 'pages.json'), '["/","/customers","/customers/$id","/deals/board"]');
  await writeFile(join(folder, 'sources.sha256'), fingerprint);
  await writeFile(join(folder, 'assets', 'main-1a2b.js'), script);
  await writeFile(join(folder, '..', 'outside.json'), '{"secret":true}');
  await symlink(join(folder, '..', 'outside.json'), join(folder, 'assets', 'link.json'));
  server = await serveApp((app) => {
    addWeb(app, folder);
    app.get('/api/known', (c) => c.json({}));
  });
});
afterAll(async () => {
  await server.close();
  await rm(join(folder, '..'), { recursive: true });
});

const get = (path: string, init?: RequestInit) => fetch(`${server.url}${path}`, init);

describe('the page', () => {
  test.each(['/', '/customers', '/customers/019a?tab=deals', '/customers/a.b', '/deals/board', '/deals/board/'])(
    'is served at %s',
    async (path) => {
      const answer = await get(path);
      expect([answer.status, answer.headers.get('content-type'), answer.headers.get('cache-control')]).toEqual([
        200,
        expect.stringMatching(/^text\/html/),
        'no-store',
      ]);
      expect(await answer.text()).toContain('<div id="root">');
    },
  );

  test('has a new nonce each time, and its Content-Security-Policy names the same one', async () => {
    const nonces = await Promise.all(
      [1, 2].map(async () => {
        const answer = await get('/');
        const [, nonce = ''] = /content="([^"]+)"/.exec(await answer.text()) ?? [];
        expect(answer.headers.get('content-security-policy')).toContain(`style-src 'self' 'nonce-${nonce}'`);
        return nonce;
      }),
    );
    expect(new Set(nonces).size).toBe(2);
  });

  test('runs only its own scripts, is in no frame, and sends forms only to its own server', async () => {
    const policy = (await get('/')).headers.get('content-security-policy');
    expect(policy).toMatch(/default-src 'self'/);
    expect(policy).not.toMatch(/unsafe|script-src[^;]*nonce/);
    const hash = createHash('sha256').update(inline).digest('base64');
    expect(policy).toContain(`script-src 'self' 'sha256-${hash}';`);
    expect(policy).toMatch(/frame-ancestors 'none'/);
    expect(policy).toMatch(/form-action 'self'/);
  });

  test.each([
    '/api/nothing',
    '/api',
    '/signin/nothing',
    '/openapi.json/x',
    '/metrics',
    '/xyz',
    '/customers/019a/deals',
    '/customersx',
    '/customers//',
    '/pages.json',
    '/index.html',
    '/.env',
  ])('is not served at %s, where the router has no page', async (path) => {
    expect(await readProblem(await get(path))).toMatchObject({ status: 404, code: 'no-such-route' });
  });

  test('is replaced by a small page with a link where a person opens an address that does not exist', async () => {
    const answer = await get('/xyz', { headers: { Accept: 'text/html,application/xhtml+xml' } });
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([404, 'no-store']);
    expect(await answer.text()).toMatch(/There is no such page.*<a href="\/">/s);
  });

  test('does not answer a POST', async () => {
    expect((await get('/customers', { method: 'POST' })).status).toBe(404);
    expect((await get('/api/known')).status).toBe(200);
  });

  test('is replaced by a hint until the web app is built, and is served as soon as it is', async () => {
    const empty = await mkdtemp(join(tmpdir(), 'aether-web-'));
    await using other = await serveApp((app) => addWeb(app, join(empty, 'dist')));
    const answer = await fetch(other.url);
    expect([answer.status, await answer.text()]).toEqual([503, expect.stringMatching(/not been built yet.*npm start/)]);
    await mkdir(join(empty, 'dist'));
    await writeFile(join(empty, 'dist', 'index.html'), 'built');
    expect(await (await fetch(other.url)).text()).toBe('built');
    await rm(empty, { recursive: true });
  });
});

describe('the build', () => {
  test('is named by every answer and by the page, so that an open page notices a newer one', async () => {
    const build = fingerprint.slice(0, 16);
    for (const path of ['/', '/api/known', '/api/nothing', '/assets/main-1a2b.js', '/assets/main-old.js'])
      expect((await get(path)).headers.get('aether-build'), path).toBe(build);
    expect(await (await get('/customers')).text()).toContain(`<meta name="build" content="${build}">`);
    expect((await get('/', { method: 'HEAD' })).headers.get('aether-build')).toBe(build);
  });

  test('is the same for two processes that serve the same files', async () => {
    await using other = await serveApp((app) => addWeb(app, folder));
    const [one, two] = await Promise.all([get('/'), fetch(other.url)]);
    expect(two.headers.get('aether-build')).toBe(one.headers.get('aether-build'));
  });

  test('is not named where nobody wrote which one it is', async () => {
    const place = join(await mkdtemp(join(tmpdir(), 'aether-web-')), 'dist');
    await mkdir(place);
    await writeFile(join(place, 'index.html'), '<meta name="build" content="__BUILD__">');
    await writeFile(join(place, 'sources.sha256'), 'not a fingerprint');
    await using other = await serveApp((app) => addWeb(app, place));
    const answer = await fetch(other.url);
    expect([answer.headers.get('aether-build'), await answer.text()]).toEqual([null, '<meta name="build" content="">']);
    await rm(join(place, '..'), { recursive: true });
  });
});

describe('a build in progress', () => {
  test('delays requests for a page, so that none gets an older build, and no other requests', async () => {
    const built = Promise.withResolvers<void>();
    const place = join(await mkdtemp(join(tmpdir(), 'aether-web-')), 'dist');
    await mkdir(place);
    await writeFile(join(place, 'index.html'), 'older');
    await using other = await serveApp((app) => addWeb(app, place, built.promise));
    const asked = fetch(other.url).then((answer) => answer.text());
    expect((await fetch(`${other.url}/api/nothing`)).status).toBe(404);
    await writeFile(join(place, 'index.html'), 'newer');
    built.resolve();
    expect(await asked).toBe('newer');
    await rm(join(place, '..'), { recursive: true });
  });
});

describe('a built file', () => {
  test('is cached by browsers for ever, because its name changes with its content', async () => {
    const answer = await get('/assets/main-1a2b.js');
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(answer.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect((await get('/icon.svg')).headers.get('cache-control')).toBe('no-cache');
  });

  test('is sent compressed to a browser that accepts it', async () => {
    const packed = await get('/assets/main-1a2b.js', { headers: { 'Accept-Encoding': 'gzip' } });
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    expect(await packed.text()).toBe(script);
    const plain = await sendRaw(
      server.port,
      'GET /assets/main-1a2b.js HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    );
    expect(plain?.headers.get('content-encoding')).toBeNull();
    expect(plain?.body).toContain(script);
  });

  test('that does not exist is a 404 that no cache keeps and that is no page, so that an old page notices it', async () => {
    const answer = await get('/assets/main-old.js');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await readProblem(answer)).toMatchObject({ status: 404, code: 'no-such-route' });
  });

  test('is of the new build as soon as another took the place of the old one: no page names a file that is gone', async () => {
    const place = join(await mkdtemp(join(tmpdir(), 'aether-web-')), 'dist');
    const build = async (name: string) => {
      await rm(place, { recursive: true, force: true });
      await mkdir(join(place, 'assets'), { recursive: true });
      await writeFile(join(place, 'index.html'), name);
      await writeFile(join(place, 'icon.svg'), name.padEnd(2_000));
      await writeFile(join(place, 'assets', `${name}.js`), script);
    };
    await build('older');
    await using other = await serveApp((app) => addWeb(app, place));
    const ask = async (path: string) => {
      const answer = await fetch(`${other.url}${path}`);
      return [answer.status, (await answer.text()).trim()];
    };
    const served = async (name: string) => {
      expect([await ask('/'), await ask('/icon.svg'), await ask(`/assets/${name}.js`)]).toEqual([
        [200, name],
        [200, name],
        [200, script],
      ]);
    };
    await served('older');
    await build('newer');
    await served('newer');
    expect(await readProblem(await fetch(`${other.url}/assets/older.js`))).toMatchObject({ status: 404 });
    await rm(place, { recursive: true });
    expect(await ask('/')).toEqual([503, expect.stringContaining('has not been built')]);
    await build('third');
    await served('third');
    await rm(join(place, '..'), { recursive: true });
  });

  test.each([
    '/assets/../../outside.json',
    '/assets/..%2f..%2foutside.json',
    '/..%2foutside.json',
    '/assets/%2e%2e/%2e%2e/outside.json',
    '/assets\\..\\..\\outside.json',
    '/assets/link.json',
    '/sources.sha256',
    '//etc/passwd',
  ])('is not found by %s', async (path) => {
    const answer = await sendRaw(server.port, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    expect(answer?.body).not.toContain('secret');
    expect(answer?.body).not.toContain(fingerprint);
    expect(answer?.body).not.toContain('root:');
  });
});
