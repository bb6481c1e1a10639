import { spawnSync } from 'node:child_process';
import { copyFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, posix } from 'node:path';

/*
 * The packages that an app outside of this repository installs. Here every room runs from its .ts files; Node does not run those of an installed
 * package, and a strict project would check them by its own rules. So the compiler writes JavaScript and declarations of what is published.
 *
 * - A package holds what its doors reach and no other file, so that no test and no room's helper gets in.
 * - It is compiled against the library of the oldest Node that it promises: what that Node lacks does not compile.
 * - The compiler writes `.js` into the imports of the JavaScript and leaves `.ts` in those of the declarations; these are corrected here.
 */

export type PublishedPackage = {
  room: string;
  /** The source of each door, by the name under which it is imported. */
  doors: Record<string, string>;
};

/** In the order of their dependencies. */
export const publishedPackages: PublishedPackage[] = [
  { room: 'platform', doors: { '.': 'published.ts', './log': 'log/published.ts', './kysely': 'kysely.ts' } },
  { room: 'servicebus', doors: { '.': 'published.ts' } },
];

/** The oldest Node that is promised, and the library that all of its versions have. */
const oldestNode = { engines: '>=22', library: 'es2024' };

const root = join(import.meta.dirname, '..', '..');
const readJson = (path: string) => JSON.parse(readFileSync(path, 'utf8'));

/** Where a build leaves its packages: a folder for each room, as it would be unpacked. */
export const builtFolder = join(root, 'dist', 'packages');

/**
 * Builds every package anew.
 *
 * @returns the folder of each, in the order of `publishedPackages`.
 * @throws with the compiler's words.
 */
export function buildPackages(into = builtFolder): string[] {
  rmSync(into, { recursive: true, force: true });
  return publishedPackages.map((published) => buildPackage(published, into));
}

/** @returns the tarball of each package, as a registry would have it. */
export function packPackages(folders: string[], into: string): string[] {
  return folders.map((folder) => {
    const packed = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', into], folder));
    return join(
      into,
      basename((Array.isArray(packed) ? packed[0] : (Object.values(packed)[0] as typeof packed)).filename),
    );
  });
}

function buildPackage({ room, doors }: PublishedPackage, into: string): string {
  const source = join(root, room);
  const folder = join(into, room);
  const library = join(folder, 'lib');
  mkdirSync(folder, { recursive: true });
  compile(source, library, Object.values(doors), into);
  const found = globSync('**/*.{js,d.ts}', { cwd: library });
  for (const file of found) correct(library, file);
  const kept = ['.js', '.d.ts'].flatMap((kind) =>
    reachedFrom(
      library,
      Object.values(doors).map((door) => door.replace(/\.ts$/, kind)),
    ),
  );
  for (const file of found)
    if (!kept.includes(file)) for (const each of [file, `${file}.map`]) rmSync(join(library, each), { force: true });
  const texts = kept.map((file) => readFileSync(join(library, file), 'utf8'));
  const manifest = manifestOf(room, doors, new Set(texts.flatMap(findPackages)));
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  copyFileSync(join(source, 'README.md'), join(folder, 'README.md'));
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  return folder;
}

/** By the repository's own rules, but for what they say about running from .ts. */
function compile(source: string, library: string, doors: string[], into: string): void {
  const { compilerOptions } = readJson(join(root, 'tsconfig.json'));
  const { incremental: _, tsBuildInfoFile: __, noEmit: ___, ...rules } = compilerOptions;
  const settings = `${library}.tsconfig.json`;
  const project = {
    compilerOptions: {
      ...rules,
      rootDir: source,
      outDir: library,
      target: oldestNode.library,
      lib: [oldestNode.library],
      typeRoots: [join(root, 'node_modules/@types')],
      declaration: true,
      sourceMap: true,
      inlineSources: true,
      rewriteRelativeImportExtensions: true,
      // A package sees those before it as they will be installed.
      paths: Object.fromEntries(
        publishedPackages.flatMap(({ room, doors }) =>
          Object.entries(doors).map(([name, door]) => [
            posix.join(readJson(join(root, room, 'package.json')).name, name),
            [join(into, room, 'lib', door.replace(/\.ts$/, '.d.ts'))],
          ]),
        ),
      ),
    },
    files: doors.map((door) => join(source, door)),
  };
  writeFileSync(settings, JSON.stringify(project));
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--project', settings], root);
  rmSync(settings);
}

/** Corrects the imports of a declaration; gives the map of a source its name beside the file, because it is inside of the map. */
function correct(library: string, file: string): void {
  const path = join(library, file);
  if (file.endsWith('.d.ts')) {
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace(/(\bfrom |\bimport\()(['"])(\.[^'"]*)\.ts\2/g, '$1$2$3.js$2'));
  } else {
    const map = readJson(`${path}.map`);
    writeFileSync(`${path}.map`, JSON.stringify({ ...map, sources: [posix.basename(file).replace(/\.js$/, '.ts')] }));
  }
}

/** The files of a library that these lead to, themselves included. */
function reachedFrom(library: string, files: string[]): string[] {
  const reached = new Set(files);
  for (const file of reached) {
    const kind = file.endsWith('.d.ts') ? '.d.ts' : '.js';
    for (const path of findImports(readFileSync(join(library, file), 'utf8')))
      if (path.startsWith('.')) reached.add(posix.join(posix.dirname(file), path).replace(/\.js$/, kind));
  }
  return [...reached];
}

const findImports = (text: string): string[] =>
  [...text.matchAll(/^(?:import|export|\})[^;'"]*?(?:\bfrom )?(['"])([^'"]+)\1;$|\bimport\((['"])([^'"]+)\3\)/gm)].map(
    ([, , statement, , call]) => (statement ?? call) as string,
  );

/** The packages that a file imports, without those of Node. */
const findPackages = (text: string): string[] =>
  findImports(text)
    .filter((path) => !/^(?:\.|node:)/.test(path))
    .map((path) => path.split('/', path.startsWith('@') ? 2 : 1).join('/'));

function manifestOf(room: string, doors: Record<string, string>, imported: Set<string>): object {
  const manifest = readJson(join(root, room, 'package.json'));
  const { name, version, description, dependencies, peerDependencies = {}, peerDependenciesMeta } = manifest;
  const { devDependencies } = readJson(join(root, 'package.json'));
  return {
    name,
    version,
    description,
    type: 'module',
    license: 'SEE LICENSE IN LICENSE',
    engines: { node: oldestNode.engines },
    sideEffects: false,
    exports: {
      ...Object.fromEntries(
        Object.entries(doors).map(([door, file]) => {
          const path = `./lib/${file.replace(/\.ts$/, '')}`;
          return [door, { types: `${path}.d.ts`, default: `${path}.js` }];
        }),
      ),
      './package.json': './package.json',
    },
    files: ['lib'],
    dependencies: Object.fromEntries(
      [...imported]
        // One that the app brings itself, if it uses that door.
        .filter((each) => !(each in peerDependencies))
        // The declarations name the types of pg, which it does not bring itself, and those of Node, which these bring.
        .flatMap((each) => (each === 'pg' ? ['pg', '@types/pg'] : [each]))
        .sort()
        .map((each) => [each, dependencies[each] ?? devDependencies[each]]),
    ),
    ...(peerDependenciesMeta && { peerDependencies, peerDependenciesMeta }),
  };
}

function run(command: string, args: string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}
