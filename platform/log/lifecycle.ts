import type { AppEvent } from './events.ts';
import type { Place } from './log.ts';

/**
 * What happens to the subscriptions and to the live feed of a process: the catalogue that its log and its metrics watch. A
 * watcher sees every failure. Without a watcher and without `onError` a failure becomes a warning of the process, so that none is silent.
 */
export type Happening =
  /** It is registered: everything that commits from now on reaches it. `isNew`: it began by its rule (`from`). */
  | { kind: 'subscription.ready'; subscription: string; isNew: boolean }
  /** It never starts, because the app cannot have what it asks for. Correct the code. */
  | { kind: 'subscription.refused'; subscription: string; error: unknown }
  /** It was deleted while it ran here. It begins again by its rule; events in between may be missing. */
  | { kind: 'subscription.gone'; subscription: string; error: unknown }
  /** Its types are others than before. A process that still asks for the former ones gets no more events under this name. */
  | { kind: 'subscription.changed'; subscription: string; error: unknown }
  /** Another process has registered the name with other types, so this one gets no events. Reported again every minute while it lasts. */
  | { kind: 'subscription.displaced'; subscription: string; error: unknown }
  /** A step failed as a whole, as when the database is out of reach. It is repeated. */
  | { kind: 'subscription.failed'; subscription: string; error: unknown }
  /** The handler's target cannot be reached. Everything waits, in order. */
  | { kind: 'target.unavailable'; subscription: string; error: unknown; retryAfterMs: number }
  | { kind: 'events.handled'; subscription: string; events: number; ms: number }
  /** The handler failed for one event. `isDead`: it was the last attempt, and the event waits for a person. */
  | { kind: 'event.parked'; subscription: string; event: AppEvent; attempt: number; isDead: boolean; error: unknown }
  /** A crash of the database undid events that followers had seen. They continue after this place. */
  | { kind: 'feed.rewound'; place: Place };

export type Failure = Extract<Happening, { error: unknown }>;

export type Lifecycle = {
  /** Tells every watcher. */
  tell(happening: Happening): void;
  /**
   * Calls the listener at each happening, at once and in order; an error that it throws becomes a warning of the process. @returns ends
   * it.
   */
  watch(listener: (happening: Happening) => void): () => void;
  /** Whether anybody watches. */
  isWatched(): boolean;
};

export function openLifecycle(): Lifecycle {
  const listeners = new Set<(happening: Happening) => void>();
  return {
    tell(happening) {
      for (const listener of listeners) {
        try {
          listener(happening);
        } catch (error) {
          process.emitWarning(error instanceof Error ? error : String(error));
        }
      }
    },
    watch(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    isWatched: () => listeners.size > 0,
  };
}

/** Reports a failure as a warning of the process. */
export function warnOf(failure: Failure): void {
  process.emitWarning(describe(failure), { type: 'SubscriptionWarning', code: failure.kind });
}

function describe(failure: Failure): string {
  const reason =
    failure.error instanceof Error ? `${failure.error.name}: ${failure.error.message}` : String(failure.error);
  if (failure.kind !== 'event.parked') return `${failure.subscription}: ${reason}`;
  const { position, type, key } = failure.event;
  const what = failure.isDead ? 'is given up' : 'is tried again later';
  return `${failure.subscription} failed for event ${position} (${type}, key ${key}) at attempt ${failure.attempt}, which ${what}: ${reason}`;
}
