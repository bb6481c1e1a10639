import { AsyncLocalStorage } from 'node:async_hooks';
import type { Reader } from './reader.ts';

/** Why something is done. The events of the changes carry it. */
export type Cause = {
  /** The user for whom it is done. */
  actor?: string | undefined;
  /** W3C traceparent of the request that asked for it. */
  trace?: string | undefined;
  /** Whose reads may come from a replica, and what it must have for them; by default all reads come from the primary. See `readAs`. */
  reader?: Reader | undefined;
};

const causes = new AsyncLocalStorage<Cause>();

/** Runs `work` so that every transaction and query in it carries this actor and trace, unless the call names others. */
export function becauseOf<T>(cause: Cause, work: () => T): T {
  return causes.run(cause, work);
}

/** Runs `work` without a cause: for a loop that a request happens to start and that outlives the request. */
export function withoutCause<T>(work: () => T): T {
  return causes.run({}, work);
}

/** The actor and the trace of the surrounding `becauseOf`; empty outside of one. */
export function readCause(): Cause {
  return causes.getStore() ?? {};
}
