import pg from 'pg';
import type { App, Environment } from './environment.ts';
import { TransactionAborted } from './errors.ts';
import { translateRefusal } from './refusals.ts';

/** SQL that this package runs often: the name lets the server keep its plan. */
export type Statement = { name: string; text: string };

/** Where SQL can be run: the pool, or the one connection of a transaction. */
export interface Queryable {
  /** @returns the rows; bigint as number where it is safe (else as bigint), date as 'YYYY-MM-DD', numeric as string. */
  query<Row extends pg.QueryResultRow = pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  run<Row extends pg.QueryResultRow>(statement: Statement, values: unknown[]): Promise<Row[]>;
}

/** An open transaction. Give it as `tx` to every call that belongs to it: nothing else runs on its connection. */
export interface Transaction extends Queryable {
  readonly actor: string | undefined;
  /** Work that may fail on its own, leaving the rest of the transaction as it was. */
  savepoint<T>(work: () => Promise<T>): Promise<T>;
  /** Runs when the whole transaction has been committed; not at all when it is rolled back. */
  afterCommit(work: () => void): void;
}

export type InTransaction = { tx?: Transaction };
export type Write = InTransaction & {
  /** The user for whom this is done, when there is no `tx` (a transaction carries its own). */
  actor?: string;
};

export type TransactionOptions = {
  /** The user for whom this is done; stands beside what it changes. */
  actor?: string;
  /** W3C traceparent; stands in the events of what it changes. */
  trace?: string;
  isolation?: 'read committed' | 'repeatable read';
  /** Do not wait for the disk: a crash may undo the whole of it, never a part. For work that is then done again. */
  mayBeLost?: boolean;
};

export interface Connection extends Queryable {
  readonly app: App;
  transaction<T>(options: TransactionOptions, work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Runs `work` in the caller's transaction, or in one of its own. */
  within<T>(write: Write, work: (tx: Transaction) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === pg.types.builtins.INT8) return parseBigint;
    if (oid === pg.types.builtins.DATE) return (text: string) => text;
    if (oid === pg.types.builtins.TIMESTAMPTZ && format !== 'binary') return parseTimestamp;
    return pg.types.getTypeParser(oid, format as 'text');
  },
} as pg.CustomTypesConfig;

function parseBigint(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

const parseAnyTimestamp = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ) as (text: string) => Date | number;
const ordinaryTimestamp = /^[12]\d{3}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[+-]\d\d$/;

/**
 * As the driver reads it, in half the time: the dates of a row are a tenth of what a coalesced lookup costs the client.
 * Other years (the engine takes 0099 for 1999), minutes in the offset and infinity are the driver's.
 */
export function parseTimestamp(text: string): Date | number {
  return ordinaryTimestamp.test(text) ? new Date(text) : parseAnyTimestamp(text);
}

/** A pool of connections as this app. Nothing is opened until the first query. */
export function openConnection(app: App, { url, schema, pooler, poolMax }: Environment): Connection {
  // Behind a transaction pooler the next transaction may run on another server connection: nothing may be left on one,
  // neither prepared statements nor settings.
  const pooled = pooler === 'transaction';
  const pool = new pg.Pool({
    connectionString: url,
    max: poolMax,
    types,
    application_name: `aether-${app}`,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    ...(pooled ? {} : { options: `-c search_path=${schema},platform` }),
  });
  pool.on('error', () => {}); // an idle connection was cut; the pool has dropped it, and the next query opens another

  const queryable = (client: pg.Pool | pg.PoolClient): Queryable => ({
    async query(text, values) {
      try {
        return (await client.query(text, values)).rows;
      } catch (error) {
        throw translateRefusal(error);
      }
    },
    async run({ name, text }, values) {
      try {
        return (await client.query(pooled ? { text, values } : { name, text, values })).rows;
      } catch (error) {
        throw translateRefusal(error);
      }
    },
  });

  async function transaction<T>(
    { actor, trace, isolation, mayBeLost }: TransactionOptions,
    work: (tx: Transaction) => Promise<T>,
  ): Promise<T> {
    const client = await pool.connect().catch((error) => {
      throw translateRefusal(error);
    });
    const onError = () => {}; // the query under way reports it
    client.on('error', onError);
    let broken = false;
    try {
      const begin = isolation ? `begin isolation level ${isolation}` : 'begin';
      await client.query(mayBeLost ? `${begin}; set local synchronous_commit = off` : begin);
      if (pooled) await client.query(`select set_config('search_path', $1, true)`, [`${schema},platform`]);
      if (actor !== undefined) await client.query(`select set_config('aether.actor', $1, true)`, [actor]);
      if (trace !== undefined) await client.query(`select set_config('aether.trace', $1, true)`, [trace]);
      const tx = openTransaction(queryable(client), actor);
      try {
        const result = await work(tx);
        tx.end();
        const { command } = await client.query('commit');
        // Which PostgreSQL answers with a rollback when a statement had failed, whoever has caught that.
        if (command !== 'COMMIT') throw new TransactionAborted();
        for (const run of tx.committed) run();
        return result;
      } finally {
        tx.end();
      }
    } catch (error) {
      await client.query('rollback').catch(() => {
        broken = true;
      });
      throw translateRefusal(error);
    } finally {
      client.off('error', onError);
      client.release(broken);
    }
  }

  return {
    app,
    ...queryable(pool),
    transaction,
    within: ({ tx, actor }, work) => (tx ? work(tx) : transaction({ actor }, work)),
    close: () => pool.end(),
  };
}

function openTransaction(
  { query, run }: Queryable,
  actor: string | undefined,
): Transaction & { end(): void; committed: (() => void)[] } {
  const committed: (() => void)[] = [];
  let ended = false;
  let savepoints = 0;
  const requireOpen = () => {
    if (ended) throw new Error('This transaction has ended: await every call that is given its tx.');
  };
  return {
    actor,
    committed,
    afterCommit(work) {
      requireOpen();
      committed.push(work);
    },
    async query(text, values) {
      requireOpen();
      return query(text, values);
    },
    async run(statement, values) {
      requireOpen();
      return run(statement, values);
    },
    async savepoint(work) {
      requireOpen();
      const name = `s${++savepoints}`;
      await query(`savepoint ${name}`);
      try {
        const result = await work();
        await query(`release savepoint ${name}`);
        return result;
      } catch (error) {
        await query(`rollback to savepoint ${name}`);
        throw error;
      }
    },
    end() {
      ended = true;
    },
  };
}
