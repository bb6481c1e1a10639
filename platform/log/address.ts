import { readFileSync } from 'node:fs';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type pg from 'pg';
import { ConfigurationError } from './errors.ts';
import { type PasswordParameter, type Passwords, passwordParameters, passwordsFrom } from './passwords.ts';

/*
 * The address of a database: postgresql://user:password@host:5432/name?parameters. One place reads it, for every connection of every process,
 * because the driver's own reading of sslmode is not PostgreSQL's: it takes `require` for `verify-full`, ignores a word that it does not know, and
 * goes without TLS when there is none.
 *
 * Here sslmode means what it means to PostgreSQL's own clients. Without it a connection to another machine is `verify-full` and one to this
 * machine is `disable`. `allow` and `prefer` are refused: whoever is in between could turn TLS off.
 */

const modes = ['disable', 'require', 'verify-ca', 'verify-full'] as const;
type Mode = (typeof modes)[number];
/** How the address leads there: `pooler=transaction` through PgBouncer, with PostgreSQL itself at `direct=host:port`. */
const poolers = ['none', 'transaction'] as const;
type Pooler = (typeof poolers)[number];
const wayParameters = ['pooler', 'direct'];
const tlsParameters = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation'];
/** As to PostgreSQL's own clients: the authorities that the system trusts; here those that come with Node. */
const trustedBySystem = 'system';

export type Address = {
  /** For the driver, without its password if that has a source. */
  driver: pg.ClientConfig;
  passwords: Passwords | undefined;
};

/**
 * Refuses an address that no connection could use, or that does not say what it seems to say. It reads no file. Pure.
 *
 * @param setting the setting that holds the address, for the message.
 * @throws ConfigurationError
 */
