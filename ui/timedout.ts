/*
 * A sign-in that times out does not lose the page's work. Requests wait until the person has signed in again in another tab of the same
 * browser, and continue then.
 */
type Waiting = { signedIn: Promise<void>; end: () => void };

let waiting: Waiting | undefined;
const listeners = new Set<() => void>();

function become(next: Waiting | undefined): void {
  waiting = next;
  for (const listener of listeners) listener();
}

/** Shows that the sign-in has timed out. Resolves when there is a new sign-in. */
export function untilSignedInAgain(): Promise<void> {
  if (!waiting) {
    const { promise, resolve } = Promise.withResolvers<void>();
    become({ signedIn: promise, end: resolve });
  }
  return (waiting as Waiting).signedIn;
}

export function endWaiting(): void {
  waiting?.end();
  become(undefined);
}

/** For useSyncExternalStore: whether a request waits. */
export const timedOut = {
  get: () => waiting !== undefined,
  subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  },
};
