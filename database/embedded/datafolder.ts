import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  rmdir,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { letterLocales } from '../letters.ts';
import type { Binaries } from './binaries.ts';
import { type OsUser, run } from './program.ts';
import { give, makeFolder } from './serveruser.ts';

const settingsFile = 'aether.conf';

/**
 * The folder's real path, so that two names of one folder mean one server. Makes the folders above it, but not the
 * folder itself.
 */
export async function locate(folder: string): Promise<string> {
  const wanted = resolve(folder);
  await makeFolder(dirname(wanted));
  return realpath(wanted).catch(async (error) => {
    if (error.code !== 'ENOENT') throw error;
    const goal = await readlink(wanted).catch(() => undefined); // a link to a folder that does not exist
    if (goal) return locate(resolve(dirname(wanted), goal));
    return join(await realpath(dirname(wanted)), basename(wanted));
  });
}

/**
 * Whether the folder already holds data of this major version. It throws for a folder with anything else in it, and
 * leaves that folder alone.
 */
export async function holdsData(folder: string, major: string): Promise<boolean> {
  const names: string[] = await readdir(folder).catch((error) => {
    if (error.code === 'ENOENT') return [];
    if (error.code === 'ENOTDIR') throw new Error(`${folder} is not a folder: choose another place for the data.`);
    throw error;
  });
  if (names.length === 0) return false;
  if (!names.includes('PG_VERSION'))
    throw new Error(
      `${folder} is not empty and not a PostgreSQL data folder (it holds ${names.slice(0, 3).join(', ')}` +
        `${names.length > 3 ? ' …' : ''}). Nothing in it was changed: choose another folder, or empty this one.`,
    );
  const found = (await readFile(join(folder, 'PG_VERSION'), 'utf8')).trim();
  if (found !== major)
    throw new Error(
      `The data in ${folder} was made by PostgreSQL ${found}, and this is PostgreSQL ${major}. Nothing in it was changed: ` +
        `move it over with pg_dump or pg_upgrade of both versions, or move the folder away to begin again.`,
    );
  return true;
}

/**
 * Makes a new data folder, whole or not at all: the folder is made under another name beside it, and is renamed when it
 * is complete.
 *
 * @param password of the superuser `postgres`.
 * @param durable whether it must survive a power cut in the next half minute.
 */
export async function makeDataFolder(
  folder: string,
  {
    binaries,
    user,
    password,
    durable,
    onRunning,
  }: { binaries: Binaries; user?: OsUser; password: string; durable: boolean; onRunning?: () => void },
): Promise<void> {
  await removeUnfinished(folder);
  // A new name each time: an initdb whose parent was killed may still be writing into the earlier folder.
  const workshop = await mkdtemp(`${folder}.new-`);
  try {
    const [data, passwordFile] = [join(workshop, 'data'), join(workshop, 'password')];
    await writeFile(passwordFile, password, { mode: 0o600, flag: 'wx' });
    await mkdir(data, { mode: 0o700 });
    for (const path of [passwordFile, data, workshop]) await give(path, user);
    const args = ['--pgdata', data, '--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
    args.push('--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-locale');
    if (!durable) args.push('--no-sync');
    const failure = await runInitdb(binaries.initdb, args, user, onRunning);
    if (failure) throw new Error(`PostgreSQL could not make the data folder ${folder}:\n${failure}`);
    await appendFile(join(data, 'postgresql.conf'), `\ninclude_if_exists = '${settingsFile}'\n`);
    await rmdir(folder).catch((error) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await rename(data, folder);
  } finally {
    await rm(workshop, { recursive: true, force: true });
    // Again: the initdb of a killed parent notices its end only while it writes, and may have put something back.
    await removeUnfinished(folder);
  }
}

/**
 * Runs initdb with the first LC_CTYPE that this system knows: it refuses the others before it writes anything.
 *
 * @returns what it printed if it failed.
 */
async function runInitdb(
  initdb: string,
  args: string[],
  user: OsUser | undefined,
  onRunning?: () => void,
): Promise<string | undefined> {
  for (const locale of letterLocales) {
    const { ok, output } = await run(initdb, [...args, `--lc-ctype=${locale}`], user, onRunning);
    if (ok) return undefined;
    if (!/invalid locale name|locale .*(encoding|not valid)/i.test(output)) return output;
  }
  return (
    `This system knows none of the locales ${letterLocales.join(', ')}, and without one the search finds no letter beyond ASCII: ` +
    'install one (such as `locale-gen en_US.UTF-8`), or set PLATFORM_DB_URL to a PostgreSQL 18 of your own.'
  );
}

async function removeUnfinished(folder: string): Promise<void> {
  const names = await readdir(dirname(folder));
  for (const name of names.filter((each) => each.startsWith(`${basename(folder)}.new-`)))
    await rm(join(dirname(folder), name), { recursive: true, force: true, maxRetries: 3 }).catch(() => {}); // in use
}

/** Replaces the settings that the server reads when it starts. */
export async function writeSettings(
  folder: string,
  settings: Record<string, string>,
  user: OsUser | undefined,
): Promise<void> {
  const file = join(folder, settingsFile);
  await rm(file, { force: true });
  await writeFile(file, formatSettings(settings), { mode: 0o600, flag: 'wx' });
  await give(file, user);
}

/** The text of a PostgreSQL configuration file; any value is safe in it. */
export function formatSettings(settings: Record<string, string>): string {
  const lines = Object.entries(settings).map(([name, value]) => {
    if (!/^[a-z_]\w*(\.[a-z_]\w*)?$/i.test(name))
      throw new Error(`${JSON.stringify(name)} is not the name of a setting.`);
    if (value.includes('\0')) throw new Error(`The setting ${name} holds a zero byte, which PostgreSQL cannot read.`);
    return `${name} = '${value.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\n', '\\n')}'\n`;
  });
  return `# Written at every start: change the settings where the server is started.\n${lines.join('')}`;
}
