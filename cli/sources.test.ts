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

const loader = pathToFileURL(join(root, 'cli', 'sources.mjs')).href;

/** @param before loaded before the loader; @param loaders what is loaded before the source */
async function start(
  source: string,
  { cache = join(folder, 'cache'), at = folder, before = '', loaders = [loader] } = {},
): Promise<{ stdout: string; stderr: string }> {
  const file = join(at, 'main.ts');
  await writeFile(file, source);
  const flags = [...(before ? [`data:text/javascript,${encodeURIComponent(before)}`] : []), ...loaders].flatMap(
    (url) => ['--import', url],
  );
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

test('what is no source without types Node refuses in its own words, with the file and the line', async () => {
  const refusalOf = (source: string, loaders?: string[]) =>
    start(source, { ...(loaders && { loaders }) }).then(
      () => 'taken',
      ({ stderr }: { stderr: string }) => stderr.replace(/\n {4}at .*/s, ''),
    );
  for (const source of ["const name = 'é';\nenum Kind { One }", 'const n: number = = 1;']) {
    const refused = await refusalOf(source);
    expect(refused).toContain(`${pathToFileURL(join(folder, 'main.ts')).href}:`);
    expect(refused).toBe(await refusalOf(source, []));
  }
});

test('a name of letters beyond the first plane, which have no escape in a name, stays as it is', async () => {
  expect(await run("const 𝒜: string = 'é'; console.log(𝒜);")).toBe('é');
});

test('sources in a folder of any name, over a link, with a query, in a worker and from require are what Node makes of them', async () => {
  const own = join(folder, 'ein Ordner é #1 100% 日');
  await mkdir(own);
  await writeFile(join(own, 'package.json'), '{"type": "module"}');
  await writeFile(join(own, 'data.json'), '{"a": "é"}');
  await writeFile(
    join(own, 'failing.ts'),
    'type A = { a: string }; // ’\ninterface B {\n  b: number;\n}\nexport function fail(a: string): never {\n  throw new Error(a);\n}\n',
  );
  const at = join(folder, 'link to it');
  await symlink(own, at);
  const source = `import { createRequire } from 'node:module';
import { isMainThread, Worker } from 'node:worker_threads';
import data from './data.json' with { type: 'json' };
import { fail } from './failing.ts?é=1';
const placeOf = (work: (a: string) => never): string => {
  try { return work('ü'); } catch (error) { return (error as Error).stack?.split('\\n')[1] as string; }
};
const required: typeof fail = createRequire(import.meta.url)('./failing.ts').fail;
console.log(isMainThread, data, import.meta.filename, placeOf(fail), placeOf(required));
if (isMainThread) new Worker(new URL(import.meta.url));`;
  const cache = join(folder, 'kept é');
  const expected = await start(source, { at, loaders: [] });
  expect(expected.stdout.match(/failing\.ts(\?[^:]*)?:6:9/g)).toHaveLength(4);
  for (let times = 0; times < 2; times++) expect(await start(source, { at, cache })).toEqual(expected);
});

test('a Node without the function that removes types removes them itself', async () => {
  const before = `import module from 'node:module';
delete module.stripTypeScriptTypes;
module.syncBuiltinESMExports();`;
  expect(await start(says('7'), { before, cache: join(folder, 'without') })).toMatchObject({
    stdout: expect.stringContaining(',7]'),
    stderr: '',
  });
});

test('a zod that keeps its messages elsewhere is read whole', async () => {
  const elsewhere = join(folder, 'elsewhere');
  const zod = join(elsewhere, 'node_modules', 'zod');
  await mkdir(join(zod, 'classic'), { recursive: true });
  await mkdir(join(zod, 'locales', 'all'), { recursive: true });
  await writeFile(join(elsewhere, 'package.json'), '{"type": "module"}');
  await writeFile(join(zod, 'package.json'), '{"type": "module", "exports": "./classic/index.js"}');
  await writeFile(join(zod, 'classic', 'index.js'), "export * as locales from '../locales/index.js';");
  await writeFile(join(zod, 'locales', 'index.js'), "export { default as en } from './all/en.js';");
  await writeFile(join(zod, 'locales', 'all', 'en.js'), 'export default 1;');
  expect((await start("import { locales } from 'zod'; console.log(locales.en);", { at: elsewhere })).stdout).toBe(
    '1\n',
  );
});

test('zod is read in one language, and says its messages', async () => {
  await mkdir(join(folder, 'node_modules'), { recursive: true });
  await symlink(join(root, 'node_modules', 'zod'), join(folder, 'node_modules', 'zod'));
  const said = await run(`import { locales, z } from 'zod';
console.log(Object.keys(locales), z.string().safeParse(1).error?.issues[0]?.message);`);
  expect(said).toBe("[ 'default' ] Invalid input: expected string, received number");
});
