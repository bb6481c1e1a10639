import { hostname } from 'node:os';
import type { FailureCause } from './failurecause.ts';
import type { Statement } from './query.ts';
import type { Transaction } from './transaction.ts';

/** One attempt at an event: it failed for this cause, or handled an event that had failed before. */
export type Attempt = {
  position: number;
  attempt: number;
  /** Undefined if the attempt took its transaction down, so that nothing was measured. */
  durationMs?: number | undefined;
  cause?: FailureCause;
};

/** Collects the attempts of one step of a subscription. */
export type Attempts = { add(attempt: Attempt): void };

const record: Statement = {
  name: 'attempts-record',
  text: 'select sync.record_attempts($1, $2, $3, $4, $5, $6, $7, $8, $9)',
};

/** This process, for the record of its attempts. */
const thisProcess = `${hostname().slice(0, 100)}:${process.pid}`;

/**
 * Records attempts in the transaction of the step that makes them. All of a step go in one statement, together with its commit: a failing
 * handler costs no further round trip. A step without attempts sends nothing. Call it outside of savepoints: an attempt that failed is
 * recorded although its savepoint was rolled back.
 */
export function collectAttempts(tx: Transaction, subscription: string): Attempts {
  const [positions, numbers, durations, causes, classes, shapes, errors] = [[], [], [], [], [], [], []] as [
    number[],
    number[],
    (number | null)[],
    (string | null)[],
    (string | null)[],
    (string | null)[],
    (string | null)[],
  ];
  return {
    add({ position, attempt, durationMs, cause }) {
      // The statement is given at the first attempt; its values are read when the transaction ends.
      if (positions.length === 0)
        tx.endWith(record, [subscription, thisProcess, positions, numbers, durations, causes, classes, shapes, errors]);
      positions.push(position);
      numbers.push(attempt);
      durations.push(durationMs === undefined ? null : Math.round(durationMs));
      causes.push(cause?.id ?? null);
      classes.push(cause?.class ?? null);
      shapes.push(cause?.shape ?? null);
      errors.push(cause?.text ?? null);
    },
  };
}
