import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { variableOf } from './environment.ts';

/*
 * The file of `aether migrate bootstrap --to` and of `aether app add --to`: the addresses of logins, one a line, for a shell and for `--env-file`. It is the only copy of their
 * passwords, so it is never half written, nobody else may read it, and what it knows is kept when it is written again.
 *
 * The new text is on the disk, under another name beside it, before the database has the passwords in it, and takes the file's name
 * afterwards. A process that is killed in between leaves both.
 */

/** The passwords of logins, by their names. */
export type KnownPasswords = Record<string, string | undefined>;

const nameOf = (login: string): string => variableOf(login, 'URL');

/** A line that a shell reads, and Node, systemd and Docker as a file of variables: in quotes only if the address has several parameters. */
export function formatLine(login: string, address: string): string {
  const safe = address.replace(/[^\w.:/@%?=~+,&-]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
  return `${nameOf(login)}=${safe.includes('&') ? `'${safe}'` : safe}\n`;
}

/**
 * The passwords that the file knows; none if there is no file.
 *
 * @param address of any login at this server and database
 * @throws Error if the file is something else, or of another server or database
 */
export async function readLoginsFile(file: string, address: string): Promise<KnownPasswords> {
  const text = await readFile(file, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return {};
  const known: KnownPasswords = {};
  const here = new URL(address);
  for (const line of text.split(/\r?\n/).filter((each) => each !== '')) {
    const [, name, given] = /^([A-Z][A-Z0-9_]*)='?([^']*)'?$/.exec(line) ?? [];
    const login = given && URL.canParse(given) ? decodeURIComponent(new URL(given).username) : undefined;
    if (!given || !login || nameOf(login) !== name)
      throw new Error(
        `${file} is not a file of logins (${name ?? 'a line without a name'}). Nothing was changed: name another file.`,
      );
    const url = new URL(given);
    if (url.host !== here.host || url.pathname !== here.pathname)
      throw new Error(
        `${file} has the logins of ${url.host}${url.pathname}. Nothing was changed: name another file for ${here.host}${here.pathname}.`,
      );
    if (url.password) known[login] = decodeURIComponent(url.password);
  }
  return known;
}

export type LoginsFile = {
  /** Puts the text on the disk, beside the file. */
  prepare(text: string): Promise<void>;
  /** Gives it the file's name. */
  publish(): Promise<void>;
  /** Where the text is that was prepared and has not got the file's name. */
  left(): string | undefined;
};

export function writeLoginsFile(file: string): LoginsFile {
  const beside = `${file}.${randomBytes(4).toString('hex')}.new`;
  let isLeft = false;
  return {
    async prepare(text) {
      const handle = await open(beside, 'wx', 0o600);
      try {
        await handle.writeFile(text);
        await handle.sync();
        isLeft = true;
      } finally {
        await handle.close();
        if (!isLeft) await rm(beside, { force: true });
      }
    },
    async publish() {
      await rename(beside, file);
      isLeft = false;
    },
    left: () => (isLeft ? beside : undefined),
  };
}
