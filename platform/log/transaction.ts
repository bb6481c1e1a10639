import type { Queryable, Statement } from './query.ts';

/** An open transaction. Pass it as `tx` to every call that belongs to it: nothing else runs on its connection. */
export interface Transaction extends Queryable {
  readonly actor: string | undefined;
  /** Runs work that may fail on its own and leaves the rest of the transaction as it was. Savepoints may nest, but not overlap. */
  savepoint<T>(work: () => Promise<T>): Promise<T>;
  /**
   * Runs when the whole transaction has been committed; not at all when it, or the savepoint in which it was given, is rolled back.
   * Nothing waits for it, and an error that it throws is a warning of the process: the transaction is kept all the same.
   */
  afterCommit(work: () => unknown): void;
  /**
   * Sends a statement together with the commit, which saves a round trip. If it fails, the transaction is undone and its error is thrown.
   * It is not sent when the savepoint in which it was given is rolled back.
   */
  endWith(statement: Statement, values: unknown[]): void;
}

export type InTransaction = { tx?: Transaction };
export type Write = InTransaction & {
  /** The user for whom this is done, when there is no `tx` (a transaction carries its own). */
  actor?: string;
};

export type TransactionOptions = {
  /** The user for whom this is done; its changes record it. By default that of the surrounding `becauseOf`. */
  actor?: string | undefined;
  /** W3C traceparent; the events of its changes carry it. By default that of the surrounding `becauseOf`. */
  trace?: string | undefined;
  isolation?: 'read committed' | 'repeatable read';
  /** Do not wait for the disk: a crash may undo the whole of it, never a part. For work that is then repeated. */
  mayBeLost?: boolean;
  /**
   * The work begins before the transaction's begin is answered, which saves a round trip. Its first statements must change nothing: if the
   * begin fails, they run on their own, and the first answer to them is the error of the begin.
   */
  readsFirst?: boolean;
};

export type OpenTransaction = Transaction & {
  /** @throws when it must not be committed. */
  requireOpen(): void;
  /** Takes no calls from now on. Sends what is to go with the commit, and settles when that is answered. */
  end(): Promise<unknown>;
  /** Takes no calls from now on, and sends nothing. */
  abandon(): void;
  /** Runs the callbacks that wait for the commit. */
  tellCommitted(): void;
};

const endings = {
  done: 'This transaction has ended: await every call that is given its tx.',
  sql: 'SQL of this transaction has ended it: only its end commits, and only an error rolls back.',
  overlap: 'Two savepoints of this transaction overlapped, and it was undone: await one before the next begins.',
};

/**
 * The object that the work of a transaction gets.
 *
 * @param isOpen whether the connection is still in the transaction, according to its last answer.
 */
export function openTransaction(
  { query, run }: Queryable,
  { actor, isOpen }: { actor: string | undefined; isOpen: () => boolean },
): OpenTransaction {
  const committed: (() => unknown)[] = [];
  const open: string[] = [];
  const lastly: [Statement, unknown[]][] = [];
  let savepoints = 0;
  let ending: keyof typeof endings | undefined;

  function requireOpen(): void {
    if (ending) throw new Error(endings[ending]);
  }

  return {
    actor,
    requireOpen,
    afterCommit(work) {
      requireOpen();
      committed.push(work);
    },
    endWith(statement, values) {
      requireOpen();
      lastly.push([statement, values]);
    },
    async query(text, values, limit) {
      requireOpen();
      const rows = await query(text, values, limit);
      if (!isOpen()) {
        ending ??= 'sql';
        requireOpen();
      }
      return rows as never[];
    },
    async run(statement, values) {
      requireOpen();
      return run(statement, values);
    },
    async savepoint(work) {
      requireOpen();
      const name = `s${++savepoints}`;
      // Its answer is not waited for: if it fails, so does every statement after it.
      const begun = query(`savepoint ${name}`);
      begun.catch(() => {});
      open.push(name);
      const toldBefore = committed.length;
      const lastlyBefore = lastly.length;
      /** A savepoint that is not the innermost cannot end while those within it are not done. */
      const requireLast = () => {
        if (open.at(-1) !== name) ending ??= 'overlap';
        requireOpen();
      };
      try {
        const result = await work();
        await begun;
        requireLast();
        await query(`release savepoint ${name}`);
        return result;
      } catch (error) {
        if (!ending) {
          requireLast();
          committed.length = toldBefore;
          lastly.length = lastlyBefore;
          await query(`rollback to savepoint ${name}`);
        }
        throw error;
      } finally {
        open.pop();
      }
    },
    end() {
      ending ??= 'done';
      return Promise.all(lastly.splice(0).map(([statement, values]) => run(statement, values)));
    },
    abandon() {
      ending ??= 'done';
    },
    tellCommitted() {
      for (const work of committed) void (async () => work())().catch(warn);
    },
  };
}

/** The transaction is kept, so this must not be an error: the caller would take it for a failure and repeat the work. */
function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
