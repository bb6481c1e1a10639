import { describeError, Refusal } from '@aether/ui/refusal.ts';
import { SessionClaimed } from '../api/conversation.ts';
import type { Named } from '../api/records.ts';

/** An agent's message or note that the server has not confirmed. */
export type Unsent = {
  client_id: string;
  session_id: string;
  kind: 'reply' | 'note';
  body: string;
  created_at: string;
  /** `waiting`: behind another of the same conversation. */
  state: 'waiting' | 'sending' | 'failed';
  problem?: string;
  /** A message without an answer is tried again automatically when the line is back. */
  isOffline?: boolean;
  /** The agent who has the conversation, if that is the reason. */
  holder?: Named;
};

type OutboxOptions = {
  /** Storage that survives a reload; undefined if the page has none. */
  storage: Pick<Storage, 'getItem' | 'setItem'> | undefined;
  key: string;
  /** Sends it; a repetition with the same client_id is the same message. @throws Refusal */
  deliver: (unsent: Unsent) => Promise<void>;
};

/**
 * Unconfirmed messages: one after another within a conversation, so that their order is kept. When one fails, those behind it wait;
 * it is always sent again under the same client_id.
 */
export function createOutbox({ storage, key, deliver }: OutboxOptions) {
  const listeners = new Set<() => void>();
  let all: Unsent[] = restore();
  const lists = new Map<string, Unsent[]>();

  function restore(): Unsent[] {
    try {
      const kept = JSON.parse(storage?.getItem(key) ?? '[]') as Unsent[];
      // It is unknown whether it arrived before the page was left; the same client_id makes it safe to send again.
      return kept.map((unsent) =>
        unsent.state === 'failed'
          ? unsent
          : { ...unsent, state: 'failed', isOffline: true, problem: 'The page was left before it was confirmed.' },
      );
    } catch {
      return [];
    }
  }
  function put(next: Unsent[]): void {
    all = next;
    lists.clear();
    try {
      storage?.setItem(key, JSON.stringify(all));
    } catch {
      // The storage is full or forbidden: memory keeps it all the same.
    }
    for (const listener of listeners) listener();
  }
  const change = (clientId: string, part: Partial<Unsent>) =>
    put(all.map((unsent) => (unsent.client_id === clientId ? { ...unsent, ...part } : unsent)));
  const ofSession = (sessionId: string) => all.filter(({ session_id }) => session_id === sessionId);

  async function run(sessionId: string): Promise<void> {
    const [first] = ofSession(sessionId);
    if (first?.state !== 'waiting') return;
    change(first.client_id, { state: 'sending', problem: undefined, holder: undefined, isOffline: undefined });
    try {
      await deliver(first);
      put(all.filter(({ client_id }) => client_id !== first.client_id));
    } catch (error) {
      change(first.client_id, {
        state: 'failed',
        problem: describeError(error),
        isOffline: error instanceof Refusal && (error.status === 0 || error.status === 503),
        holder: error instanceof SessionClaimed ? error.agent : undefined,
      });
      return;
    }
    await run(sessionId);
  }

  const outbox = {
    subscribe(listener: () => void): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    /** The messages of one conversation, in order. The same array until something changes. */
    list(sessionId: string): Unsent[] {
      const known = lists.get(sessionId) ?? ofSession(sessionId);
      lists.set(sessionId, known);
      return known;
    },
    add(unsent: Pick<Unsent, 'client_id' | 'session_id' | 'kind' | 'body' | 'created_at'>): void {
      put([...all, { ...unsent, state: 'waiting' }]);
      void run(unsent.session_id);
    },
    retry(clientId: string): void {
      const unsent = all.find(({ client_id, state }) => client_id === clientId && state === 'failed');
      if (!unsent) return;
      change(clientId, { state: 'waiting' });
      void run(unsent.session_id);
    },
    /** @returns the message, so that its text can be edited again. */
    discard(clientId: string): Unsent | undefined {
      const unsent = all.find(({ client_id, state }) => client_id === clientId && state !== 'sending');
      if (!unsent) return undefined;
      put(all.filter(({ client_id }) => client_id !== clientId));
      void run(unsent.session_id);
      return unsent;
    },
    /** The line is back: messages without an answer are sent again. */
    retryOffline(): void {
      for (const { client_id, isOffline, state } of all) if (isOffline && state === 'failed') outbox.retry(client_id);
    },
  };
  return outbox;
}
