import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aether-sources-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function run(source: string, { cache = join(folder, 'cache') } = {}): Promise<string> {
  const file = join(folder, 'main.ts');
  await writeFile(file, source);
  const flags = ['--import', pathToFileURL(join(root, 'cli', 'sources.mjs')).href];
  const env = { ...process.env, NODE_COMPILE_CACHE: cache, NODE_DISABLE_COMPILE_CACHE: cache ? undefined : '1' };
  return (await promisify(execFile)(process.execPath, [...flags, file], { env })).stdout.trim();
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
