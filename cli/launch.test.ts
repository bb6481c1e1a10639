import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aether-launch-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function launch(source: string, ...args: string[]) {
  const script = join(folder, 'script.ts');
  await writeFile(script, source);
  const child = spawn(process.execPath, [join(import.meta.dirname, 'launch.mjs'), script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  const printed = new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk) => {
      output += chunk;
      resolve();
    });
  });
  const ended = once(child, 'close').then(([code]) => ({ code, output }));
  return { child, printed, ended };
}

test('the launcher runs a TypeScript file with its arguments on Node 26 or newer, and passes on its exit code', async () => {
  const { ended } = await launch(
    `console.log(process.versions.node.split('.')[0] as string, ...process.argv.slice(2)); process.exit(7)`,
    'a b',
    '--c',
  );
  const { code, output } = await ended;
  expect(code).toBe(7);
  expect(output).toMatch(/^(2[6-9]|[3-9]\d) a b --c\n$/);
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s reaches the script, and the launcher waits for it', async (signal) => {
  const { child, printed, ended } = await launch(
    `process.on('${signal}', () => { console.log('tidied up'); process.exit(3); }); setInterval(() => {}, 1000); console.log('ready')`,
  );
  await printed;
  child.kill(signal);
  expect(await ended).toEqual({ code: 3, output: 'ready\ntidied up\n' });
});

test('the script ends when the npm that ran it is ended, although npm passes no signal on', async () => {
  const script = join(folder, 'script.ts');
  await writeFile(
    script,
    `process.on('SIGTERM', () => { console.log('tidied up'); process.exit(); }); setInterval(() => {}, 1000); console.log('ready')`,
  );
  const start = `"${process.execPath}" "${join(import.meta.dirname, 'launch.mjs')}" "${script}"; true`;
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'x', version: '1.0.0', scripts: { start } }));
  const npm = spawn('npm', ['start', '--silent'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  const said = (text: string) =>
    new Promise<void>((resolve) => {
      const look = () => output.includes(text) && resolve();
      npm.stdout.on('data', (chunk) => {
        output += chunk;
        look();
      });
    });
  const tidied = said('tidied up');
  await said('ready');
  npm.kill('SIGTERM');
  await tidied;
});

test('a script that a signal ended counts as failed', async () => {
  const { ended } = await launch(`process.kill(process.pid, 'SIGKILL')`);
  expect((await ended).code).toBe(137);
});
