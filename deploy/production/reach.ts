import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { root } from './lock.ts';

/*
 * What runs in production: the files that the processes reach from their first file by imports, and the packages that these files import. The rest
 * of the repository stays out: tests, the sources of the web apps (their builds are copied), `npm start` with its demo and its identity provider.
 */

/** The first file of each process. `cli/main.ts` is the command, which migrates too. */
export const processes = {
  foundation: 'foundation/server/main.ts',
  support: 'support/server/main.ts',
  console: 'sync/server/main.ts',
  worker: 'sync/main.ts',
  aether: 'cli/main.ts',
};

/** Scripts that a deployment runs once. */
const scripts = ['deploy/azure/principals.ts'];

/** Commands for a laptop: production has neither their files nor their packages, and the command says so. */
export const forLaptops = ['cli/start/start.ts', 'cli/demo/demo.ts', 'cli/token.ts'];

export type Reached = {
  /** From the root, sorted. */
  files: string[];
  /** The packages that each room imports, rooms as well. */
  packages: Record<string, string[]>;
};

/** @throws Error if an import leads nowhere. */
export function reachFrom(entries: string[] = [...Object.values(processes), ...scripts]): Reached {
  const files = new Set(entries);
  const packages: Record<string, Set<string>> = {};
  for (const file of files) {
    if (!/\.(ts|mjs)$/.test(file)) continue;
    const [room = ''] = file.split('/');
    packages[room] ??= new Set();
    for (const path of findImports(readFileSync(join(root, file), 'utf8'))) {
      if (path.startsWith('node:')) continue;
      const isOwn = path.startsWith('.');
      if (!isOwn) packages[room].add(path.split('/', path.startsWith('@') ? 2 : 1).join('/'));
      const reached = isOwn ? posix.join(posix.dirname(file), path) : behindDoor(path);
      if (reached !== undefined && !forLaptops.includes(reached)) {
        if (!existsSync(join(root, reached))) throw new Error(`${file} imports ${path}, and there is no ${reached}.`);
        files.add(reached);
      }
    }
  }
  return {
    files: [...files].sort(),
    packages: Object.fromEntries(Object.entries(packages).map(([room, names]) => [room, [...names].sort()])),
  };
}

/** The file behind a door of a room, such as `@aether/http/metrics`; undefined for a package of others. */
function behindDoor(path: string): string | undefined {
  const [, room, door = ''] = /^@aether\/([^/]+)(\/.+)?$/.exec(path) ?? [];
  if (!room) return undefined;
  const { exports } = JSON.parse(readFileSync(join(root, room, 'package.json'), 'utf8'));
  const file = exports[`.${door}`] ?? exports['./*']?.replace('*', door.slice(1));
  if (!file) throw new Error(`${path} is no door of ${room}.`);
  return posix.join(room, file);
}

/**
 * What a source loads when it runs: imports and exports that are more than types, calls of `import`, and files that threads are started with.
 * Pure.
 */
export function findImports(source: string): string[] {
  const statements = source.matchAll(/^(?:import|export)\s+(?!type\b)((?:[^'";]*?\bfrom\s*)?)'([^']+)'/gm);
  const named = [...statements].filter(([, names = '']) => !isOnlyTypes(names)).map(([, , path = '']) => path);
  const calls = source.matchAll(
    /(?<!typeof |[:<|] ?)\bimport\('([^']+)'\)(?!\.[A-Z])|\bnew URL\('(\.[^']+\.(?:ts|mjs))'/g,
  );
  return [...named, ...[...calls].map(([, call, thread]) => (call ?? thread) as string)];
}

/** Whether each name in the braces is a type: Node drops the names, and the import stays as one of the file itself. */
const isOnlyTypes = (names: string): boolean => {
  const [, braces] = /^\{([^}]*)\}\s*from\s*$/.exec(names) ?? [];
  const each =
    braces
      ?.split(',')
      .map((name) => name.trim())
      .filter(Boolean) ?? [];
  return each.length > 0 && each.every((name) => name.startsWith('type '));
};
