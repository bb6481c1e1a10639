// What the published package exports as `@aether/platform/log`: the connection under any login, without an app's calls.
export { becauseOf, type Cause, readCause, withoutCause } from './cause.ts';
export type { Certificate } from './certificate.ts';
export { createPool } from './client.ts';
export { type Connection, type ConnectionOptions, openConnection } from './connection.ts';
export { ConfigurationError, DatabaseBusy, DatabaseUnavailable, PlatformError } from './errors.ts';
export type { AppEvent } from './events.ts';
export { causeOf, type FailureCause } from './failurecause.ts';
export { type Listener, listenOn } from './listener.ts';
export { requireOwnSession } from './ownsession.ts';
export { retryDelayMs } from './parked.ts';
export type { Queryable, QueryLimit, Statement } from './query.ts';
export { readSettings, type Settings } from './settings.ts';
export { TargetUnavailable } from './subscriptionfailures.ts';
export type { InTransaction, Transaction, TransactionOptions, Write } from './transaction.ts';
export { listenForEvents, type Wakeups } from './wakeups.ts';
