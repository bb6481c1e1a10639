import { type Attempt, nextOf, type Pending } from './outbox.ts';
import type { Server } from './server.ts';
import type { Session } from './session.ts';
import type { Storage } from './storage.ts';
import type { Message } from './thread.ts';

/** What the sender reads and reports. */
type Parts = {
  /** One lock per widget and site: the tab that holds it sends. */
  lock: string;
  storage: Storage;
  server: Server;
  /** Opens a conversation for the message to be sent; undefined when the visitor has to give a name first. */
  begin(): Promise<{ session: Session } | { attempt: Attempt } | undefined>;
  onTaken(session: Session, message: Message): void;
  /** Called when an attempt has to be repeated, and with undefined when one has got an answer. */
  onLater(attempt: Extract<Attempt, { kind: 'later' }> | undefined): void;
  onEnded(session: Session): void;
  onStranger(session: Session): void;
  onChange(): void;
};

export type Sender = ReturnType<typeof createSender>;

/** Empties the outbox, one message after another, in one tab at a time, so that the order is that of writing. */
export function createSender({ lock, storage, server, begin, onTaken, onLater, onEnded, onStranger, onChange }: Parts) {
  let isQueued = false;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let last: Promise<unknown> = Promise.resolve();

  /** One at a time: over all tabs, or within this one if the page, without TLS, may not have locks. */
  function alone<T>(work: () => Promise<T>): Promise<T> {
    const locks = globalThis.navigator?.locks;
    if (locks) return locks.request(lock, work);
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  }

  async function sendAll(): Promise<void> {
    if (isQueued) return;
    isQueued = true;
    await alone(async () => {
      isQueued = false;
      while (storage.read().asks) if (!(await askForPerson())) return;
      for (let next = nextOf(storage.outbox()); next; next = nextOf(storage.outbox()))
        if (!(await sendOne(next))) return;
    });
  }

  /** The current conversation, or a new one: never two because two tabs asked at once. */
  async function sessionOrNew(): ReturnType<Parts['begin']> {
    const { session } = storage.read();
    return session ? { session } : begin();
  }

  /** @returns whether to go on. */
  async function askForPerson(): Promise<boolean> {
    const way = await sessionOrNew();
    if (!way) return false;
    const { attempt } = 'session' in way ? await server.tell(way.session, 'hand-over', {}) : way;
    if (isLater(attempt)) return false;
    if (attempt.kind === 'stranger' && 'session' in way) onStranger(way.session);
    else storage.write({ asks: false });
    if (attempt.kind === 'ended' && 'session' in way) onEnded(way.session);
    onChange();
    return true;
  }

  /** @returns whether to continue with the next message. */
  async function sendOne(pending: Pending): Promise<boolean> {
    const { client_id, body, question_id, files, tried, ...rest } = pending;
    const message = { client_id, body, ...(question_id && { question_id }) };
    const settle = (verdict: Partial<Pending>) =>
      storage.put({ ...rest, ...message, ...(files && { files }), ...verdict });
    // If it may have arrived in an earlier conversation, that one is asked first: it would be there twice otherwise.
    const isEarlier = tried !== undefined && tried.id !== storage.read().session?.id;
    const way = isEarlier ? { session: tried } : await sessionOrNew();
    if (!way) return false;
    const session = 'session' in way ? way.session : undefined;
    if (session && !isEarlier) settle({ tried: session });
    const { attempt, body: taken }: { attempt: Attempt; body?: Message } =
      'session' in way
        ? await server.send(way.session, {
            ...message,
            ...(files && { files: files.map(({ id }) => id) }),
            ...(isEarlier && { reopens: false }),
          })
        : way;
    if (isLater(attempt)) return false;
    if (attempt.kind === 'taken') {
      storage.drop(client_id);
      if (session && taken) onTaken(session, taken);
    } else if (isEarlier && attempt.kind !== 'refused') settle({});
    else if (attempt.kind === 'ended' && session) {
      settle({ state: 'ended' });
      onEnded(session);
    } else if (attempt.kind === 'stranger' && session) onStranger(session);
    else settle({ state: 'refused', ...(attempt.kind === 'refused' && { reason: attempt.reason }) });
    onChange();
    return true;
  }

  function isLater(attempt: Attempt): boolean {
    const isSo = attempt.kind === 'later';
    onLater(isSo ? attempt : undefined);
    clearTimeout(retry);
    if (isSo) retry = setTimeout(() => void sendAll(), attempt.afterMs);
    return isSo;
  }

  return { sendAll, sessionOrNew: () => alone(sessionOrNew), close: () => clearTimeout(retry) };
}
