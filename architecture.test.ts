import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const { workspaces } = JSON.parse(read('./package.json')) as { workspaces: string[] };

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
  const { group } = JSON.parse(read('./biome.json')).linter.rules.style.noRestrictedImports.options.patterns[0];
  expect(group.sort()).toEqual(workspaces.map((room) => `../**/${room}/**`).sort());
});
