import type pg from 'pg';

/**
 * A database: the URL of one on this machine, or what the driver needs for any, with TLS and a password that has a source, as
 * `driverOf` of the platform's log reads it from a URL. Such a URL cannot be read here, because `platform` depends on `database`.
 */
export type Address = string | pg.ClientConfig;

/** @param database another one of the same server */
export function toConfig(address: Address, database?: string): pg.ClientConfig {
  if (typeof address !== 'string') return { ...address, ...(database && { database }) };
  const url = new URL(address);
  if (database) url.pathname = `/${database}`;
  return { connectionString: url.href };
}