export function requireAddress(setting: string, given: string): void {
  if (!/^postgres(ql)?:\/\//.test(given) || !URL.canParse(given))
    throw new ConfigurationError(
      `${setting} is not a PostgreSQL address: it must look like postgresql://user:password@host:5432/platform.`,
    );
  const url = new URL(given);
  const refuse = (what: string) => new ConfigurationError(`${setting}: ${what}`);
  const mode = url.searchParams.get('sslmode');
  if (mode === 'prefer' || mode === 'allow')
    throw refuse(
      `sslmode=${mode} would go on without TLS if somebody in between said so. Write verify-full, verify-ca or require, or disable for none.`,
    );
  if (mode !== null && !isMode(mode)) throw refuse(`sslmode must be ${modes.slice(0, -1).join(', ')} or verify-full.`);
  const unknown = [...url.searchParams.keys()].find(
    (name) => (/^ssl/.test(name) && !tlsParameters.includes(name)) || name === 'uselibpqcompat',
  );
  if (unknown)
    throw refuse(`${unknown} is not read. Write sslmode=verify-full, and sslrootcert for an authority of your own.`);
  const has = (name: string) => Boolean(url.searchParams.get(name));
  const how = modeOf(url);
  if (how === 'disable' && tlsParameters.some((name) => name !== 'sslmode' && has(name)))
    throw refuse('it has settings of TLS, and sslmode=disable, which turns TLS off.');
  if (how === 'verify-ca' && !has('sslrootcert'))
    throw refuse(
      'sslmode=verify-ca needs sslrootcert: without it any server with a public certificate would do. Write verify-full.',
    );
  if (has('sslcert') !== has('sslkey')) throw refuse('sslcert and sslkey belong together.');
  const pooler = url.searchParams.get('pooler');
  if (pooler !== null && !isPooler(pooler)) throw refuse(`pooler must be ${poolers.join(' or ')}.`);
  const direct = url.searchParams.get('direct');
  if (direct !== null && !/^([\w.-]+|\[[\da-fA-F:.]+\])(:\d{1,5})?$/.test(direct))
    throw refuse('direct must be the host and port of PostgreSQL itself, such as db.example.com:5432.');
  if (Object.keys(passwordParameters).filter(has).length > 1)
    throw refuse(`give one of ${Object.keys(passwordParameters).join(', ')}.`);
}

/** Whether what is sent there, passwords too, could be read on the way: another machine, and no TLS. */
export function isClear(url: string): boolean {
  const parsed = new URL(url);
  return modeOf(parsed) === 'disable' && !isThisMachine(hostOf(parsed));
}

/** How the connections at an address are lent, and the address past the pooler, as far as the address says so. */
export function wayOf(given: string): { pooler: Pooler | undefined; direct: string | undefined } {
  const url = new URL(given);
  const pooler = url.searchParams.get('pooler') as Pooler | null;
  const direct = url.searchParams.get('direct');
  for (const name of [...wayParameters, 'host', 'port']) url.searchParams.delete(name);
  url.port = '';
  url.host = direct ?? '';
  return { pooler: pooler ?? undefined, direct: direct ? url.href : undefined };
}

/** Whether the password is read again for each new connection. */
export function hasPasswordSource(url: string): boolean {
  return URL.canParse(url) && sourceOf(new URL(url)) !== undefined;
}

/** Reads an address, and the files of certificates that it names. @throws ConfigurationError */
export function readAddress(given: string): Address {
  requireAddress('The address of the database', given);
  const url = new URL(given);
  const {
    host: _,
    port = url.port,
    ...others
  } = Object.fromEntries(
    [...url.searchParams].filter(
      ([name]) => !tlsParameters.includes(name) && !wayParameters.includes(name) && !(name in passwordParameters),
    ),
  );
  const source = sourceOf(url);
  const password = decodeURIComponent(url.password);
  const negotiation = url.searchParams.get('sslnegotiation');
  return {
    driver: {
      host: hostOf(url),
      ...(port && { port: Number(port) }),
      ...(url.username && { user: decodeURIComponent(url.username) }),
      ...(url.pathname.length > 1 && { database: decodeURI(url.pathname.slice(1)) }),
      ...(!source && password && { password }),
      ssl: readTls(url),
      ...(negotiation && { sslnegotiation: negotiation }),
      ...others,
    } as pg.ClientConfig,
    passwords: source && passwordsFrom(source, url.searchParams.get(source) as string),
  };
}

/** What the driver needs, with the password where it comes from: for code that takes no URL. @throws ConfigurationError */
export function driverOf(url: string): pg.ClientConfig {
  const { driver, passwords } = readAddress(url);
  return { ...driver, ...(passwords && { password: () => passwords.next() }) };
}

function readTls(url: URL): false | TlsOptions {
  const mode = modeOf(url);
  if (mode === 'disable') return false;
  const root = url.searchParams.get('sslrootcert');
  const read = (name: string) => {
    const file = url.searchParams.get(name);
    if (!file || (name === 'sslrootcert' && file === trustedBySystem)) return undefined;
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      throw new ConfigurationError(
        `${name} cannot be read from ${file}: ${(error as NodeJS.ErrnoException).code}.`,
        error,
      );
    }
  };
  const [ca, cert, key] = [read('sslrootcert'), read('sslcert'), read('sslkey')];
  return {
    ...(ca && { ca }),
    ...(cert && { cert, key }),
    // As to PostgreSQL's own clients, `require` with an authority is `verify-ca`.
    ...(mode === 'require' && !root && { rejectUnauthorized: false }),
    ...((mode === 'verify-ca' || (mode === 'require' && root)) && { checkServerIdentity: () => undefined }),
  };
}

function modeOf(url: URL): Mode {
  const mode = url.searchParams.get('sslmode');
  if (mode) return mode as Mode;
  const isAsked = tlsParameters.some((name) => url.searchParams.get(name));
  return isThisMachine(hostOf(url)) && !isAsked ? 'disable' : 'verify-full';
}

const sourceOf = (url: URL): PasswordParameter | undefined =>
  (Object.keys(passwordParameters) as PasswordParameter[]).find((name) => url.searchParams.get(name));

const isPooler = (word: string): word is Pooler => (poolers as readonly string[]).includes(word);

const isMode = (word: string): word is Mode => (modes as readonly string[]).includes(word);

function hostOf(url: URL): string {
  const given = url.searchParams.get('host') || decodeURIComponent(url.hostname).replace(/^\[(.+)\]$/, '$1');
  return given || process.env.PGHOST || 'localhost';
}

/** A socket of this machine, or its loopback: nobody is in between. */
function isThisMachine(host: string): boolean {
  return host.startsWith('/') || /^(localhost|127(\.\d+){3}|::1)$/i.test(host);
}
