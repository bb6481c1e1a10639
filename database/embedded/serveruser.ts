import { chmod, chown, mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type OsUser, run } from './program.ts';

const isRoot = () => process.getuid?.() === 0;

/**
 * The system user that runs the server of this data folder; undefined: the present user. PostgreSQL refuses to run as
 * root, so for root it is the owner of the folder, or the user `postgres` for a new folder (created when missing).
 */
export async function chooseServerUser(folder: string, me = process.getuid?.()): Promise<OsUser | undefined> {
  if (me === undefined) return undefined; // Windows: pg_ctl drops an administrator's rights by itself
  const owner = await stat(folder).catch((error) => {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  });
  if (me === 0) {
    if (owner && owner.uid !== 0) return { name: await nameOf(owner.uid), uid: owner.uid, gid: owner.gid };
    return findOrCreateUser('postgres');
  }
  if (owner && owner.uid !== me) {
    const [theirs, mine] = [await nameOf(owner.uid), await nameOf(me)];
    throw new Error(
      `The data folder ${folder} belongs to the user ${theirs} (was it started as root before?), and you are ${mine}: ` +
        `run \`sudo chown -R ${mine} ${folder} ${folder}.*\` while its server is stopped, or start it as root again.`,
    );
  }
  return undefined;
}

/** An operating system user by name; created as a system account without a login when there is none. */
export async function findOrCreateUser(name: string): Promise<OsUser> {
  const attempts = [
    ['useradd', '--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', name],
    ['adduser', '-S', '-D', '-H', name], // BusyBox
  ];
  const failures: string[] = [];
  for (;;) {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    if (uid.ok && gid.ok) return { name, uid: Number(uid.output), gid: Number(gid.output) };
    const [file = '', ...args] = attempts.shift() ?? [];
    if (!file) break;
    const made = await run(file, args).catch((error: Error) => ({ ok: false, output: error.message }));
    if (!made.ok) failures.push(made.output);
  }
  throw new Error(
    `PostgreSQL refuses to run as root, and the user ${name} to run it as could not be made (${failures.join('; ')}): ` +
      `make that user, or start this as an ordinary user.`,
  );
}

/**
 * Throws if the user cannot enter a folder or run a program; the error names the first folder on the way that is
 * closed.
 */
export async function checkReach(user: OsUser | undefined, paths: string[]): Promise<void> {
  const closed = user && (await findClosed(user, paths));
  if (!closed) return;
  throw new Error(
    `As root the server runs as the user ${user.name}, who may not enter ${closed}: run \`chmod o+x ${closed}\`, ` +
      `or put this in a folder that ${user.name} can enter, or start it as an ordinary user.`,
  );
}

/** The first folder on the way that the user cannot enter, or the program that it cannot run. */
export async function findClosed(user: OsUser, paths: string[]): Promise<string | undefined> {
  const steps = new Set<string>();
  for (const path of paths) for (const step of ancestry(path)) steps.add(step);
  // The system decides, as that user, so that access lists and read-only mounts count as well.
  const script = 'for step; do test -x "$step" || { printf %s "$step"; exit 1; }; done';
  const { ok, output } = await run('/bin/sh', ['-c', script, 'sh', ...steps], user);
  return ok ? undefined : output;
}

const ancestry = (path: string): string[] => (path === dirname(path) ? [path] : [...ancestry(dirname(path)), path]);

/** Makes a folder and the folders above it. For root, they are open to the server's user under any umask. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true }).catch((error) => {
    throw new Error(`The folder ${folder} cannot be made (${error.code} at ${error.path}): choose another place.`, {
      cause: error,
    });
  });
  if (!first || !isRoot()) return;
  for (const made of ancestry(folder).filter((each) => each.length >= first.length)) await chmod(made, 0o755);
}

/** Makes the file if it is missing, and gives it to the server's user. */
export async function touch(file: string, user: OsUser | undefined): Promise<void> {
  try {
    await writeFile(file, '', { flag: 'a', mode: 0o600 });
    await give(file, user);
  } catch (error) {
    throw new Error(
      `${file} cannot be written (${(error as NodeJS.ErrnoException).code}): give it, or its folder ${dirname(file)}, ` +
        `to the user who starts this, with chown; or choose another folder.`,
      { cause: error },
    );
  }
}

export async function give(path: string, user: OsUser | undefined): Promise<void> {
  if (user) await chown(path, user.uid, user.gid);
}

/** Gives a whole folder that root owns, such as a copy made by root, to the server's user. */
export async function giveAll(folder: string, user: OsUser | undefined): Promise<void> {
  if (!user || (await stat(folder)).uid === user.uid) return;
  const { ok, output } = await run('chown', ['-Rh', `${user.uid}:${user.gid}`, folder]);
  if (!ok) throw new Error(`The data folder ${folder} could not be given to the user ${user.name}: ${output}`);
  await chmod(folder, 0o700);
}

async function nameOf(uid: number): Promise<string> {
  const { ok, output } = await run('id', ['-nu', String(uid)]);
  return ok ? output : `number ${uid}`;
}
