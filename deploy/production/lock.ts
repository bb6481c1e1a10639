import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/** The root of the repository. */
export const root = join(import.meta.dirname, '..', '..');

/** An entry of package-lock.json, as far as it is read here. */
export type Locked = {
  name?: string;
  version?: string;
  resolved?: string;
  link?: boolean;
  integrity?: string;
  license?: string;
  dev?: boolean;
  optional?: boolean;
  devOptional?: boolean;
  hasInstallScript?: boolean;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
  [other: string]: unknown;
};

export type Lock = { packages: Record<string, Locked>; [other: string]: unknown };

export const readLock = (path = join(root, 'package-lock.json')): Lock => JSON.parse(readFileSync(path, 'utf8'));

/** The name of a package by its path in the lock file: `node_modules/a/node_modules/@b/c` is `@b/c`. Pure. */
export const nameAt = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

/** What a package needs in order to run: without optional packages, and without peers that may be missing. Pure. */
export const needsOf = ({
  dependencies,
  optionalDependencies,
  peerDependencies,
  peerDependenciesMeta,
}: Locked): string[] =>
  [
    ...Object.keys(dependencies ?? {}),
    ...Object.keys(peerDependencies ?? {}).filter((name) => !peerDependenciesMeta?.[name]?.optional),
  ].filter((name) => !(name in (optionalDependencies ?? {})));

/**
 * The paths of the packages that are installed for these needs, by the rule of Node: a package is looked for beside the file that imports it, then one
 * folder up. Rooms of the repository lead on to what they need, and are not among the paths themselves. Pure.
 *
 * @param needs the names of packages by the folder that needs them, such as `{ foundation: ['hono'] }`.
 * @throws Error if the lock file lacks a package.
 */
export function installedFor(lock: Lock, needs: Record<string, string[]>): string[] {
  const found = new Set<string>();
  const open = Object.entries(needs).flatMap(([from, names]) => names.map((name) => ({ from, name })));
  for (let need = open.pop(); need; need = open.pop()) {
    const path = resolvePackage(lock, need.from, need.name);
    if (found.has(path)) continue;
    found.add(path);
    const entry = lock.packages[path] as Locked;
    const folder = entry.link ? (entry.resolved as string) : path;
    for (const name of needsOf(lock.packages[folder] as Locked)) open.push({ from: folder, name });
  }
  return [...found].filter((path) => !lock.packages[path]?.link).sort();
}

/** The path of the package that `from` gets by a name. Pure. @throws Error if the lock file lacks it. */
export function resolvePackage({ packages }: Lock, from: string, name: string): string {
  for (let folder = from; ; folder = posix.dirname(folder)) {
    const path = posix.join(folder, 'node_modules', name);
    if (packages[path]) return path;
    if (folder === '.' || folder === '') throw new Error(`package-lock.json has no ${name}, which ${from} needs.`);
  }
}
