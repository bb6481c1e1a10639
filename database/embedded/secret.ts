import { randomBytes, randomUUID } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from './serveruser.ts';

const secretCharacters = 43; // 32 bytes in base64url

/**
 * Returns the secret from which every password of this server is derived. If there is none yet, it is made.
 *
 * @param folder created when missing.
 * @throws Error with advice for the person who starts the server, if the secret cannot be read or is damaged.
 */
export async function readSecret(folder: string): Promise<string> {
  await makeFolder(folder);
  const file = join(folder, 'secret');
  try {
    const known = await readFile(file, 'utf8').catch((error) => {
      if (error.code !== 'ENOENT') throw error;
    });
    const secret = known ?? (await makeSecret(file));
    if (secret.length >= secretCharacters) return secret;
  } catch (error) {
    throw describeAccess(error, folder);
  }
  throw new Error(
    `${file} is damaged: every password is derived from it. Bring it back from a backup; or delete it and start over with \`npm start -- --reset\`.`,
  );
}

/** Makes the file whole or not at all. If two processes make it at once, both get the same secret. */
async function makeSecret(file: string): Promise<string> {
  const aside = `${file}.${randomUUID()}`;
  await writeFile(aside, randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx' });
  try {
    await link(aside, file).catch((error) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(aside, { force: true });
  }
  return readFile(file, 'utf8');
}

function describeAccess(error: unknown, folder: string): unknown {
  if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) return error;
  return new Error(
    `${folder} cannot be read and written by you: was it started as root, or by somebody else, before? ` +
      'Give the folder to yourself with chown, or set AETHER_HOME to another one.',
    { cause: error },
  );
}
