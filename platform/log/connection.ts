import pg from 'pg';
import { readCause } from './cause.ts';
import type { Certificate } from './certificate.ts';
import { type LocalSettings, queryCleanly } from './cleanquery.ts';
import { type CopiedRows, copyRows } from './copying.ts';
import { withCount } from './counted.ts';
import { sendTogether } from './driverquery.ts';
import { InvalidField, TransactionAborted } from './errors.ts';
import { queryNamed } from './namedquery.ts';
import { doOnce, takeOnce } from './once.ts';
import { type DriverQuery, openPool, type PoolState, toDriverLimit } from './pool.ts';
import type { Queryable, QueryLimit, Statement, StatementInTurn } from './query.ts';
import { rememberingMayWrite } from './reading.ts';
import {
  isRefusedAlone,
  isStatementSpoilt,
  isUnanswered,
  type RefuseConstraint,
  translateRefusal,
} from './refusals.ts';
import type { Settings } from './settings.ts';
import { createStopwatch, type QueryListener } from './stopwatch.ts';
import { gatherFor } from './together.ts';
import { openTransaction, type Transaction, type TransactionOptions, type Write } from './transaction.ts';
import { createWorkWatch, type WorkListener, type WorkWatch } from './work.ts';

export type ConnectionOptions = Settings & {
  /** Where unqualified names are looked up: schemas, with commas between them. */
  searchPath: string;
  /** Names what a unique constraint or a reference protects; without it a refusal speaks of "value" or "a field". */
  refuseConstraint?: RefuseConstraint;
};

export type LookupCounts = { asked: number; queries: number };

/**
 * Says before a statement whether its connection may answer it. It sends its own question on the connection, which the server answers before the
 * statement. Undefined: the connection may.
 */
export type Guard = (client: pg.PoolClient) => Verdict | undefined;
export type Verdict = {
  /** Rejects if the connection may not answer. */
  passed: Promise<void>;
  /** The statement is sent only after that, instead of together with the question. */
  isDoubtful: boolean;
};

/** The guard's refusal: the connection is intact, and the statement belongs elsewhere. */
export class Withheld extends Error {}

/**
 * Runs a binary COPY … TO STDOUT, which changes nothing and takes no parameters. Calls that overlap share a connection, and the server has the next one
 * before it has answered the last. The connection is held until all of them are answered.
 *
 * @returns the rows, which it has added to `into`.
 */
export type Copier = (text: string, into: CopiedRows) => Promise<CopiedRows>;

