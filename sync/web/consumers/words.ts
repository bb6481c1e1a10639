import { formatNumber } from '@aether/ui/formats.ts';
import type { Order } from '../api/consumers.ts';
import { saySeconds } from '../subscriptions/words.ts';

const acts: Record<Order['act'], string> = {
  resubmit: 'Resubmit dead letters',
  retry: 'Try dead events again',
  skip: 'Skip an event',
  pause: 'Pause',
  resume: 'Resume',
};

/** What was ordered, in a few words: `Skip event 4712`. Pure. */
export function sayAct({ act, scope }: Pick<Order, 'act' | 'scope'>): string {
  if (act === 'skip') return `Skip event ${scope.event}`;
  if (act === 'retry' && scope.session) return `${acts.retry}, of ${scope.session}`;
  if (act === 'resubmit' && Array.isArray(scope.numbers))
    return `Resubmit dead ${scope.numbers.length === 1 ? 'letter' : 'letters'} ${scope.numbers.join(', ')}`;
  return acts[act];
}

/** What came of an order: `done, 1 event`. Pure. */
export function sayOutcome({ act, state, outcome }: Pick<Order, 'act' | 'state' | 'outcome'>): string {
  if (state === 'failed') return outcome?.refused ?? 'failed';
  if (state === 'unanswered') return 'nobody answered';
  if (state === 'waiting') return 'waits for the worker';
  if (state === 'sent') return 'on its way';
  if (act === 'pause' || act === 'resume') return 'done';
  return `done, ${sayNumber(outcome?.count ?? 0, act === 'resubmit' ? 'message' : 'event')}`;
}

/** Numbers of a check, by name; what nobody could count is missing. */
export type Measures = Record<string, number>;

/** `3 messages wait, the oldest for 12 s`. Pure. */
export function sayWaiting({ waiting, oldest_seconds: oldest }: Measures): string {
  if (waiting === undefined) return 'not counted: the worker may not manage the bus';
  if (waiting === 0) return 'no message waits';
  const since = oldest === undefined ? '' : `, the oldest for ${saySeconds(oldest)}`;
  return `${sayNumber(waiting, 'message')} ${waiting === 1 ? 'waits' : 'wait'}${since}`;
}

/** `2 events, 1 of them dead`. Pure. */
export function sayParked({ parked = 0, dead = 0 }: Measures): string {
  if (parked === 0) return 'no event';
  return `${sayNumber(parked, 'event')}, ${dead === 0 ? 'none' : formatNumber(dead)} of them dead`;
}

/** `never`, `once`, `3 times`. Pure. */
export function sayTimes(count: number): string {
  if (count === 0) return 'never';
  return count === 1 ? 'once' : `${formatNumber(count)} times`;
}

/** `1 message`, `1,200 messages`. Pure. */
export function sayNumber(count: number, noun: 'message' | 'event' | 'process'): string {
  const plural = noun === 'process' ? 'processes' : `${noun}s`;
  return `${formatNumber(count)} ${count === 1 ? noun : plural}`;
}
