import pg from 'pg';
import { readAddress } from './address.ts';
import type { Passwords } from './passwords.ts';
import { readPoolerRefusal } from './poolerrefusals.ts';
import { readRowsBeside } from './rows.ts';

export type ClientOptions = Omit<pg.ClientConfig, 'connectionString' | 'host' | 'password' | 'ssl'> & {
  /** The address: see address.ts. */
  url: string;
};

/**
 * One connection to the database at an address, which is read when the connection is opened: a password that was replaced, and a
 * certificate, are the present ones. What is wrong with the address fails `connect`, not the constructor.
 */
export class Client extends pg.Client {
  readonly #passwords: Passwords | undefined;
  readonly #fault: unknown;

  constructor({ url, ...config }: ClientOptions) {
    const { driver, passwords, fault } = tryToRead(url);
    super({ ...config, ...driver, ...(passwords && { password: () => passwords.next() }) });
    this.#passwords = passwords;
    this.#fault = fault;
    readRowsBeside(this);
  }

  override connect(): Promise<pg.Client>;
  override connect(callback: (error: Error) => void): void;
  override connect(callback?: (error: Error) => void): Promise<pg.Client> | undefined {
    if (!callback)
      return new Promise((resolve, reject) => this.connect((error) => (error ? reject(error) : resolve(this))));
    if (this.#fault) {
      process.nextTick(callback, this.#fault);
      return undefined;
    }
    super.connect((error: Error) => {
      // The driver keeps here what the source has given.
      if (isLoginRefused(error) && typeof this.password === 'string') this.#passwords?.refuse(this.password);
      callback(error);
    });
    return undefined;
  }

  /** Whether another try may be let in: the password has a source, which is read again. */
  isWorthAnother(error: unknown): boolean {
    return this.#passwords !== undefined && isLoginRefused(error);
  }
}

function tryToRead(url: string): Partial<ReturnType<typeof readAddress>> & { fault?: unknown } {
  try {
    return readAddress(url);
  } catch (fault) {
    return { fault };
  }
}

/** Whether the server, or a pooler before it, knows another password of this login, or none. */
export function isLoginRefused(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: string };
  return code === '28P01' || code === '28000' || readPoolerRefusal(error) === 'login';
}

/** Who waits for a connection of a pool that ends. */
export class PoolEnded extends Error {
  constructor() {
    super('The connections are being closed, and none is given any more.');
  }
}

/**
 * The driver's pool gives nobody a connection once it ends, and leaves those who wait for one to their limit of time: for ever, if they have none.
 */
class Pool extends pg.Pool {
  override end(): Promise<void>;
  override end(callback: () => void): void;
  override end(callback?: () => void): Promise<void> | undefined {
    // An app may have another version of the driver than the one that the test of this is run with.
    const { _pendingQueue: waiting } = this as unknown as { _pendingQueue?: { callback(error: Error): void }[] };
    for (const { callback: refuse } of waiting?.splice(0) ?? []) refuse(new PoolEnded());
    return callback ? void super.end(callback) : super.end();
  }
}

/** A pool of the driver with such connections. */
export function createPool(options: ClientOptions & Omit<pg.PoolConfig, keyof pg.ClientConfig>): pg.Pool {
  const pool = new Pool({ ...options, Client } as unknown as pg.PoolConfig);
  // The server may end a connection in the same breath as it lets it in, when nobody listens to it yet.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** Opens a connection; if its password was replaced meanwhile, by a second try. @throws the driver's errors, ConfigurationError */
export async function openClient(options: ClientOptions): Promise<Client> {
  for (let isAgain = false; ; isAgain = true) {
    const client = new Client(options);
    client.on('error', () => {}); // the query under way reports it
    try {
      await client.connect();
      return client;
    } catch (error) {
      client.end().catch(() => {}); // a login that is refused leaves nothing to wait for
      if (isAgain || !client.isWorthAnother(error)) throw error;
    }
  }
}
