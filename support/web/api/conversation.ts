import type { QueryClient } from '@tanstack/react-query';
import { queryOptions } from '@tanstack/react-query';
import { call } from './call.ts';
import type { Entry, Message, Session } from './records.ts';

/** How many messages are loaded at once. */
export const pageSize = 100;

type Answer = { session: Session; messages: Message[]; entries: Entry[] };

/** A conversation as far as it is loaded: without a gap, up to the newest. */
export type Conversation = Answer;

const ask = (id: string, query: { after: number; limit: number }, signal?: AbortSignal) =>
  call<Answer>('GET', `sessions/${id}`, { query, signal });

export const conversationQuery = (id: string, messageCount = 0) =>
  queryOptions({
    queryKey: ['session', id],
    staleTime: 2_000,
    gcTime: 60_000,
    /** The newest messages. How many there are is known from the inbox, or after the first answer. */
    queryFn: async ({ signal, client }): Promise<Conversation> => {
      const known = client.getQueryData<Conversation>(['session', id]);
      const first = known?.messages[0]?.number;
      const after = first === undefined ? Math.max(0, messageCount - pageSize) : first - 1;
      const answer = await ask(id, { after, limit: 200 }, signal);
      const { message_count: count } = answer.session;
      if ((answer.messages.at(-1)?.number ?? after) >= count) return answer;
      return ask(id, { after: Math.max(0, count - pageSize), limit: 200 }, signal);
    },
  });

/** Both, each message once, in order. */
export function joinMessages(some: Message[], more: Message[]): Message[] {
  const byNumber = new Map([...some, ...more].map((message) => [message.number, message]));
  return [...byNumber.values()].sort((one, other) => one.number - other.number);
}

/** Puts what is newer into what is shown. */
export function take(client: QueryClient, id: string, fresh: Partial<Answer>): void {
  client.setQueryData<Conversation>(
    ['session', id],
    (shown) =>
      shown && {
        session: fresh.session ?? shown.session,
        messages: fresh.messages ? joinMessages(shown.messages, fresh.messages) : shown.messages,
        entries: fresh.entries ? joinEntries(shown.entries, fresh.entries) : shown.entries,
      },
  );
}

function joinEntries(some: Entry[], more: Entry[]): Entry[] {
  return [...new Map([...some, ...more].map((entry) => [entry.id, entry])).values()];
}

const running = new Map<string, { again: boolean }>();

/** Asks for what came since; while it asks, further calls make it ask once more. */
export async function catchUp(client: QueryClient, id: string): Promise<void> {
  const present = running.get(id);
  if (present) {
    present.again = true;
    return;
  }
  const run = { again: true };
  running.set(id, run);
  try {
    while (run.again) {
      run.again = false;
      const shown = client.getQueryData<Conversation>(['session', id]);
      if (!shown) return;
      const answer = await ask(id, { after: shown.messages.at(-1)?.number ?? 0, limit: 200 });
      take(client, id, answer);
      if (answer.messages.length === 200) run.again = true;
    }
  } catch {
    // The line is down: when it is back, the feed says so and this is asked again.
  } finally {
    running.delete(id);
  }
}

/** Loads the messages before the first that is shown. */
export async function loadOlder(client: QueryClient, id: string): Promise<void> {
  const first = client.getQueryData<Conversation>(['session', id])?.messages[0]?.number ?? 1;
  const after = Math.max(0, first - 1 - pageSize);
  if (first > 1) take(client, id, { messages: (await ask(id, { after, limit: first - 1 - after })).messages });
}

type SessionAnswer = { session: Session };
const act = (id: string, what: string, body: unknown) =>
  call<SessionAnswer>('POST', `sessions/${id}/${what}`, { body });

/** @throws SessionClaimed when somebody else has it and it is not to be taken over. */
export const claim = (id: string, takeOver = false) => act(id, 'claim', takeOver ? { take_over: true } : {});
export const assign = (id: string, agentId: string | null, note?: string) =>
  act(id, 'assign', { agent_id: agentId, note });
export const snooze = (id: string, until: string | null) => act(id, 'snooze', { until });
export const endSession = (id: string, resolved: boolean, summary?: string) => act(id, 'end', { resolved, summary });

/** @throws SessionClaimed */
export const sendReply = (id: string, client_id: string, body: string) =>
  call<Message>('POST', `sessions/${id}/replies`, { body: { client_id, body } });
export const sendNote = (id: string, client_id: string, body: string) =>
  call<Entry>('POST', `sessions/${id}/notes`, { body: { client_id, body } });
export const tellPresence = (id: string, is_typing: boolean) =>
  call<void>('POST', `sessions/${id}/presence`, { body: { is_typing } });
export const markRead = (id: string, number: number) => call<void>('POST', `sessions/${id}/read`, { body: { number } });

