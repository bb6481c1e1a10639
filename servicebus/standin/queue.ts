import { type Condition, encodeMessage, type Link, newTag, refuse, type Sent } from './amqp.ts';

/*
 * A subscription of the stand-in, or its dead letters: messages in the order in which they came, each locked for the receiver to which it
 * was delivered. With sessions, the lock is that of the session: one receiver has it, until it goes away or the lock ends.
 */

export const sessionLockLost = (id: string): Condition =>
  refuse(
    'com.microsoft:session-lock-lost',
    `The session lock has expired on the session '${id}'. Accept a new session.`,
  );
export const messageLockLost = (): Condition =>
  refuse(
    'com.microsoft:message-lock-lost',
    'The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue.',
  );

export type Session = {
  id: string;
  ready: Stored[];
  link: Link | undefined;
  until: number;
  timer: NodeJS.Timeout | undefined;
};
type Lock = { token: string; until: number; link: Link; timer?: NodeJS.Timeout };

export type Stored = {
  sent: Sent;
  sequence: number;
  enqueuedAt: number;
  expiresAt: number;
  deliveryCount: number;
  lock?: Lock | undefined;
  added?: Record<string, unknown> | undefined;
  deadLetterSource?: string | undefined;
};

/** What the broker remembers of a link that receives. */
export type Receiving = {
  queue: Queue;
  session?: Session | undefined;
  removesAtOnce: boolean;
  isGone?: boolean;
  waiting?: Waiting | undefined;
};
/** A receiver that waits for any session with a message. */
export type Waiting = { grant(session: Session): void; cancel(): void };
const receivings = new WeakMap<Link, Receiving>();
export const receivingOf = (link: Link): Receiving | undefined => receivings.get(link);
export const remember = (link: Link, receiving: Receiving): void => void receivings.set(link, receiving);
const deliveries = new WeakMap<object, Stored>();
export const storedOf = (delivery: object): Stored | undefined => deliveries.get(delivery);

export type QueueOptions = {
  requiresSession?: boolean | undefined;
  lockMs?: number | undefined;
  deliveriesMax?: number | undefined;
  /** Told of each message that is settled or has become a dead letter. */
  onLeft?: (path: string, stored: Stored, deadBecause: Record<string, unknown> | undefined) => void;
};

export class Queue {
  readonly path: string;
  readonly requiresSession: boolean;
  readonly deliveriesMax: number;
  /** Undefined for the dead letters themselves. */
  readonly deadLetters: Queue | undefined;
  lockMs: number;
  readonly all = new Map<number, Stored>();
  readonly links = new Set<Link>();
  readonly sessions = new Map<string, Session>();
  waiting: Waiting[] = [];
  readonly #byToken = new Map<string, Stored>();
  readonly #onLeft: NonNullable<QueueOptions['onLeft']>;
  #ready: Stored[] = [];

  constructor(path: string, options: QueueOptions, isDeadLetters = false) {
    this.path = path;
    this.requiresSession = options.requiresSession ?? false;
    this.lockMs = options.lockMs ?? 60_000;
    this.deliveriesMax = options.deliveriesMax ?? 10;
    this.#onLeft = options.onLeft ?? (() => {});
    const ofDead = { lockMs: this.lockMs, deliveriesMax: Number.POSITIVE_INFINITY, onLeft: this.#onLeft };
    this.deadLetters = isDeadLetters ? undefined : new Queue(`${path}/$DeadLetterQueue`, ofDead, true);
  }

  enqueue(stored: Stored): void {
    this.all.set(stored.sequence, stored);
    if (this.requiresSession && stored.sent.sessionId == null)
      this.deadLetter(stored, 'Session ID is null.', 'A subscription with sessions takes no message without one.');
    else this.#makeReady(stored);
  }

  /** Gives the link what it has credit for. */
  pump(link: Link): void {
    const receiving = receivingOf(link);
    if (!receiving) return;
    const ready = receiving.session ? receiving.session.ready : this.#ready;
    const { outgoing } = link.session;
    let room = Math.min(
      link.credit - (outgoing.next_delivery_id - outgoing.next_pending_delivery),
      outgoing.available(),
    );
    let taken = 0;
    while (room > 0 && taken < ready.length) {
      const stored = ready[taken++] as Stored;
      if (stored.expiresAt <= Date.now()) this.complete(stored);
      else {
        this.#deliver(link, receiving, stored);
        room--;
      }
    }
    ready.splice(0, taken);
  }

  #deliver(link: Link, { session, removesAtOnce }: Receiving, stored: Stored): void {
    const tag = newTag();
    if (removesAtOnce) {
      this.complete(stored);
      link.send(encodeMessage(stored.sent, stored), tag, 0).settled = true;
      return;
    }
    const until = session?.until ?? Date.now() + this.lockMs;
    stored.lock = { token: tag.toString('hex'), until, link };
    this.#byToken.set(stored.lock.token, stored);
    if (!session) this.#armLock(stored);
    deliveries.set(link.send(encodeMessage(stored.sent, stored, until), tag, 0), stored);
  }

