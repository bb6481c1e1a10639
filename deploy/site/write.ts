/**
 * `npm run docs`: builds the documents as a site into dist/site, for any web server, with a reference that the code of this checkout makes, on a database
 * of its own. `npm run docs -- --serve` gives it out on this machine, at port 4700 or
 * that of `--port`.
 */

import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { parseArgs } from 'node:util';
import { migrate, removeLocal, startLocal, withMigrator } from '@aether/database';
import { root } from '../production/lock.ts';
import { buildSite } from './build.ts';
import { readReference } from './reference/pages.ts';

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

console.log(`${buildSite(folder, await madeFromCode())} pages in ${folder}.`);
if (options.serve) {
  const server = createServer(async (request, response) => {
    const file = await readAt(request.url ?? '/').catch(() => undefined);
    response.writeHead(file ? 200 : 404, { 'Content-Type': file?.kind ?? 'text/plain' });
    response.end(file?.bytes ?? 'There is no such page.\n');
  });
  server.on('error', (error) => {
    console.error(`Port ${options.port} cannot be used (${error.message}): name another one with --port.`);
    process.exitCode = 1;
  });
  server.listen(Number(options.port), '127.0.0.1', () => console.log(`http://127.0.0.1:${options.port}`));
}

/** Reads the file that an address of the site stands for. @throws if the site has no such file, or the address cannot be decoded */
async function readAt(address: string): Promise<{ bytes: Buffer; kind: string | undefined }> {
  const { pathname } = new URL(address, 'http://localhost');
  const path = normalize(decodeURIComponent(pathname)).replace(/\/$/, '/index.html');
  return { bytes: await readFile(join(folder, path)), kind: kinds[extname(path)] };
}

/** The pages of the reference, from a PostgreSQL that ends with this. */
async function madeFromCode() {
  const data = await mkdtemp(join(tmpdir(), 'aether-docs-'));
  await chmod(data, 0o755); // as root the server runs as the user postgres
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  // The server is a process of its own, which would be left with its data.
  const interrupt = async () => {
    await removeLocal(data).catch(() => {});
    await rm(data, { recursive: true, force: true });
    process.exit(130);
  };
  for (const signal of signals) process.on(signal, interrupt);
  try {
    const { server, urlOf } = await startLocal({ folder: data, database: 'aether_docs', port: 54395 });
    try {
      await migrate(urlOf('platform_migrator'));
      return await withMigrator(urlOf('platform_migrator'), (client) =>
        readReference({ url: urlOf, query: (text) => client.query(text) }),
      );
    } finally {
      await server.stop('immediate');
    }
  } finally {
    await rm(data, { recursive: true, force: true });
    for (const signal of signals) process.off(signal, interrupt);
  }
}
