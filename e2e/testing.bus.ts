import type { Stack } from './testing.stack.ts';

/*
 * The stack has no bus: here is what the worker that relays would write of a consumer, in its heartbeat and in sync.consumers. The tests
 * of servicebus/ have a broker.
 */

const session = '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5';
const at = '2026-11-20T12:00:00Z';
const letters = [
  { number: '7', id: '4711', type: 'customer.updated', session: `${session}1`, reason: 'unreadable', at },
  { number: '9', id: 'a-message-of-another-publisher', type: null, session: null, reason: 'no-event', at: null },
];
const parked = [
  {
    ...{ event: '4712', type: 'customer.updated', session: `${session}2`, state: 'dead' },
    attempts: 12,
    error: 'TypeError',
    at,
  },
  {
    ...{ event: '4713', type: 'customer.updated', session: `${session}2`, state: 'waiting' },
    attempts: 0,
    error: null,
    at,
  },
  {
    ...{ event: '4720', type: 'customer.created', session: `${session}3`, state: 'retrying' },
    attempts: 3,
    error: 'Error',
    at,
  },
];
const bus = {
  ...{ state: 'sending', sent: 1_204, in_flight: 3, throttled: 1 },
  consumers: {
    billing: {
      ...{ waiting: 3, oldest_seconds: 70, dead_letters: 2, processes: 2, parked: 3, dead: 1, lag_seconds: 0.4 },
    },
    quiet: { waiting: 0, dead_letters: 0, processes: 0 },
  },
};
const json = (value: unknown) => `'${JSON.stringify(value)}'`;

/** A consumer with dead letters, parked events and orders, and one that reports nothing; those that were there are gone. */
export async function showConsumers(stack: Stack): Promise<void> {
  await stack.asOwner(`
    delete from sync.consumers;
    insert into sync.consumers (name, letters, parked, reported_at)
    values ('billing', ${json(letters)}, ${json(parked)}, now()), ('quiet', '[]', '[]', null);
    insert into sync.consumer_orders (consumer, act, scope, state, outcome, reason, actor, ended_at) values
      ('billing', 'resubmit', '{}', 'done', '{"count":4}', 'The publisher is mended', 'maya', now()),
      ('billing', 'skip', '{"session":"${session}3","event":"4719"}', 'failed',
        '{"count":0,"refused":"not the first of its customer any more"}', 'Nobody needs it', 'maya', now()),
      ('billing', 'retry', '{"session":"${session}2"}', 'unanswered', null, 'The handler is mended', 'command:root', now());
    insert into sync.heartbeats (app, process, login, clock_off_ms, clock_last_ms, report, turns)
    values ('sync', 'relays', 'sync_app', 0, 0, ${json({ bus })}, '{}')
    on conflict (app, process) do update set beat_at = clock_timestamp(), ended_at = null`);
}

/** The consumers are gone, and the worker that relays has ended. */
export async function removeConsumers(stack: Stack): Promise<void> {
  await stack.asOwner(`
    delete from sync.consumers;
    update sync.heartbeats set ended_at = clock_timestamp() where process = 'relays'`);
}
