// What the rooms of this repository import: what is published, and what the relay, the command and the console use.
export { openAdmin, openClient } from './client.ts';
export { type DeadLetter, drainSubscription, listDeadLetters, resubmitDeadLetters } from './deadletters.ts';
export { describeBusFailure, type FailureKind, kindOf } from './failures.ts';
export { changeLanes, readLanes } from './lanes.ts';
export * from './published.ts';
export { type Relay, type RelayReport, startRelay } from './relay/relay.ts';
export { relayName } from './relay/relaylog.ts';
export { openSender } from './relay/sending.ts';
export { type ReplayWish, replayToConsumer } from './replay.ts';
export { type BusState, type Change, ensureTopology, readTopology, type WantedSubscription } from './topology.ts';
export { lanesDefault, toBusEvent, toMessage } from './wire.ts';
