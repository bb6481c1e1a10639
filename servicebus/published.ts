// What the published package exports to an app on a database of its own: the consumer. Each name is a promise: see deploy/packages.
export { TargetUnavailable } from '@aether/platform/log';
export { type Consumer, type ConsumerOptions, type ConsumerState, consumeEvents } from './consumer/consumer.ts';
export type { BusHandler, Handled } from './consumer/handling.ts';
export type { ConsumerHappening } from './consumer/happenings.ts';
export { readServiceBusSettings, type ServiceBusSettings } from './settings.ts';
export { type BusEvent, UnreadableMessage } from './wire.ts';
