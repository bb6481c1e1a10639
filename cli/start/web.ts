import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { isWidgetBuilt } from '@aether/support/widget';
import { isWebBuilt } from '@aether/ui/build.ts';

/**
 * Builds the web apps in `folders`, and the widget, if their sources have changed. The build runs in a separate
 * process, because a builder keeps hundreds of megabytes that the servers do not need. Whether there is anything to
 * build is found out here: most starts build nothing, and that process alone costs as much as the servers' start.
 *
 * @param signal aborts the build.
 * @returns the result in a word or two. @throws if a source does not compile
 */
export async function prepareWeb(folders: string[], signal: AbortSignal): Promise<string> {
  // What cannot be read says so in the build.
  if (await areBuilt(folders).catch(() => false)) return 'up to date';
  const { isGood, output, said } = await build(folders, signal);
  if (isGood) return output.trim();
  if (/EACCES|EPERM|EROFS|permission denied/i.test(said)) {
    // A user who runs another user's checkout may not write there, and gets the apps as they were built.
    if (folders.every((folder) => existsSync(join(folder, 'dist', 'index.html'))))
      return 'as built before: the folder is somebody else’s';
    throw new Error(
      'The web apps are not built, and their folders are somebody else’s: run `npm run build` as that user, or clone it for yourself.',
    );
  }
  throw new Error(`The web apps cannot be built.\n\n${said.trim()}`);
}

async function areBuilt(folders: string[]): Promise<boolean> {
  if (!(await isWidgetBuilt())) return false;
  for (const folder of folders) if (!(await isWebBuilt(folder))) return false;
  return true;
}

async function build(
  folders: string[],
  signal: AbortSignal,
): Promise<{ isGood: boolean; output: string; said: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'web.build.ts'), ...folders], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: process.platform === 'linux', // a new session, because only a whole session can give way: see below
    signal,
  });
  if (child.pid) giveWay(child.pid);
  const { promise: ended, resolve, reject } = Promise.withResolvers<boolean>();
  child.on('error', reject).on('close', (code) => resolve(code === 0));
  const [isGood, output, said] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { isGood, output, said };
}

/** Lowers the priority of the build, because everything else must be up first. */
function giveWay(pid: number): void {
  const level = constants.priority.PRIORITY_LOW;
  try {
    setPriority(pid, level);
    // Linux divides processor time among sessions first, and by priority only within a session.
    if (process.platform === 'linux') writeFileSync(`/proc/${pid}/autogroup`, String(level));
  } catch {} // the build runs anyway if the system refuses
}
