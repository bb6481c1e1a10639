import type { View } from '../chat/chat.ts';
import type { Pending } from '../chat/outbox.ts';
import type { Words } from '../chat/words.ts';

type Seen = Pick<View, 'thread' | 'outbox' | 'session' | 'read' | 'isConnected' | 'isDelayed' | 'isAsking' | 'refusal'>;

/** What happened between two views, for visitors who do not see the screen; empty if it is nothing. */
export function describeNews(was: Seen, now: Seen, words: Words): string {
  const fresh = now.thread.filter(({ number, author }) => author !== 'visitor' && number > was.read);
  const known = new Set(was.thread.map(({ number }) => number));
  const arrived = new Set(now.thread.map(({ client_id }) => client_id));
  const before = new Map(was.outbox.map((pending) => [pending.client_id, pending.state]));
  const isSent = was.outbox.some(({ client_id }) => arrived.has(client_id));
  const stopped = now.outbox.filter(({ client_id, state }) => state !== 'waiting' && before.get(client_id) !== state);
  const news = [
    was.isConnected && !now.isConnected && words.reconnecting,
    !was.isConnected && now.isConnected && words.back,
    now.isDelayed && !was.isDelayed && now.isConnected && words.waiting,
    now.isAsking && !was.isAsking && words.asking,
    was.session?.handler === 'bot' && now.session?.handler === 'agent' && words.asked,
    isSent && words.sent,
    ...fresh
      .filter(({ number }) => !known.has(number))
      .map(
        ({ agent_name, body, files }) =>
          `${agent_name ?? words.bot}: ${[body, ...(files ?? []).map(({ name }) => name)].filter(Boolean).join(', ')}`,
      ),
    was.session?.status === 'active' && now.session?.status === 'ended' && words.ended,
    ...new Set(stopped.map((pending) => describeStop(pending, words))),
    now.refusal !== was.refusal && now.refusal,
  ];
  return news.filter(Boolean).join(' ');
}

/** Why a message is not sent, and is not tried again. */
export function describeStop({ state, reason }: Pending, words: Words): string {
  if (state === 'ended') return words.over;
  return reason ? `${words.refused}: ${reason}` : words.closed;
}
