import type pg from 'pg';
import type { App, Environment } from '../environment.ts';
import { TransactionAborted } from '../errors.ts';
import { type DriverQuery, openPool, toDriverLimit } from './pool.ts';
import { isUnanswered, translateRefusal } from './refusals.ts';
import { openTransaction } from './transaction.ts';

/** SQL that this package runs often: the name lets the server keep its plan. */
export type Statement = { name: string; text: string };

export type QueryLimit = { timeoutMs?: number };

/** Where SQL can be run: the pool, or the one connection of a transaction. */
export interface Queryable {
  /**
   * Runs one statement.
   *
   * @param limit.timeoutMs how long it may go without an answer, Infinity for ever; by default PLATFORM_DB_QUERY_TIMEOUT_MS. The
   *   server's own limit, statement_timeout, stays as it is.
   * @returns the rows; bigint as number where it is safe (else as bigint), date as 'YYYY-MM-DD', numeric as string.
   */
  query<Row extends pg.QueryResultRow = pg.QueryResultRow>(
    text: string,
    values?: unknown[],
    limit?: QueryLimit,
  ): Promise<Row[]>;
  run<Row extends pg.QueryResultRow>(statement: Statement, values: unknown[]): Promise<Row[]>;
}

/** An open transaction. Give it as `tx` to every call that belongs to it: nothing else runs on its connection. */
export interface Transaction extends Queryable {
  readonly actor: string | undefined;
  /** Work that may fail on its own, leaving the rest of the transaction as it was. One at a time: one may hold another, not overlap it. */
  savepoint<T>(work: () => Promise<T>): Promise<T>;
  /**
   * Runs when the whole transaction has been committed; not at all when it, or the savepoint that it was given in, is rolled back.
   * Nothing waits for it, and what it throws is a warning of the process: the transaction is kept all the same.
   */
  afterCommit(work: () => unknown): void;
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
  /** Settles when every connection is closed; what is still under way after so many milliseconds (10,000) is cut off. */
  close(withinMs?: number): Promise<void>;
}

export const closeWithinMs = 10_000;

/** A pool of connections as this app. Nothing is opened until the first query. */
export function openConnection(app: App, environment: Environment): Connection {
  // Behind a transaction pooler the next transaction may run on another server connection: nothing may be left on one,
  // neither prepared statements nor settings.
  const pooled = environment.pooler === 'transaction';
  const pool = openPool(app, environment);

  const toQuery = (text: string, values?: unknown[], { timeoutMs }: QueryLimit = {}): DriverQuery => ({
    text,
    values,
    queryMode: 'extended',
    ...(timeoutMs === undefined ? {} : { query_timeout: toDriverLimit(timeoutMs) }),
  });
  const toRun = ({ name, text }: Statement, values: unknown[]): DriverQuery =>
    pooled ? { text, values } : { name, text, values };

  /** Takes a connection for the length of some work, which says whether it may be used again. */
  async function hold<T>(work: (client: pg.PoolClient, discard: () => void) => Promise<T>): Promise<T> {
    const client = await pool.connect();
    const onError = () => {}; // the query under way reports it
    client.on('error', onError);
    let isHeld = true;
    const release = (isBroken: boolean) => {
      if (!isHeld) return;
      isHeld = false;
      client.off('error', onError);
      client.release(isBroken);
    };
    try {
      return await work(client, () => release(true));
    } finally {
      release(false);
    }
  }

  async function transaction<T>(
    { actor, trace, isolation, mayBeLost }: TransactionOptions,
    work: (tx: Transaction) => Promise<T>,
  ): Promise<T> {
    return hold(async (client, discard) => {
      const send = async (query: DriverQuery): Promise<pg.QueryResult> => {
        try {
          return await client.query(query);
        } catch (error) {
          if (isUnanswered(error)) discard(); // whatever came after it would wait behind it
          throw translateRefusal(error, query.text);
        }
      };
      try {
        // Always set, so that nothing counts that was left on the connection.
        await send({
          text: `begin${isolation ? ` isolation level ${isolation}` : ''}; set local aether.actor = ''; set local aether.trace = ''${mayBeLost ? '; set local synchronous_commit = off' : ''}`,
        });
        if (pooled)
          await send({
            text: `select set_config('search_path', $1, true)`,
            values: [`${environment.schema},platform`],
          });
        if (actor !== undefined) await send({ text: `select set_config('aether.actor', $1, true)`, values: [actor] });
        if (trace !== undefined) await send({ text: `select set_config('aether.trace', $1, true)`, values: [trace] });
        const tx = openTransaction(
          {
            query: async (text, values, limit) => (await send(toQuery(text, values, limit))).rows,
            run: async (statement, values) => (await send(toRun(statement, values))).rows,
          },
          { actor, isOpen: () => client.getTransactionStatus() !== 'I' },
        );
        try {
          const result = await work(tx);
          tx.requireOpen();
          tx.end();
          const { command } = await send({ text: 'commit' });
          // Which PostgreSQL answers with a rollback when a statement had failed, whoever has caught that.
          if (command !== 'COMMIT') throw new TransactionAborted();
          tx.tellCommitted();
          return result;
        } finally {
          tx.end();
        }
      } catch (error) {
        await send({ text: 'rollback' }).catch(discard);
        throw translateRefusal(error);
      }
    });
  }

  return {
    app,
    transaction,
    query: (text, values, limit) =>
      hold(async (client, discard) => {
        try {
          const { rows } = await client.query(toQuery(text, values, limit));
          if (client.getTransactionStatus() === 'I') return rows;
        } catch (error) {
          discard();
          throw translateRefusal(error, text);
        }
        discard();
        throw new Error(
          'This SQL began a transaction on a connection that others use; it was undone. Use transaction().',
        );
      }),
    async run(statement, values) {
      return (await pool.query(toRun(statement, values))).rows;
    },
    within: ({ tx, actor }, work) => (tx ? work(tx) : transaction({ actor }, work)),
    close: (withinMs = closeWithinMs) => pool.close(withinMs),
  };
}
