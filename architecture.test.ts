import { globSync, readFileSync, statSync } from 'node:fs';
import { matchesGlob, posix } from 'node:path';
import { describe, expect, test } from 'vitest';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const { workspaces } = JSON.parse(read('./package.json')) as { workspaces: string[] };
const linter = JSON.parse(read('./biome.json')).linter.rules;

/** The rooms as ARCHITECTURE.md lines them up: `cli, bench → foundation, support → …` */
function readArrows(): string[][] {
  const line = /^`(.+ → .+)`$/m.exec(read('./ARCHITECTURE.md'))?.[1] ?? '';
  return line.split(' → ').map((rank) => rank.split(', '));
}

const roomsOf = (dependencies: Record<string, string> = {}) =>
  Object.keys(dependencies)
    .filter((name) => name.startsWith('@aether/'))
    .map((name) => name.slice('@aether/'.length));

test('every room is in the line of arrows exactly once', () => {
  expect(readArrows().flat().sort()).toEqual([...workspaces].sort());
});

test.each(workspaces)('%s depends only on rooms to the right of it', (room) => {
  const ranks = readArrows();
  const rank = ranks.findIndex((rooms) => rooms.includes(room));
  const { dependencies, devDependencies } = JSON.parse(read(`./${room}/package.json`));
  const toTheRight = ranks.slice(rank + 1).flat();
  expect(toTheRight).toEqual(expect.arrayContaining(roomsOf(dependencies)));
  // Tests may use test databases and a sequencer, and the local identity provider is tested with the sign-in at it.
  expect([...toTheRight, 'database', 'sync', 'signin']).toEqual(expect.arrayContaining(roomsOf(devDependencies)));
});

test('only the command, the benches and tests know the database room: everyone else meets it in SQL', () => {
  const knowers = workspaces.filter((room) =>
    roomsOf(JSON.parse(read(`./${room}/package.json`)).dependencies).includes('database'),
  );
  expect(knowers.sort()).toEqual(['bench', 'cli']);
});

test('only the command knows the local identity provider, so that what installs a server does not install it', () => {
  const knowers = workspaces.filter((room) => {
    // npm installs what a room of this repository needs for its tests, too, wherever the room is needed.
    const { dependencies, devDependencies } = JSON.parse(read(`./${room}/package.json`));
    const needed = { ...dependencies, ...devDependencies };
    return 'oidc-provider' in needed || roomsOf(needed).includes('identity');
  });
  expect(knowers.sort()).toEqual(['cli', 'identity']);
});

test('an example is no room: it imports its own files and packages that its package.json names, and of this repository what is published', () => {
  const published = ['@aether/platform', '@aether/servicebus'];
  for (const folder of globSync('examples/*', { cwd: import.meta.dirname })) {
    const { dependencies } = JSON.parse(read(`./${folder}/package.json`));
    const foreign = Object.keys(dependencies).filter(
      (name) => name.startsWith('@aether/') && !published.includes(name),
    );
    expect([folder, foreign]).toEqual([folder, []]);
    const files = globSync(`${folder}/*.ts`, { cwd: import.meta.dirname }).filter((file) => !/test/.test(file));
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      const froms = [...read(`./${file}`).matchAll(/\bfrom '([^']+)'|\bimport\('([^']+)'\)/g)].map(
        ([, one, other]) => one ?? other ?? '',
      );
      const allowed = (from: string) => /^(?:node:|\.\/)/.test(from) || Object.keys(dependencies).includes(from);
      expect([file, froms.filter((from) => !allowed(from))]).toEqual([file, []]);
    }
  }
});

test('the linter refuses paths into every room', () => {
  const { group } = linter.style.noRestrictedImports.options.patterns[0];
  expect(group.sort()).toEqual(workspaces.map((room) => `../**/${room}/**`).sort());
});

/**
 * Exceptions with a reason: the database's programs are a package for each system; the widget's loader is given an address; a page of docs
 * is run; the operator names a module that gives passwords; configurations of tests name set-ups; the test of an update copies rooms, changes
 * the copies and starts them; the pictures are followed by the moving one of them.
 */
