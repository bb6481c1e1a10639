import { exec } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { ConfigurationError } from './errors.ts';

/*
 * Where the password of a login comes from, when it is not written into the address. It is read again for each new connection, so that a
 * process goes on while passwords are replaced. Connections that are open do not notice.
 *
 * A source gives one password or two, one a line: the new one and the one before it. PostgreSQL knows one password of a login, so there is a
 * moment before which only the old one works and after which only the new one does. With both at hand a connection tries the other one
 * when the server refuses the first, and no order of steps locks anybody out.
 *
 * What each failure does:
 * - The source gives nothing (the file is being replaced, the command fails): the passwords that it gave last are used; at the first
 *   connection of a process there are none, and it is refused with a sentence.
 * - The server refuses a password: the next connection reads again and begins with the other one. `isWorthAnother` says so to those who open
 *   one connection and give up; the others come back anyway.
 */

/** How a source is named in an address, as a parameter of the URL. */
export const passwordParameters = {
  password_file: 'a file',
  password_command: 'a command',
  password_module: 'a module',
} as const;
export type PasswordParameter = keyof typeof passwordParameters;

const answerMs = 10_000;
const bytesMax = 64 * 1_024;
const sources = new Map<string, Passwords>();

/** The source of this name; every connection of the process shares it. */
export function passwordsFrom(parameter: PasswordParameter, place: string): Passwords {
  const key = `${parameter} ${place}`;
  const known = sources.get(key) ?? new Passwords(parameter, place);
  sources.set(key, known);
  return known;
}

export class Passwords {
  readonly #parameter: PasswordParameter;
  readonly #place: string;
  #given: string[] = [];
  #refused: string | undefined;
  #reading: Promise<string[]> | undefined;

  constructor(parameter: PasswordParameter, place: string) {
    this.#parameter = parameter;
    this.#place = place;
  }

  /** The password for a new connection. @throws ConfigurationError when the source has never given one */
  async next(): Promise<string> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    try {
      this.#given = await this.#reading;
    } catch (error) {
      if (this.#given.length === 0) throw error;
    }
    const [first = '', second] = this.#given;
    return first === this.#refused && second !== undefined ? second : first;
  }

  /** The server has refused this password: the next connection begins with the other one. */
  refuse(password: string): void {
    this.#refused = password;
  }

  async #read(): Promise<string[]> {
    const passwords = await readers[this.#parameter](this.#place).catch((error) => {
      throw new ConfigurationError(
        `${this.#parameter} gives no password: ${passwordParameters[this.#parameter]} (${this.#place}) failed with ${reasonOf(error)}.`,
        error,
      );
    });
    const given = passwords.filter((each) => each !== '').slice(0, 2);
    if (given.length > 0) return given;
    throw new ConfigurationError(`${this.#parameter} gives no password: ${this.#place} is empty.`);
  }
}

const readers: Record<PasswordParameter, (place: string) => Promise<string[]>> = {
  password_file: async (file) => linesOf(await readFile(file, 'utf8')),
  password_command: async (command) => {
    const { stdout } = await promisify(exec)(command, { timeout: answerMs, maxBuffer: bytesMax });
    return linesOf(stdout);
  },
  async password_module(file) {
    const address = pathToFileURL(resolve(file)).href;
    const { default: give } = (await import(address)) as { default?: unknown };
    if (typeof give !== 'function') throw new Error('no default export that is a function');
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`no answer within ${answerMs} ms`)), answerMs);
    const given: unknown = await Promise.race([give(), late.promise]).finally(() => clearTimeout(timer));
    const passwords = Array.isArray(given) ? given : [given];
    if (!passwords.every((each) => typeof each === 'string')) throw new Error('something that is no text');
    return passwords;
  },
};

const linesOf = (text: string): string[] => text.split(/\r?\n/);

/** A command's own words may hold anything, so that only its code is told. */
function reasonOf(error: NodeJS.ErrnoException & { killed?: boolean }): string {
  if (error.killed) return `no answer within ${answerMs} ms`;
  return typeof error.code === 'number' ? `exit code ${error.code}` : (error.code ?? error.message);
}
