import { createHash } from 'node:crypto';
import { glob, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

const uiFolder = import.meta.dirname;
const houseFolder = join(uiFolder, '..');

/**
 * Builds the web app in `root` (such as foundation/web) to its folder dist, unless the build there was made from the
 * same sources: a fingerprint of them is kept beside the build. A build takes some seconds.
 *
 * @returns whether it had to be built.
 * @throws Error of Vite, with file and line, if a source does not compile.
 */
export async function buildWeb(root: string): Promise<boolean> {
  const { isBuilt, fingerprint } = await lookAt(root);
  if (isBuilt) return false;
  // Loaded only here: most starts build nothing, and loading Vite takes most of a second.
  const [{ build }, { describeWeb }] = await Promise.all([import('vite'), import('./vite.ts')]);
  process.env.NODE_ENV = 'production'; // otherwise a build under a test runner gets React's own checks, and twice its size
  // Builds into a folder aside, which replaces the old one when it is complete: a server may be reading, and two may build at once.
  const described = describeWeb(root);
  const aside = join(root, `.dist-${process.pid}`);
  await build({ ...described, build: { ...described.build, outDir: aside }, configFile: false, logLevel: 'error' });
  await writeFile(join(aside, 'sources.sha256'), fingerprint);
  await rm(join(root, 'dist'), { recursive: true, force: true });
  await rename(aside, join(root, 'dist')).catch(() => rm(aside, { recursive: true, force: true }));
  return true;
}

/** Whether the build in `root` was made from the present sources. */
export const isWebBuilt = async (root: string): Promise<boolean> => (await lookAt(root)).isBuilt;

async function lookAt(root: string): Promise<{ isBuilt: boolean; fingerprint: string }> {
  const fingerprint = await fingerprintSources([root, uiFolder]);
  const built = await readFile(join(root, 'dist', 'sources.sha256'), 'utf8').catch(() => undefined);
  return { isBuilt: built === fingerprint, fingerprint };
}

/** The fingerprint of every file that the build reads: the source folders, and the lock file with the versions of the libraries. */
async function fingerprintSources(folders: string[]): Promise<string> {
  const files: string[] = [join(houseFolder, 'package-lock.json')];
  for (const folder of folders) {
    const found = glob('**/*.{ts,tsx,css,html,svg,json}', {
      cwd: folder,
      exclude: ['dist/**', '.dist-*/**', 'node_modules/**'],
    });
    for await (const file of found) if (!/\.test\.tsx?$/.test(file)) files.push(join(folder, file));
  }
  const hash = createHash('sha256');
  for (const file of files.sort()) hash.update(`${relative(houseFolder, file)}\0`).update(await readFile(file));
  return hash.digest('hex');
}