export interface Connection<App extends string = string> extends Queryable {
  /** The app of the login, as platform.current_app() tells it: `foundation`, `support`, `sync`. */
  readonly app: App;
  /**
   * Runs `work` in one transaction, and commits when it settles. If it throws, everything is rolled back and its error is thrown. Pass `tx` to every call that
   * belongs to the transaction; calls without it run on connections of their own.
   *
   * @throws TransactionConflict when another transaction was in the way: nothing was kept, run the whole step again. TransactionAborted when a
   * statement failed and its error was caught outside of `tx.savepoint`.
   */
  transaction<T>(options: TransactionOptions, work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Runs `work` in the caller's transaction, or in one of its own. */
  within<T>(write: Write, work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Runs binary COPY … TO STDOUT one after the other: see Copier. */
  copier(): Copier;
  /** The same connections, each of which the guard examines before a statement. */
  guarded(guard: Guard): Queryable;
  /** The connections of this process: in use, idle, and calls that wait for one. */
  poolState(): PoolState;
  /** Whether its connections use TLS, and when the server's certificate ends; undefined before the first one is open. */
  certificate(): Certificate | undefined;
  /** Calls the listener after each statement: see QueryListener. @returns ends it. */
  watchQueries(listener: QueryListener): () => void;
  /** Calls the listener after each transaction, and each handler of a subscription, that belongs to a trace: see Work. @returns ends it. */
  watchWork(listener: WorkListener): () => void;
  /** Measures work for those who watch it. */
  timeWork: WorkWatch['time'];
  /** How many lookups by key this process has made on this connection, and in how many queries: see `coalesce`. */
  readonly lookupCounts: LookupCounts;
  /** Settles when every connection is closed. Work still running after so many milliseconds (10,000) is cut off. */
  close(withinMs?: number): Promise<void>;
}

export const closeWithinMs = 10_000;

const begin: Statement = { name: 'begin', text: 'begin' };
const commit: Statement = { name: 'commit', text: 'commit' };
const setActorAndTrace = `select set_config('aether.actor', $1, true), set_config('aether.trace', $2, true)`;
const settle: Statement = { name: 'settle', text: setActorAndTrace };
const settleToBeLost: Statement = {
  name: 'settle-to-be-lost',
  text: `${setActorAndTrace}, set_config('synchronous_commit', 'off', true)`,
};

const isIntact = (error: unknown): boolean => error instanceof Withheld || isRefusedAlone(error);

/** A pool of connections under the login of an app or of the worker. Nothing is opened until the first query. */
export function openConnection<App extends string>(app: App, options: ConnectionOptions): Connection<App> {
  // Behind a transaction pooler the next transaction may run on another server connection: neither prepared statements nor
  // settings may be left on one.
  const pooled = options.pooler === 'transaction';
  const pool = openPool(app, options);
  const stopwatch = createStopwatch();
  const works = createWorkWatch();
  const refuse = (error: unknown, text?: string) =>
    translateRefusal(error, { text, refuseConstraint: options.refuseConstraint });

  const toQuery = (text: string, values?: unknown[], { timeoutMs, types }: QueryLimit = {}): DriverQuery => ({
    text,
    values,
    queryMode: 'extended',
    ...(types && { types }),
    ...(timeoutMs === undefined ? {} : { query_timeout: toDriverLimit(timeoutMs) }),
  });
  const toRun = ({ name, text, rowMode }: Statement, values: unknown[]): DriverQuery => ({
    text,
    values,
    ...(!pooled && { name }),
    ...(rowMode && { rowMode }),
  });

  /** Always sets all of them, so that a setting left on the connection has no effect. @throws InvalidField */
  function settingsFor({
    actor = '',
    trace = '',
  }: {
    actor?: string | undefined;
    trace?: string | undefined;
  }): LocalSettings {
    for (const [field, value] of Object.entries({ actor, trace }))
      if (value.includes('\0')) throw new InvalidField([{ field, message: 'cannot be stored in this form.' }]);
    return { 'aether.actor': actor, 'aether.trace': trace, ...(pooled && { search_path: options.searchPath }) };
  }

  const mayWrite = rememberingMayWrite();
  /** One statement on its own. Behind a pooler others have used the connection, so that even a read begins with clean settings. */
  const askBare = (client: pg.PoolClient, query: DriverQuery): Promise<pg.QueryResult> =>
    stopwatch.time(() =>
      pooled || mayWrite(query.text)
        ? queryCleanly(client, query, settingsFor(readCause()))
        : query.name === undefined
          ? client.query(query)
          : queryNamed(client, query),
    );
  const ask = async (client: pg.PoolClient, query: DriverQuery, guard?: Guard): Promise<pg.QueryResult> => {
    const verdict = guard?.(client);
    if (verdict?.isDoubtful) await verdict.passed;
    if (!verdict || verdict.isDoubtful) return askBare(client, query);
    const [passed, answer] = await Promise.allSettled([verdict.passed, askBare(client, query)]);
    if (passed.status === 'rejected') throw passed.reason;
    if (answer.status === 'rejected') throw answer.reason;
    return answer.value;
  };

  /** @returns gives a connection that was taken back to the pool, once */
  function releaseOf(client: pg.PoolClient): (isBroken: boolean) => void {
    const onError = () => {}; // the query under way reports it
    client.on('error', onError);
    let isHeld = true;
    return (isBroken) => {
      if (!isHeld) return;
      isHeld = false;
      client.off('error', onError);
      client.release(isBroken);
    };
  }

  /** Takes a connection for the length of some work. The work says whether the connection may be used again. */
  async function hold<T>(
    work: (client: pg.PoolClient, discard: () => void) => Promise<T>,
    wish: Pick<QueryLimit, 'isShort'> = {},
  ): Promise<T> {
    const client = await pool.connect(wish);
    const release = releaseOf(client);
    try {
      return await work(client, () => release(true));
    } finally {
      release(false);
    }
  }

  async function transaction<T>(
    { isolation, mayBeLost, readsFirst, ...given }: TransactionOptions,
    work: (tx: Transaction) => Promise<T>,
  ): Promise<T> {
    const cause = readCause();
    const actor = given.actor ?? cause.actor;
    const trace = given.trace ?? cause.trace;
    const taken = takeOnce();
    const settings = settingsFor({ actor, trace });
    const beginText = [
      isolation ? `begin isolation level ${isolation}` : 'begin',
      // The search path is a list of names; in quotes it would be one name.
      ...Object.entries(settings).map(
        ([name, value]) => `set local ${name} = ${name === 'search_path' ? value : pg.escapeLiteral(value)}`,
      ),
      ...(mayBeLost ? ['set local synchronous_commit = off'] : []),
    ].join('; ');
    const run = async (client: pg.PoolClient, discard: () => void): Promise<T> => {
      const gathering = gatherFor(client);
      let sent: Promise<unknown> = Promise.resolve();
      let isSpoilt = false;
      const send = (query: DriverQuery): Promise<pg.QueryResult> => {
        const answer = pooled ? sent.then(() => sendNow(query)) : sendNow(query);
        sent = answer.catch(() => {});
        return answer;
      };
      const sendNow = async (query: DriverQuery): Promise<pg.QueryResult> => {
        try {
          return await stopwatch.time(() => {
            if (query.name !== undefined) return gathering.add(query);
            sendTogether(client);
            gathering.send();
            return client.query(query);
          });
        } catch (error) {
          if (isUnanswered(error)) discard(); // any later query would wait behind it
          if (query.name !== undefined && isStatementSpoilt(error)) isSpoilt = true;
          throw refuse(error, query.text);
        }
      };
      try {
        // Where a level is asked for, the snapshot is taken by the first query of the work.
        const begun: Promise<unknown> =
          pooled || isolation
            ? send({ text: beginText })
            : Promise.all([
                send(toRun(begin, [])),
                send(toRun(mayBeLost ? settleToBeLost : settle, [settings['aether.actor'], settings['aether.trace']])),
              ]);
        begun.catch(() => {}); // awaited below
        if (!readsFirst) await begun;
        // Nothing follows an answer that came although the transaction had not begun.
        const rowsOf = async (query: DriverQuery) => {
          const rows = withCount(await send(query));
          await begun;
          return rows;
        };
        const tx = openTransaction(
          {
            query: (text, values, limit) => rowsOf(toQuery(text, values, limit)),
            run: (statement, values) => rowsOf(toRun(statement, values)),
          },
          { actor, isOpen: () => client.getTransactionStatus() !== 'I' },
        );
        try {
          const result = await (taken ? doOnce(taken.once, tx, work) : work(tx));
          await begun;
          tx.requireOpen();
          const lastly = tx.end();
          // It has a name only where it goes with others: an app that has deallocated all statements can still commit.
          const committed = send(gathering.isEmpty() ? { text: commit.text } : toRun(commit, []));
          const [, { command }] = await Promise.all([lastly, committed]);
          // PostgreSQL answers with a rollback when a statement had failed, even if the caller caught the error.
          if (command !== 'COMMIT') throw new TransactionAborted();
          tx.tellCommitted();
          return result;
        } finally {
          tx.abandon();
        }
      } catch (error) {
        await send({ text: 'rollback' }).catch(discard);
        throw refuse(error);
      } finally {
        if (isSpoilt) discard(); // no later transaction finds the statement so
      }
    };
    try {
      return await works.time({ kind: 'transaction', name: app, trace }, () => hold(run));
    } catch (error) {
      taken?.giveBack();
      throw error;
    }
  }

  /** Runs one statement that leaves nothing on the connection. */
  const alone = <T>(
    text: string,
    work: (client: pg.PoolClient) => Promise<T>,
    wish?: Pick<QueryLimit, 'isShort'>,
  ): Promise<T> =>
    hold(async (client, discard) => {
      try {
        return await work(client);
      } catch (error) {
        if (!isIntact(error)) discard();
        throw refuse(error, text);
      }
    }, wish);

  /**
   * Work that leaves nothing on its connection, and whose queries the server has before it has answered those of the work before: it does not sleep in
   * between, and is not woken. The connection is held until all of it is done; nothing joins it while somebody waits for a connection, or for the end.
   * What is asked for behind work that spoils its connection still gets its answer, unless the connection is lost.
   *
   * @param most so many at once on a connection
   */
  function sharing(most: number, wish?: Pick<QueryLimit, 'isShort'>) {
    type Held = {
      given: Promise<pg.PoolClient>;
      client?: pg.PoolClient;
      calls: number;
      release?: (isBroken: boolean) => void;
    };
    const held = new Set<Held>();

    function takeClient(): Held {
      const taken: Held = { given: pool.connect(wish), calls: 0 };
      held.add(taken);
      taken.given.then(
        (client) => Object.assign(taken, { client, release: releaseOf(client) }),
        () => {}, // each caller that waits for it gets the error itself
      );
      return taken;
    }
    function withRoom(): Held {
      if (pool.isClosing()) return takeClient(); // which is refused at once
      const isAwaited = pool.isAwaited();
      // Who waits for a connection himself keeps nobody else from one.
      for (const each of held) if (each.calls < most && !(isAwaited && each.client)) return each;
      return takeClient();
    }
    return async <T>(text: string, work: (client: pg.PoolClient, discard: () => void) => Promise<T>): Promise<T> => {
      const mine = withRoom();
      const discard = () => {
        held.delete(mine);
        mine.release?.(true);
      };
      mine.calls++;
      try {
        const client = mine.client ?? (await mine.given); // without waiting, so that it is sent at once
        return await work(client, discard);
      } catch (error) {
        if (!isIntact(error)) discard();
        throw refuse(error, text);
      } finally {
        if (--mine.calls === 0) {
          held.delete(mine);
          mine.release?.(false);
        }
      }
    };
  }

  function copier(): Copier {
    const share = sharing(Number.POSITIVE_INFINITY);
    return (text, into) =>
      share(text, async (client, discard) => {
        await stopwatch.time(() => copyRows(client, text, into));
        if (into.isCut) discard();
        return into;
      });
  }

  const inTurn = sharing(2, { isShort: true });

  const queryable = (guard?: Guard): Queryable => ({
    query: (text, values, limit) =>
      hold(async (client, discard) => {
        try {
          const rows = withCount(await ask(client, toQuery(text, values, limit), guard));
          if (client.getTransactionStatus() === 'I') return rows;
        } catch (error) {
          if (!isIntact(error)) discard();
          throw refuse(error, text);
        }
        discard();
        throw new Error('This SQL began a transaction on a shared connection; it was rolled back. Use transaction().');
      }, limit),
    run(statement: StatementInTurn, values) {
      const { text } = statement;
      const work = async (client: pg.PoolClient) => (await ask(client, toRun(statement, values), guard)).rows;
      return statement.isInTurn && !guard && !pooled ? inTurn(text, work) : alone(text, work, statement);
    },
  });

  return {
    app,
    transaction,
    ...queryable(),
    guarded: queryable,
    copier,
    poolState: pool.state,
    certificate: pool.certificate,
    watchQueries: stopwatch.watch,
    watchWork: works.watch,
    timeWork: works.time,
    lookupCounts: { asked: 0, queries: 0 },
    within: ({ tx, actor }, work) => (tx ? work(tx) : transaction({ actor }, work)),
    close: (withinMs = closeWithinMs) => pool.close(withinMs),
  };
}