const meant = [
  'deploy/packages/outside.config.ts: ./database/testing.endings.ts',
  'deploy/packages/outside.config.ts: ./database/testing.setup.ts',
  'deploy/upgrade/rolling.config.ts: ./database/testing.endings.ts',
  'deploy/upgrade/rolling.config.ts: ./database/testing.setup.ts',
  'deploy/upgrade/testing.builds.ts: foundation/server/views/views.ts',
  'deploy/upgrade/testing.builds.ts: platform/platform.ts',
  'deploy/upgrade/testing.builds.ts: sync/settings.ts',
  'deploy/upgrade/testing.rolling.ts: foundation/server/main.ts',
  'deploy/upgrade/testing.rolling.ts: sync/main.ts',
  'database/testing.pooled.config.ts: ./cli/testing.setup.ts',
  'database/testing.pooled.config.ts: platform/testing.pooled.ts',
  'database/embedded/binaries.ts: import(name)',
  // A text for the loader, of a source beside it.
  'cli/sources.test.ts: createRequire',
  'platform/log/passwords.ts: import(address)',
  'platform/testing.thirdapp.ts: import(file)',
  'sync/webhooks/webhooks.test.ts: import(file)',
  `support/widget/loader.ts: import(/* @vite-ignore */ \`\${base}/widget/\${__PANEL__}\${again}\`)`,
  'e2e/pictures.ts: deploy/site/picture.ts',
  'e2e/bench.config.ts: ./cli/testing.setup.ts',
  'e2e/bench.config.ts: ./database/testing.endings.ts',
  'e2e/bench.config.ts: ./database/testing.setup.ts',
];

/** Scripts about the repository as a whole: they name files of every room, and import none of another. */
const aboutAll = /^deploy\/(?:image|production|release|site)\//;
const importsOf = (text: string) => text.match(/^(?:import|export|\})[^;]*?\bfrom\s.*;$/gm)?.join('\n') ?? '';

