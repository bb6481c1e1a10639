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

test('every room stands in the line of arrows, once', () => {
  expect(readArrows().flat().sort()).toEqual([...workspaces].sort());
});

test.each(workspaces)('%s depends only on rooms to the right of it', (room) => {
  const ranks = readArrows();
  const rank = ranks.findIndex((rooms) => rooms.includes(room));
  const { dependencies, devDependencies } = JSON.parse(read(`./${room}/package.json`));
  const toTheRight = ranks.slice(rank + 1).flat();
  expect(toTheRight).toEqual(expect.arrayContaining(roomsOf(dependencies)));
  // Tests may use test databases, and a sequencer.
  expect([...toTheRight, 'database', 'sync']).toEqual(expect.arrayContaining(roomsOf(devDependencies)));
});

test('only the command, the benches and tests know the database room: everyone else meets it in SQL', () => {
  const knowers = workspaces.filter((room) =>
    roomsOf(JSON.parse(read(`./${room}/package.json`)).dependencies).includes('database'),
  );
  expect(knowers.sort()).toEqual(['bench', 'cli']);
});

test('the linter refuses paths into every room', () => {
  const { group } = linter.style.noRestrictedImports.options.patterns[0];
  expect(group.sort()).toEqual(workspaces.map((room) => `../**/${room}/**`).sort());
});

/** What stands in a source for a reason: the database's programs are a package for each system; the widget's loader is given an address. */
const meant = [
  'database/embedded/binaries.ts: import(name)',
  `support/widget/loader.ts: import(/* @vite-ignore */ \`\${base}/widget/\${__PANEL__}\`)`,
  'e2e/bench.config.ts: ./database/testing.setup.ts',
];

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
  const found = sources.flatMap((file) => findTrespasses(file, read(file)).map((what) => `${file}: ${what}`));
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
