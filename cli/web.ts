import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const outputBytesMax = 4 * 1024 * 1024;

/**
 * Builds the web apps in `folders`, and the widget, if their sources have changed, in a process of its own: a builder keeps hundreds of
 * megabytes, and what serves them needs none of them.
 *
 * @param signal gives it up.
 * @returns what was done, in a word or two. @throws when a source does not compile
 */
export async function prepareWeb(folders: string[], signal: AbortSignal): Promise<string> {
  const build = [join(import.meta.dirname, 'web.build.ts'), ...folders];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, build, { signal, maxBuffer: outputBytesMax });
    return stdout.trim();
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string };
    const said = stderr.trim() || message;
    // Whoever runs another's checkout may not write there, and takes the apps as they were built.
    const isThere = folders.every((folder) => existsSync(join(folder, 'dist', 'index.html')));
    if (/EACCES|EPERM|EROFS|permission denied/i.test(said)) {
      if (isThere) return 'as built before: the folder is somebody else’s';
      throw new Error(
        'The web apps are not built, and their folders are somebody else’s: run `npm run build` as that user, or clone it for yourself.',
        { cause: error },
      );
    }
    throw new Error(`The web apps cannot be built.\n\n${said}`, { cause: error });
  }
}
