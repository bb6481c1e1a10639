import { type Transaction, TransactionConflict } from '@aether/platform';

/* What changes of many rows have in common: they run in chunks, each one transaction. */

const triesMax = 3;

/** A transaction that loses against another one is tried again. */
export async function untilKept<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries += 1)
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TransactionConflict) || tries === triesMax) throw error;
    }
}

/** Nobody is told of what this transaction gives them: so many notices would fill an inbox. */
export const tellNobody = (tx: Transaction) => tx.query(`select set_config('aether.many', 'on', true)`);
