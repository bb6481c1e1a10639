export { TargetUnavailable } from '@aether/platform/log';
export { openAdmin, openClient } from './client.ts';
export { type Consumer, type ConsumerOptions, type ConsumerState, consumeEvents } from './consumer/consumer.ts';
export type { BusHandler, Handled } from './consumer/handling.ts';
export type { ConsumerHappening } from './consumer/happenings.ts';
export {
  type DeadLetter,
  drainSubscription,
  listDeadLetters,
  resubmitDeadLetters,
} from './deadletters.ts';
export { describeBusFailure, type FailureKind, kindOf } from './failures.ts';
export { changeLanes, readLanes } from './lanes.ts';
export { type Relay, type RelayReport, startRelay } from './relay/relay.ts';
export { relayName } from './relay/relaylog.ts';
export { openSender } from './relay/sending.ts';
export { type ReplayWish, replayToConsumer } from './replay.ts';
export { readServiceBusSettings, type ServiceBusSettings } from './settings.ts';
export { type BusState, type Change, ensureTopology, readTopology, type WantedSubscription } from './topology.ts';
export { type BusEvent, lanesDefault, toBusEvent, toMessage, UnreadableMessage } from './wire.ts';
