// What the rooms of this repository import: what is published, and what a relay, the worker and the console share.
export { driverOf, isClear, requireAddress } from './address.ts';
export { type Attempts, collectAttempts } from './attempts.ts';
export { type EventBus, openEventBus } from './bus.ts';
export { readCertificate } from './certificate.ts';
export { Client, type ClientOptions, isLoginRefused, openClient } from './client.ts';
export { closeWithinMs } from './connection.ts';
export { timeColumns } from './eventrows.ts';
export { type EventRow, eventColumns, toEvent } from './events.ts';
export { beatAnswerMs, type Heartbeat, type HeartbeatOptions, type Report, startHeartbeat } from './heartbeat.ts';
export { findHolds } from './holds.ts';
export { type Lease, move, takeLease } from './lease.ts';
export { findLending, type Lending, SecondSessionRefused } from './ownsession.ts';
export { type ParkedRow, parkBehind, parkFailed, startFirst, takeDue, unpark } from './parked.ts';
export * from './published.ts';
export { isDatabaseUnknown, translateRefusal } from './refusals.ts';
export { register } from './registration.ts';
export { openReplica } from './replica.ts';
export type { Subscription } from './subscription.ts';
