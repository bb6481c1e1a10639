import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aether-sources-'));
  await writeFile(join(folder, 'package.json'), '{"type": "module"}'); // as ours are: of others, Node removes the types
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function start(
  source: string,
  { cache = join(folder, 'cache') } = {},
): Promise<{ stdout: string; stderr: string }> {
  const file = join(folder, 'main.ts');
  await writeFile(file, source);
  const flags = ['--import', pathToFileURL(join(root, 'cli', 'sources.mjs')).href];
  const env = { ...process.env, NODE_COMPILE_CACHE: cache, NODE_DISABLE_COMPILE_CACHE: cache ? undefined : '1' };
  return promisify(execFile)(process.execPath, [...flags, file], { env });
}
async function run(...given: Parameters<typeof start>): Promise<string> {
  return (await start(...given)).stdout.trim();
}

const says = (value: string) => `type Deal = { /** The deal’s number. */ n: number };
const name: string = 'é…日😀'; // ein Satz — mit Strich
const größe = /^[é日]…$/u.test('日…');
console.log(JSON.stringify([name, größe, \`ß\${name}\`, ${value}] satisfies unknown[]));`;

test('a source says the same in strings, patterns, names and templates, from the first start on and from what was kept', async () => {
  const expected = JSON.stringify(['é…日😀', true, 'ßé…日😀', 1]);
  expect(await run(says('1'))).toBe(expected);
  expect(await run(says('1'))).toBe(expected);
});

test('what is quoted raw or has a character behind a backslash stays as it is', async () => {
  expect(await run(says('String.raw`é`'))).toContain('"é"]');
  expect(await run(says("'\\é'"))).toContain('"é"]');
});

test('a changed source is read anew', async () => {
  expect(await run(says('2'))).toContain(',2]');
  expect(await run(says('3'))).toContain(',3]');
});

test('a kept source of which a crash has left nothing, or a part, is read anew', async () => {
  const cache = join(folder, 'crashed');
  await run(says('5'), { cache });
  const kept = (await readdir(cache, { recursive: true, withFileTypes: true })).filter(
    (entry) => entry.isFile() && entry.parentPath.includes('stripped-'),
  );
  expect(kept).toHaveLength(1);
  const [file] = kept.map(({ parentPath, name }) => join(parentPath, name)) as [string];
  for (const length of [0, 10, (await stat(file)).size - 1]) {
    await truncate(file, length);
    expect(await run(says('5'), { cache })).toContain(',5]');
  }
});

test('the first start warns of nothing', async () => {
  const { stdout, stderr } = await start(says('6'));
  expect(stdout).toContain(',6]');
  expect(stderr).toBe('');
});

test('without a folder to keep sources in, Node removes the types', async () => {
  expect(await run(says('4'), { cache: '' })).toContain(',4]');
});

test('zod is read in one language, and says its messages', async () => {
  await mkdir(join(folder, 'node_modules'), { recursive: true });
  await symlink(join(root, 'node_modules', 'zod'), join(folder, 'node_modules', 'zod'));
  const said = await run(`import { locales, z } from 'zod';
console.log(Object.keys(locales), z.string().safeParse(1).error?.issues[0]?.message);`);
  expect(said).toBe("[ 'default' ] Invalid input: expected string, received number");
});
