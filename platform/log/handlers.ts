import type { AppEvent, EventType } from './events.ts';
import type { Transaction } from './transaction.ts';

/** What a handler writes through `tx` commits together with the subscription's move: in this database its effect happens once. */
export type Handled = { tx: Transaction /** From 1. */; attempt: number };
export type Handler<Type extends EventType> = (event: AppEvent<Type>, context: Handled) => Promise<unknown>;
export type BatchHandled<Type extends EventType> = Handled & {
  /**
   * The same transaction, for writes because of this event: they carry its trace. What a batch writes through `tx` carries the trace of its
   * newest event.
   */
  txOf(event: AppEvent<Type>): Transaction;
};
export type BatchHandler<Type extends EventType> = (
  events: AppEvent<Type>[],
  context: BatchHandled<Type>,
) => Promise<unknown>;
