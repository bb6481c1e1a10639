import { nextOf, type Pending } from './outbox.ts';
import type { Server, Session } from './server.ts';
import type { Storage } from './storage.ts';
import type { Message } from './thread.ts';

/** What the sender reads and reports. */
type Parts = {
  /** One lock per widget and site: the tab that holds it sends. */
  lock: string;
  storage: Storage;
  server: Server;
  /** Opens a conversation for the message to be sent; undefined when that is not possible now. */
  begin(): Promise<Session | undefined>;
  onTaken(session: Session, message: Message): void;
  /** Reports the time until the next attempt. */
  onLater(): void;
  onEnded(): void;
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

  /** The current conversation, or a new one: never two because two tabs asked at once. */
  const sessionOrNew = async () => storage.read().session ?? (await begin());

  async function sendAll(): Promise<void> {
    if (isQueued) return;
    isQueued = true;
    await alone(async () => {
      isQueued = false;
      for (let next = nextOf(storage.outbox()); next; next = nextOf(storage.outbox()))
        if (!(await sendOne(next))) return;
    });
  }

  /** @returns whether to continue with the next message. */
  async function sendOne(pending: Pending): Promise<boolean> {
    const { client_id, body, question_id } = pending;
    const session = await sessionOrNew();
    if (!session) return false;
    const message = { client_id, body, ...(question_id && { question_id }) };
    const { attempt, body: taken } = await server.send(session, message);
    switch (attempt.kind) {
      case 'taken':
        storage.drop(client_id);
        if (taken) onTaken(session, taken);
        return true;
      case 'later':
        comeBack(attempt.afterMs);
        return false;
      case 'ended':
        onEnded();
        return false;
      case 'stranger':
        onStranger(session);
        return true;
      case 'refused':
        storage.put({ ...pending, state: 'refused', reason: attempt.reason });
        onChange();
        return true;
    }
  }

  function comeBack(afterMs: number): void {
    clearTimeout(retry);
    retry = setTimeout(() => void sendAll(), afterMs);
    onLater();
  }

  return { sendAll, requireSession: () => alone(sessionOrNew), comeBack, close: () => clearTimeout(retry) };
}
