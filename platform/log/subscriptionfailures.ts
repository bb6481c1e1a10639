/** What a subscription was registered with, as far as it decides which process may work on it. */
export type Registered = { types: string[] | null; shares: number };

/** Throw it from a handler when the handler's target cannot be reached: everything waits, in order, and no attempt is counted. */
export class TargetUnavailable extends Error {
  readonly retryAfterMs: number;
  constructor(message: string, { retryAfterMs = 1_000, cause }: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, { cause });
    this.name = 'TargetUnavailable';
    this.retryAfterMs = retryAfterMs;
  }
}

/** The subscription was removed while this process ran it. */
export class SubscriptionGone extends Error {
  constructor(subscription: string) {
    super(
      `Subscription ${subscription} was removed while it ran here. It begins again by its rule (from); events in between may be missing.`,
    );
    this.name = 'SubscriptionGone';
  }
}

/** Examine the handler: it waits for something that does not come. */
export class HandlerTimeout extends Error {
  constructor(subscription: string, afterMs: number) {
    super(`A handler of ${subscription} did not finish within ${afterMs} ms. Its transaction was rolled back.`);
    this.name = 'HandlerTimeout';
  }
}

/** Raise `loadTimeoutMs`, or load less: the snapshot was not read in time, and none of it is kept. */
export class LoadTimeout extends Error {
  constructor(subscription: string, afterMs: number) {
    super(
      `The load of ${subscription} did not finish within ${afterMs} ms. Its transaction was rolled back, and it begins again.`,
    );
    this.name = 'LoadTimeout';
  }
}

/**
 * This process has registered the subscription with other types, or another number of shares, than it had. During a deployment that is what
 * is meant. Otherwise two different subscriptions have one name, and each needs one of its own; or two processes disagree about the number.
 */
export class SubscriptionChanged extends Error {
  constructor(subscription: string, former: Registered, present: Registered) {
    super(
      `Subscription ${subscription} reads ${nameOf(present)} from now on; before it read ${nameOf(former)}. A process that still asks for that gets no more events under this name.`,
    );
    this.name = 'SubscriptionChanged';
  }
}

/**
 * Another process has registered the subscription with other types, or another number of shares, and this one handles nothing until it
 * registers again. Stop it if it is the older version; otherwise give each of the two subscriptions a name of its own, or both the same
 * number.
 */
export class SubscriptionDisplaced extends Error {
  constructor(subscription: string, own: Registered, present: Registered) {
    super(
      `Subscription ${subscription} was registered by another process, which reads ${nameOf(present)}. This process asks for ${nameOf(own)} and gets no events under this name: stop it, or give each of the two a name of its own.`,
    );
    this.name = 'SubscriptionDisplaced';
  }
}

const nameOf = ({ types, shares }: Registered) =>
  `${types ? types.join(', ') : 'every type'}${shares > 1 ? ` in ${shares} shares` : ''}`;
