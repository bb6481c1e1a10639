import { InvalidField } from './errors.ts';
import type { EventType } from './events.ts';
import type { RegistrationOptions } from './registration.ts';

export type SubscriptionOptions<Type extends EventType> = RegistrationOptions<Type> & {
  batchMax?: number;
  attemptsMax?: number;
  retryFirstMs?: number;
  retryMaxMs?: number;
  /** How long to sleep without a notification. */
  pollMs?: number;
  /**
   * How long events gather before a step is made for them, unless more than a batch waits already: for a handler that costs much for each
   * batch and little for each event, and for which nobody waits. By default 0.
   */
  gatherMs?: number;
  /**
   * After a step that handled events it rests so many times as long as the step took, and leaves the database to others: for work that may
   * be late. The busier the database, the longer each step takes and the rarer they are. It never rests longer than five seconds. By default 0.
   */
  restFactor?: number;
  /**
   * Awaited before each step, with a signal that says when the subscription is stopped: for work that may be late, and for what comes first.
   * It should settle within seconds: health takes a subscription that makes no step for ten for stalled.
   */
  waitFor?: (signal: AbortSignal) => Promise<unknown>;
  /** A handler that takes longer has failed. Below the half minute after which PostgreSQL ends an app's transaction. */
  handlerTimeoutMs?: number;
  /** Called for every failure of a handler or of the database. Without it and without a watcher, failures are warnings of the process. */
  onError?: (error: unknown) => void;
};

const counts = ['batchMax', 'attemptsMax'] as const;
const durations = ['retryFirstMs', 'retryMaxMs', 'pollMs', 'gatherMs', 'handlerTimeoutMs'] as const;

/** @throws InvalidField when a number of the options is none that a subscription can go by. */
export function requireNumbers(options: Pick<SubscriptionOptions<EventType>, Numbers>): void {
  const problems = [
    ...counts.flatMap((field) =>
      problem(field, 'a whole number from 1', (value) => Number.isInteger(value) && value >= 1),
    ),
    ...durations.flatMap((field) => problem(field, 'a number of milliseconds from 0', isFromZero)),
    ...problem('restFactor', 'a number from 0', isFromZero),
  ];
  if (problems.length > 0) throw new InvalidField(problems);

  function problem(
    field: Numbers,
    what: string,
    isOne: (value: number) => boolean,
  ): { field: string; message: string }[] {
    const value = options[field];
    return value === undefined || isOne(value) ? [] : [{ field, message: `must be ${what}: it is ${value}.` }];
  }
}

type Numbers = (typeof counts)[number] | (typeof durations)[number] | 'restFactor';
const isFromZero = (value: number) => Number.isFinite(value) && value >= 0;

/** How a subscription gets on in this process. */
export type SubscriptionProgress = {
  /** Steps that it has made, also those that found nothing to do. */
  turns: number;
  /** Steps that have failed since the last one that did not. */
  failures: number;
  /** The class of the last of those failures. */
  error: string | undefined;
};

export type Subscription = {
  readonly name: string;
  /** How it gets on in this process. */
  progress(): SubscriptionProgress;
  /**
   * Settles when the subscription is registered: every change that commits from then on reaches the handler. Rejects when it
   * never will be, because the app cannot have what it asks for, or because it was stopped before.
   */
  readonly ready: Promise<void>;
  /** Settles when the step under way is done. */
  stop(): Promise<void>;
  /**
   * Stops it here and removes it with its position and everything that it has parked. Stop it in other processes first: they would begin
   * again.
   */
  remove(): Promise<void>;
};
