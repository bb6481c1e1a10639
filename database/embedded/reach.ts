import { createHash } from 'node:crypto';
import { cp, lstat, mkdir, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Binaries } from './binaries.ts';
import { locate } from './datafolder.ts';
import type { OsUser } from './program.ts';
import { checkReach, findClosed, makeFolder } from './serveruser.ts';

/**
 * For root: the place of programs and data that the server's user cannot reach otherwise, for example in root's home.
 */
const reachable = '/var/lib/aether';

/**
 * Makes the data and the programs reachable for the server's user. If a folder on the way is closed to that user, the
 * programs are copied to /var/lib/aether, and a new data folder is made there; a symlink in its place leads there.
 *
 * @returns where they are. @throws Error that names the closed folder if there is data already, or if /var/lib/aether
 *   is closed too
 */
export async function bringWithinReach(
  user: OsUser | undefined,
  folder: string,
  binaries: Binaries,
): Promise<{ folder: string; binaries: Binaries }> {
  const programs = [binaries.initdb, binaries.pg_ctl, binaries.postgres];
  if (!user || !(await findClosed(user, [dirname(folder), ...programs]))) return { folder, binaries };
  const near = {
    folder: (await findClosed(user, [dirname(folder)])) ? await moveAside(folder) : folder,
    binaries: (await findClosed(user, programs)) ? await copyPrograms(binaries) : binaries,
  };
  await checkReach(user, [dirname(near.folder), ...Object.values(near.binaries)]);
  return near;
}

/** Only for a new folder: existing data stays where its owner put it. */
async function moveAside(folder: string): Promise<string> {
  const isThere = await lstat(folder).then(
    () => true,
    () => false,
  );
  if (isThere) return folder;
  const place = join(reachable, createHash('sha256').update(folder).digest('hex').slice(0, 12), basename(folder));
  await makeFolder(dirname(place));
  await symlink(place, folder);
  return locate(folder);
}

/** All data folders share one copy of each version. */
async function copyPrograms({ initdb, pg_ctl, postgres }: Binaries): Promise<Binaries> {
  const native = dirname(dirname(postgres));
  const { name, version } = JSON.parse(await readFile(join(dirname(native), 'package.json'), 'utf8'));
  const copy = join(reachable, `${basename(name)}-${version}`);
  const isThere = await lstat(copy).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    await makeFolder(reachable);
    // It is copied under another name and renamed when it is complete: two processes may copy at once, and one may be
    // killed.
    const workshop = await mkdtemp(join(reachable, 'copying-'));
    try {
      await mkdir(join(workshop, 'native'), { mode: 0o755 });
      await cp(native, join(workshop, 'native'), { recursive: true, verbatimSymlinks: true });
      await rename(join(workshop, 'native'), copy).catch((error) => {
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      });
    } finally {
      await rm(workshop, { recursive: true, force: true });
    }
  }
  const at = (program: string) => join(copy, 'bin', basename(program));
  return { initdb: at(initdb), pg_ctl: at(pg_ctl), postgres: at(postgres) };
}
