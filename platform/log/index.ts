export { becauseOf, type Cause, readCause, withoutCause } from './cause.ts';
export { type Connection, type ConnectionOptions, closeWithinMs, openConnection } from './connection.ts';
export { ConfigurationError, DatabaseBusy, DatabaseUnavailable, PlatformError } from './errors.ts';
export { type Listener, listenOn } from './listener.ts';
export { requireOwnSession } from './ownsession.ts';
export type { Queryable, QueryLimit, Statement } from './query.ts';
export { readSettings, type Settings } from './settings.ts';
export type { InTransaction, Transaction, TransactionOptions, Write } from './transaction.ts';
export { listenForEvents, type Wakeups } from './wakeups.ts';
