import { createHash } from 'node:crypto';
import { glob, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { InlineConfig, Rolldown } from 'vite';

const folder = import.meta.dirname;
const house = join(folder, '..', '..');

/**
 * Builds the widget to its folder dist: `widget.js`, which host pages name, and below `widget/` the panel that it loads, under a name
 * that changes with its content. If the sources are those of the last build, it builds nothing.
 *
 * @returns whether it had to be built. @throws Error of Vite, with file and line, when a source does not compile.
 */
export async function buildWidget(): Promise<boolean> {
  const fingerprint = await fingerprintSources();
  if ((await readBuilt()) === fingerprint) return false;
  process.env.NODE_ENV = 'production';
  const aside = join(folder, `.dist-${process.pid}`); // moved into place when it is complete: a server may be reading
  const panel = await buildOne(join(folder, 'panel.tsx'), {
    outDir: join(aside, 'widget'),
    format: 'es',
    fileName: 'panel-[hash].js',
  });
  await buildOne(join(folder, 'loader.ts'), {
    outDir: aside,
    format: 'iife',
    fileName: 'widget.js',
    define: { __PANEL__: JSON.stringify(panel) },
  });
  await writeFile(join(aside, 'sources.sha256'), fingerprint);
  await rm(join(folder, 'dist'), { recursive: true, force: true });
  await rename(aside, join(folder, 'dist')).catch(() => rm(aside, { recursive: true, force: true }));
  return true;
}

/** Whether the widget was built from its present sources. */
export const isWidgetBuilt = async (): Promise<boolean> => (await readBuilt()) === (await fingerprintSources());

/** The fingerprint of the sources of what is built. */
const readBuilt = (): Promise<string | undefined> =>
  readFile(join(folder, 'dist', 'sources.sha256'), 'utf8').catch(() => undefined);

/** @returns the name of the built file. */
async function buildOne(
  entry: string,
  {
    outDir,
    format,
    fileName,
    define,
  }: { outDir: string; format: 'es' | 'iife'; fileName: string; define?: InlineConfig['define'] },
): Promise<string> {
  const { build } = await import('vite'); // loaded only here: most starts build nothing
  const built = await build({
    configFile: false,
    logLevel: 'error',
    root: folder,
    define: { 'process.env.NODE_ENV': '"production"', ...define },
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      target: 'es2022',
      outDir,
      emptyOutDir: false,
      modulePreload: false,
      copyPublicDir: false,
      lib: { entry, formats: [format], name: 'aether' },
      rolldownOptions: { output: { entryFileNames: fileName, codeSplitting: false, extend: true, minify: true } },
    },
  });
  const [output] = [built].flat() as Rolldown.RolldownOutput[];
  const chunk = output?.output.find((file) => file.type === 'chunk' && file.isEntry);
  if (!chunk) throw new Error(`${entry} gave no file.`);
  return chunk.fileName;
}

/** The hash of every file that the build reads, and of the lock file with the versions of libraries. */
async function fingerprintSources(): Promise<string> {
  const files: string[] = [join(house, 'package-lock.json')];
  for await (const file of glob('**/*.{ts,tsx}', { cwd: folder, exclude: ['dist/**', '.dist-*/**'] }))
    if (!/\.test\.tsx?$/.test(file)) files.push(join(folder, file));
  const hash = createHash('sha256');
  for (const file of files.sort()) hash.update(`${relative(house, file)}\0`).update(await readFile(file));
  return hash.digest('hex');
}