  /** @returns when the lock ends now; undefined if it is lost */
  renewLock(token: string): number | undefined {
    const stored = this.#byToken.get(token);
    if (!stored?.lock) return undefined;
    stored.lock.until = Date.now() + this.lockMs;
    this.#armLock(stored);
    return stored.lock.until;
  }

  complete(stored: Stored): void {
    this.#onLeft(this.path, stored, undefined);
    this.#remove(stored);
  }

  #remove(stored: Stored): void {
    this.#unlock(stored);
    this.all.delete(stored.sequence);
  }

  /** Of a broker that starts again: these messages have left before. Nobody receives yet. */
  restore(left: Map<number, Record<string, unknown> | undefined>): void {
    const stays = ({ sequence }: Stored) => !left.has(sequence);
    this.#ready = this.#ready.filter(stays);
    for (const session of this.sessions.values()) {
      session.ready = session.ready.filter(stays);
      if (session.ready.length === 0) this.sessions.delete(session.id);
    }
    for (const [sequence, deadBecause] of left) {
      const stored = this.all.get(sequence);
      if (!stored) continue;
      this.#remove(stored);
      if (deadBecause) this.#bury(stored, deadBecause);
    }
  }

  abandon(stored: Stored, added?: Record<string, unknown>): void {
    if (added && Object.keys(added).length > 0) stored.added = { ...stored.added, ...added };
    this.#unlock(stored);
    this.#countFailure(stored);
  }

  deadLetter(stored: Stored, reason?: unknown, description?: unknown, added?: Record<string, unknown>): void {
    const because = {
      ...added,
      ...(reason != null && { DeadLetterReason: reason }),
      ...(description != null && { DeadLetterErrorDescription: description }),
    };
    this.#onLeft(this.path, stored, because);
    this.#remove(stored);
    this.#bury(stored, because);
  }

  #bury(stored: Stored, because: Record<string, unknown>): void {
    if (!this.deadLetters) return;
    stored.added = { ...stored.added, ...because };
    stored.deadLetterSource = this.path;
    stored.expiresAt = Number.POSITIVE_INFINITY;
    this.deadLetters.enqueue(stored);
  }

  session(id: string): Session {
    const known = this.sessions.get(id);
    if (known) return known;
    const made: Session = { id, ready: [], link: undefined, until: 0, timer: undefined };
    this.sessions.set(id, made);
    return made;
  }

  acquire(link: Link, session: Session): void {
    session.link = link;
    const receiving = receivingOf(link);
    if (receiving) receiving.session = session;
    this.extend(session);
    // At the end: receivers that take any session get each in turn.
    this.sessions.delete(session.id);
    this.sessions.set(session.id, session);
  }

  extend(session: Session): void {
    session.until = Date.now() + this.lockMs;
    clearTimeout(session.timer);
    session.timer = setTimeout(() => this.expire(session), this.lockMs).unref();
  }

  /** Takes the lock of the session away from its receiver, as at its end. */
  expire(session: Session): void {
    const { link } = session;
    this.release(session, true);
    link?.close(sessionLockLost(session.id));
  }

  release(session: Session, hasExpired: boolean): void {
    clearTimeout(session.timer);
    const { link } = session;
    session.link = undefined;
    for (const stored of [...this.#byToken.values()].filter(({ lock }) => link && lock?.link === link)) {
      this.#unlock(stored);
      if (hasExpired) this.#countFailure(stored);
      else this.#makeReady(stored);
    }
    // What was given back above may have gone to another receiver at once.
    if (!session.link && session.ready.length === 0) this.sessions.delete(session.id);
    this.#serveWaiting();
  }

  nextSession(): Session | undefined {
    for (const session of this.sessions.values()) if (!session.link && session.ready.length > 0) return session;
    return undefined;
  }

  #armLock(stored: Stored): void {
    const { lock } = stored;
    if (!lock) return;
    clearTimeout(lock.timer);
    lock.timer = setTimeout(() => {
      this.#unlock(stored);
      this.#countFailure(stored);
    }, lock.until - Date.now()).unref();
  }

  #unlock(stored: Stored): void {
    if (!stored.lock) return;
    clearTimeout(stored.lock.timer);
    this.#byToken.delete(stored.lock.token);
    stored.lock = undefined;
  }

  #countFailure(stored: Stored): void {
    stored.deliveryCount++;
    if (stored.deliveryCount >= this.deliveriesMax)
      this.deadLetter(
        stored,
        'MaxDeliveryCountExceeded',
        `Message could not be consumed after ${this.deliveriesMax} delivery attempts.`,
      );
    else this.#makeReady(stored);
  }

  #makeReady(stored: Stored): void {
    const ready = this.requiresSession ? this.session(stored.sent.sessionId as string).ready : this.#ready;
    let at = ready.length;
    while (at > 0 && (ready[at - 1] as Stored).sequence > stored.sequence) at--;
    ready.splice(at, 0, stored);
    if (!this.requiresSession) {
      for (const link of this.links) if (this.#ready.length > 0) this.pump(link);
      return;
    }
    const { link } = this.session(stored.sent.sessionId as string);
    if (link) this.pump(link);
    else this.#serveWaiting();
  }

  #serveWaiting(): void {
    for (let next = this.nextSession(); next && this.waiting.length > 0; next = this.nextSession())
      this.waiting.shift()?.grant(next);
  }
}
