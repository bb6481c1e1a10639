import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { newTestFolder } from '../testing.folder.ts';
import { newTestPort } from '../testing.port.ts';
import { type EmbeddedServer, startEmbedded } from './embedded.ts';

type Options = Partial<Parameters<typeof startEmbedded>[0]> & { folder: string };

export const isRoot = process.getuid?.() === 0;
export const password = `p%:/@ 'ß"`;
// Without the processes that no test here needs, a start costs half as much.
const settings = {
  fsync: 'off',
  shared_buffers: '16MB',
  max_connections: '20',
  io_method: 'sync',
  autovacuum: 'off',
  max_logical_replication_workers: '0',
};
const defaults = { port: newTestPort(), password, settings };

/** Servers and processes of one test file, ended after each test, in one folder that is removed at the end. */
export function useServers() {
  const servers: EmbeddedServer[] = [];
  const children: ChildProcess[] = [];
  let base: string;
  let shared: string;
  let count = 0;

  async function start(options: Options): Promise<EmbeddedServer> {
    const server = await startEmbedded({ ...defaults, ...options });
    servers.push(server);
    return server;
  }

  /** The path of a data folder that does not exist yet, in a new folder. */
  async function emptyPlace(): Promise<string> {
    const parent = join(base, String(count++));
    await mkdir(parent);
    await chmod(parent, 0o755);
    return join(parent, 'postgres');
  }

  /** The data folder of a stopped server. All tests share it, so a test must not change it. */
  const stoppedPlace = (): string => shared;

  /** A copy of that folder, for a test that changes it: 40 MB, which can take longer than the test. */
  async function copiedPlace(): Promise<string> {
    const folder = await emptyPlace();
    await promisify(execFile)('cp', ['-a', shared, folder]);
    return folder;
  }

  /** The same start in another process, which leads its own process group, as in a terminal. */
  function startElsewhere(options: Options): {
    process: ChildProcess;
    begun: Promise<{ port: number; adopted: boolean }>;
  } {
    const script = `
      import { startEmbedded } from ${JSON.stringify(new URL('./embedded.ts', import.meta.url).href)};
      const { port, adopted } = await startEmbedded(JSON.parse(process.argv[1]));
      console.log(JSON.stringify({ port, adopted }));
      setInterval(() => {}, 1000);`;
    const args = ['--input-type=module', '--eval', script, JSON.stringify({ ...defaults, ...options })];
    const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const begun = once(child.stdout, 'data').then(([line]) => JSON.parse(String(line)));
    return { process: child, begun };
  }

  beforeAll(async () => {
    base = await realpath(await newTestFolder('embedded'));
    shared = await emptyPlace();
    await (await start({ folder: shared })).stop();
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await Promise.all(servers.splice(0).map((server) => server.stop('immediate')));
  });
  afterAll(() => rm(base, { recursive: true }));

  return { start, startElsewhere, emptyPlace, stoppedPlace, copiedPlace, children };
}

export async function query(server: EmbeddedServer, sql: string, values: unknown[] = []): Promise<unknown[][]> {
  const client = new pg.Client(server.superuserUrl());
  await client.connect();
  try {
    return (await client.query({ text: sql, values, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}
