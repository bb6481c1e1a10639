/**
 * `npm run docs`: builds the documents as a site into dist/site, for any web server. `npm run docs -- --serve` gives it out on this machine, at port 4700 or
 * that of `--port`.
 */

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../production/lock.ts';
import { buildSite } from './build.ts';

const { values: options } = parseArgs({
  options: { serve: { type: 'boolean' }, port: { type: 'string', default: '4700' } },
});
const folder = join(root, 'dist', 'site');
const kinds: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.png': 'image/png',
};

console.log(`${buildSite(folder)} pages in ${folder}.`);
if (options.serve) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const path = normalize(decodeURIComponent(pathname)).replace(/\/$/, '/index.html');
    const file = await readFile(join(folder, path)).catch(() => undefined);
    response.writeHead(file ? 200 : 404, { 'Content-Type': (file && kinds[extname(path)]) || 'text/plain' });
    response.end(file ?? 'There is no such page.\n');
  });
  server.on('error', (error) => {
    console.error(`Port ${options.port} cannot be used (${error.message}): name another one with --port.`);
    process.exitCode = 1;
  });
  server.listen(Number(options.port), '127.0.0.1', () => console.log(`http://127.0.0.1:${options.port}`));
}