const place = new RegExp(`(['"\`])((?:\\.\\.?|@aether|${workspaces.join('|')})(?:/[^'"\`\\n]*)?)\\1`, 'g');
const unreadable = /\bcreateRequire\b|\brequire\s*\(|\bimport\s*\((?!\s*(['"`])[^'"`$]*\1\s*[,)])[^)]*\)?/g;

/** Literals one after another as the path they make: of `'../' + 'ui'` and of `join('..', 'ui')`. */
const joinLiterals = (text: string) =>
  text.replace(/(['"`])\s*\+\s*(['"`])/g, '').replace(/(['"`])\s*,\s*(['"`])/g, '/');

const isFile = (path: string) => statSync(new URL(path, import.meta.url), { throwIfNoEntry: false })?.isFile() ?? false;

/** @returns what in the source of a room leads past the doors that its package.json names, or may. */
function findTrespasses(file: string, text: string): string[] {
  const [room = ''] = file.split('/');
  const { dependencies, devDependencies } = JSON.parse(read(`./${room}/package.json`));
  const { devDependencies: testFiles } = linter.correctness.noUndeclaredDependencies.options;
  const isTest = testFiles.some((glob: string) => matchesGlob(file, glob));
  const doors = [room, ...roomsOf(dependencies), ...(isTest ? roomsOf(devDependencies) : [])];
  const isElsewhere = (path: string) => {
    const [entered = ''] = path.split('/');
    return workspaces.includes(entered) && entered !== room;
  };
  const leadsPast = (path: string) => {
    if (path.startsWith('@aether/')) return !doors.includes(path.split('/')[1] ?? '');
    const fromRoot = posix.normalize(path);
    return isElsewhere(posix.join(posix.dirname(file), path)) || (isElsewhere(fromRoot) && isFile(fromRoot));
  };
  const paths = [text, joinLiterals(text)].flatMap((each) => [...each.matchAll(place)].map(([, , path = '']) => path));
  return [...new Set([...paths.filter(leadsPast), ...(text.match(unreadable) ?? [])])];
}

test('no source leads into another room but by its door', () => {
  const sources = globSync(`{${workspaces.join(',')}}/**/*.{ts,tsx,js,mjs,css}`, {
    cwd: import.meta.dirname,
    exclude: ['**/node_modules/**', '**/dist/**', '**/.dist-*/**'],
  }).map((file) => file.replaceAll('\\', '/'));
  const found = sources.flatMap((file) =>
    findTrespasses(file, aboutAll.test(file) ? importsOf(read(file)) : read(file)).map((what) => `${file}: ${what}`),
  );
  expect(found.sort()).toEqual(meant.toSorted());
});

describe('in a source of support/server', () => {
  test.each([
    `createRequire(import.meta.url)('../../foundation/server/deals.ts')`,
    `require(path)`,
    `export type Deal = import('../../foundation/server/deals.ts').DealRow;`,
    `export type Deal = import('@aether/foundation').DealRow;`,
    `await import('@aether/' + 'foundation')`,
    `await import(name)`,
    `await import(\`../../\${room}/server/deals.ts\`)`,
    `new URL('../../foundation/' + 'server/deals.ts', import.meta.url)`,
    `join(import.meta.dirname, '..', '..', 'foundation', 'server')`,
    `[ './bot.ts', '../../foundation/server/deals.ts' ]`,
    `fork('foundation/server/deals/deals.ts')`,
    `fork('./foundation/server/deals/deals.ts')`,
    `import.meta.resolve('@aether/database')`,
  ])('%s is refused', (text) => expect(findTrespasses('support/server/made-up.ts', text)).not.toEqual([]));

  test.each([
    `import { bot } from './bot.ts';`,
    `await import('../widget/build.ts')`,
    `await import('node:http')`,
    `import { connectPlatform } from '@aether/platform';`,
    `join(import.meta.dirname, '..', 'web')`,
    `const apps = ['foundation', 'support'];`,
    `fork('support/server/main.ts')`,
  ])('%s is not', (text) => expect(findTrespasses('support/server/made-up.ts', text)).toEqual([]));

  test('only tests may enter the rooms that are there for tests', () => {
    const text = `import { createTestDatabase } from '@aether/database/testing';`;
    expect(findTrespasses('support/server/made-up.test.ts', text)).toEqual([]);
    expect(findTrespasses('support/server/made-up.ts', text)).toEqual(['@aether/database/testing']);
  });
});

/** Files of a room by what they import of it, types included. What leads into another room is the business of the arrows. */
function readImports(files: string[]): Map<string, string[]> {
  const known = new Set(files);
  return new Map(
    files.map((file) => [
      file,
      findImports(read(file))
        .map((path) => posix.join(posix.dirname(file), path))
        .filter((path) => known.has(path)),
    ]),
  );
}

/** The relative paths of all `import … from`, `export … from`, `import '…'` and `import('…')` of a source. */
function findImports(text: string): string[] {
  const named = text.matchAll(/^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*(['"])(\.[^'"]*)\1/gm);
  const bare = text.matchAll(/\bimport\s*\(?\s*(['"])(\.[^'"]*)\1/g);
  return [...named, ...bare].map(([, , path = '']) => path);
}

/** @returns one circle for each group of files that reach each other: its files in the order of their imports. */
function findCircles(imports: Map<string, string[]>): string[] {
  const circles: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, path: string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) circles.push([...path.slice(at), file].join(' → '));
    if (at >= 0 || done.has(file)) return;
    for (const next of imports.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) walk(file, []);
  return circles;
}

const listSources = () =>
  globSync(`{${workspaces.join(',')}}/**/*.{ts,tsx,mjs}`, {
    cwd: import.meta.dirname,
    exclude: ['**/node_modules/**', '**/dist/**', '**/.dist-*/**'],
  }).map((file) => file.replaceAll('\\', '/'));

test('no two files import each other, also not for types, nor round a corner', () => {
  const imports = readImports(listSources());
  expect([...imports.values()].flat().length).toBeGreaterThan(1_000);
  expect(findCircles(imports)).toEqual([]);
});

test('a circle is found through types, exports, calls and other files; a file that two others import is no circle', () => {
  expect(
    findImports(`import type { A } from './a.ts';
import {
  b,
  type B,
} from '../b.ts';
export * from './c.ts';
export { type D } from "./d.ts";
import './e.css';
type F = import('./f.ts').F;
const g = await import('./g.ts');
import pg from 'pg';
const text = "from './nowhere.ts'";`).sort(),
  ).toEqual(['../b.ts', './a.ts', './c.ts', './d.ts', './e.css', './f.ts', './g.ts']);
  const circle = new Map([
    ['a', ['b', 'd']],
    ['b', ['c', 'd']],
    ['c', ['a']],
    ['d', []],
  ]);
  expect(findCircles(circle)).toEqual(['a → b → c → a']);
  expect(findCircles(circle.set('c', ['d']))).toEqual([]);
});

test('the client of the log imports nothing of the platform above it, so that any login may use it', () => {
  const files = listSources().filter((file) => file.startsWith('platform/log/') && !/\.test\.ts$/.test(file));
  expect(files.length).toBeGreaterThan(10);
  const above = files.flatMap((file) =>
    findImports(read(file))
      .filter((path) => path.startsWith('..'))
      .map((path) => `${file}: ${path}`),
  );
  expect(above).toEqual([]);
});

test('every connection reads its address through platform/log/address.ts, so that its TLS and its password are those that the docs say', () => {
  // The database's room is given what was read there; the demo fills the PostgreSQL of this machine.
  const others = listSources().filter((file) => !/^(database|bench|e2e|cli\/demo)\/|test/.test(file));
  expect(others.filter((file) => /\b(new|extends) pg\.(Client|Pool)\b/.test(read(file)))).toEqual([
    'platform/log/client.ts',
  ]);
});
