import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { newTestFolder } from './testing.folder.ts';

export type PgBouncer = {
  port: number;
  close(): Promise<void>;
};

const startsWithinMs = 10_000;
/** Debian puts it where only root looks. */
const environment = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

/** The version of the PgBouncer of this machine; undefined if it has none. */
export function findPgBouncer(): string | undefined {
  const { stdout } = spawnSync('pgbouncer', ['--version'], { env: environment, encoding: 'utf8' });
  return /^PgBouncer (\S+)/.exec(stdout ?? '')?.[1];
}

/**
 * Starts a real PgBouncer in transaction mode, on 127.0.0.1, before the server at a port of this machine.
 *
 * @param logins with their passwords: what it lets in, and how it logs in itself.
 * @param databases lines of its `[databases]`, without the server; by default any database is passed on.
 * @param settings of its `[pgbouncer]`, in addition.
 */
export async function startPgBouncer({
  serverPort,
  logins,
  databases = ['*'],
  settings = {},
}: {
  serverPort: number;
  logins: Record<string, string>;
  databases?: string[];
  settings?: Record<string, string | number>;
}): Promise<PgBouncer> {
  const folder = await newTestFolder('pgbouncer');
  const port = Number(settings.listen_port ?? (await freePort()));
  const [users, configuration] = [join(folder, 'users.txt'), join(folder, 'pgbouncer.ini')];
  const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
  await writeFile(
    users,
    Object.entries(logins)
      .map(([login, password]) => `${quote(login)} ${quote(password)}\n`)
      .join(''),
  );
  const given = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'scram-sha-256',
    auth_file: users,
    pool_mode: 'transaction',
    max_client_conn: 2_000,
    default_pool_size: 20,
    // A database that is dropped leaves nothing to keep connections to.
    server_idle_timeout: 10,
    ...settings,
  };
  await writeFile(
    configuration,
    `[databases]\n${databases.map((each) => `${each} = host=127.0.0.1 port=${serverPort}\n`).join('')}[pgbouncer]\n` +
      Object.entries(given)
        .map(([name, value]) => `${name} = ${value}\n`)
        .join(''),
  );
  for (const file of [users, configuration]) await chmod(file, 0o644); // PgBouncer refuses to run as root, and reads them as nobody
  const child = spawn('pgbouncer', [...(process.getuid?.() === 0 ? ['--user=nobody'] : []), configuration], {
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr?.on('data', (chunk) => {
    said = (said + chunk).slice(-4_000);
  });
  await untilOpen(child, () => said);
  return {
    port,
    async close() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** What it says itself: a try to connect would be one of the connections that it takes, until it has noticed that it is gone. */
async function untilOpen(child: ChildProcess, said: () => string): Promise<void> {
  const giveUpAt = performance.now() + startsWithinMs;
  while (!/process up/.test(said())) {
    if (child.exitCode !== null || performance.now() > giveUpAt) throw new Error(`PgBouncer did not start:\n${said()}`);
    await wait(20);
  }
}
