import { AsyncLocalStorage } from 'node:async_hooks';
import type { Transaction } from './transaction.ts';

/**
 * Makes the first transaction of some work one that is not repeated. The transaction that has begun asks `begin`. If that knows a result,
 * the transaction gives it and does nothing; otherwise it does its work and hands the result to `end`, before the commit.
 */
export type Once = {
  /** @returns what an earlier transaction gave, if there was one. @throws to refuse the transaction */
  begin(tx: Transaction): Promise<{ result: unknown } | undefined>;
  end(tx: Transaction, result: unknown): void;
};

const asked = new AsyncLocalStorage<{ once: Once | undefined }>();

/** Runs `work`, of which the first transaction that is kept is done once. What goes on after `work` is not concerned. */
export async function withOnce(once: Once, work: () => Promise<void>): Promise<void> {
  const store = { once: once as Once | undefined };
  try {
    await asked.run(store, work);
  } finally {
    store.once = undefined;
  }
}

/** For a transaction that begins: what it is to heed, if it is the first one. Give it back if the transaction is not kept. */
export function takeOnce(): { once: Once; giveBack(): void } | undefined {
  const store = asked.getStore();
  if (!store?.once) return undefined;
  const { once } = store;
  store.once = undefined;
  return {
    once,
    giveBack() {
      store.once = once;
    },
  };
}

/** The work of a transaction, or the result that it had before. */
export async function doOnce<T>(once: Once, tx: Transaction, work: (tx: Transaction) => Promise<T>): Promise<T> {
  const known = await once.begin(tx);
  if (known) return known.result as T;
  const result = await work(tx);
  once.end(tx, result);
  return result;
}
