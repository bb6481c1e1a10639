import { Refusal } from '@aether/ui/refusal.ts';
import { read } from '@aether/ui/request.ts';
import type { QueryClient } from '@tanstack/react-query';
import { queryOptions } from '@tanstack/react-query';
import { sessions } from './clients.ts';
import type { Conversation, Entry, Message, Named } from './records.ts';

/** How many messages are loaded at once. */
export const pageSize = 100;
const pageSizeMax = 200;

const of = (id: string) => ({ param: { id } });

const ask = (id: string, { after, limit }: { after: number; limit: number }, signal?: AbortSignal) =>
  read(
    sessions[':id'].$get({ ...of(id), query: { after: String(after), limit: String(limit) } }, { init: { signal } }),
  );

export const conversationQuery = (id: string, messageCount = 0) =>
  queryOptions({
    queryKey: ['session', id],
    staleTime: 2_000,
    gcTime: 60_000,
    /** The newest messages. Their number is known from the inbox, or after the first answer. */
    queryFn: async ({ signal, client }): Promise<Conversation> => {
      const missed = { again: false };
      loading.set(id, missed);
      try {
        const first = client.getQueryData<Conversation>(['session', id])?.messages[0]?.number;
        let fresh = await askNewest(id, first, messageCount, signal);
        while (missed.again) {
          missed.again = false;
          const after = fresh.messages.at(-1)?.number ?? 0;
          fresh = join(fresh, await ask(id, { after, limit: pageSizeMax }, signal));
        }
        return keepOthers(client.getQueryData<Conversation>(['session', id]), fresh, first);
      } finally {
        if (loading.get(id) === missed) loading.delete(id);
      }
    },
  });

/** The conversations that are being loaded, and whether something has happened in them that their answer may not have. */
const loading = new Map<string, { again: boolean }>();

/** @param first the number of the first message that is shown */
async function askNewest(id: string, first: number | undefined, messageCount: number, signal: AbortSignal) {
  const after = first === undefined ? Math.max(0, messageCount - pageSize) : first - 1;
  const answer = await ask(id, { after, limit: pageSizeMax }, signal);
  const { message_count: count } = answer.session;
  const isWhole = (answer.messages.at(-1)?.number ?? after) >= count;
  return isWhole ? answer : ask(id, { after: Math.max(0, count - pageSize), limit: pageSizeMax }, signal);
}

/** What is shown, with a newer answer that has only some of its messages. */
const join = (shown: Conversation, answer: Conversation): Conversation => ({
  ...answer,
  session: joinReading(shown.session, answer.session),
  messages: joinMessages(shown.messages, answer.messages),
  entries: joinEntries(shown.entries, answer.entries),
});

/**
 * An answer, with the messages that came to the page on another way: later ones after the answer was made, and earlier ones that were loaded
 * while it was on its way. An answer that begins behind the message from which on it was asked has left some out, and earlier ones go, too.
 *
 * @param first the number of the message that was the first one on the page when this was asked
 */
function keepOthers(shown: Conversation | undefined, answer: Conversation, first: number | undefined): Conversation {
  const others = shown?.messages ?? [];
  const last = answer.messages.at(-1)?.number ?? 0;
  const earlier = answer.messages[0]?.number === first ? others.filter(({ number }) => number < (first ?? 0)) : [];
  return {
    ...answer,
    session: joinReading(shown?.session, answer.session),
    messages: [...earlier, ...answer.messages, ...others.filter(({ number }) => number > last)],
  };
}

/** Merges both, each message once, in order. */
function joinMessages(some: Message[], more: Message[]): Message[] {
  const byNumber = new Map([...some, ...more].map((message) => [message.number, message]));
  return [...byNumber.values()].sort((one, other) => one.number - other.number);
}

type Reading = { visitor_read_number: number; agent_read_number: number };

/** Takes the fresh state, except that reading marks only grow: an answer may be older than a reading mark that arrived before it. */
export function joinReading<Session extends Reading>(shown: Reading | undefined, fresh: Session): Session {
  const furthest = (field: keyof Reading) => Math.max(shown?.[field] ?? 0, fresh[field]);
  return {
    ...fresh,
    visitor_read_number: furthest('visitor_read_number'),
    agent_read_number: furthest('agent_read_number'),
  };
}

/** Merges newer data into the displayed conversation. */
export function take(client: QueryClient, id: string, fresh: Partial<Conversation>): void {
  client.setQueryData<Conversation>(
    ['session', id],
    (shown) =>
      shown && {
        session: fresh.session ? joinReading(shown.session, fresh.session) : shown.session,
        messages: fresh.messages ? joinMessages(shown.messages, fresh.messages) : shown.messages,
        entries: fresh.entries ? joinEntries(shown.entries, fresh.entries) : shown.entries,
        viewers: fresh.viewers ?? shown.viewers,
        mail: fresh.mail ?? shown.mail,
      },
  );
}

function joinEntries(some: Entry[], more: Entry[]): Entry[] {
  return [...new Map([...some, ...more].map((entry) => [entry.id, entry])).values()];
}

const running = new Map<string, { again: boolean }>();
/** No other request for a conversation begins before the last one has ended. */
const catchUpMsMax = 15_000;
/** A silent line may be that of one request alone: the stream goes on and would report nothing. */
const silentMax = 3;

/** Requests the messages since the last one; a call during the request makes it request once more, and so does a silent line. */
export async function catchUp(client: QueryClient, id: string): Promise<void> {
  const missed = loading.get(id);
  if (missed) missed.again = true;
  const present = running.get(id);
  if (present) {
    present.again = true;
    return;
  }
  const run = { again: true };
  running.set(id, run);
  let silent = 0;
  try {
    while (run.again) {
      run.again = false;
      const shown = client.getQueryData<Conversation>(['session', id]);
      if (!shown) return;
      const after = shown.messages.at(-1)?.number ?? 0;
      const time = AbortSignal.timeout(catchUpMsMax);
      const answer = await ask(id, { after, limit: pageSizeMax }, time).catch((error) => {
        if (!time.aborted || ++silent >= silentMax) throw error;
      });
      if (answer) take(client, id, answer);
      if (!answer || answer.messages.length === pageSizeMax) run.again = true;
    }
  } catch {
    // The line is down: when it is back, the feed reports that and this is requested again.
  } finally {
    running.delete(id);
  }
}

/** Loads the messages before the first one on the page. */
export async function loadOlder(client: QueryClient, id: string): Promise<void> {
  const first = client.getQueryData<Conversation>(['session', id])?.messages[0]?.number ?? 1;
  const after = Math.max(0, first - 1 - pageSize);
  if (first > 1) take(client, id, { messages: (await ask(id, { after, limit: first - 1 - after })).messages });
}

/** Applies a reading mark: a person has read up to a number. */
export function noteRead(client: QueryClient, id: string, author: 'visitor' | 'agent', number: number): void {
  const session = client.getQueryData<Conversation>(['session', id])?.session;
  const field = author === 'visitor' ? 'visitor_read_number' : 'agent_read_number';
  if (session && session[field] < number) take(client, id, { session: { ...session, [field]: number } });
}

/** Another agent has the conversation. */
export class SessionClaimed extends Refusal {
  readonly agent: Named;

  constructor(status: number, detail: string, agent: Named) {
    super(status, { code: 'session-claimed', detail });
    this.name = 'SessionClaimed';
    this.agent = agent;
  }
}

/** @throws SessionClaimed, which names the assigned agent, in place of a refusal without a name. */
async function sayWhoHasIt<Answer>(id: string, asked: Promise<Answer>): Promise<Answer> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'session-claimed') throw error;
    const { agent } = (await ask(id, { after: 0, limit: 1 })).session;
    throw agent ? new SessionClaimed(error.status, error.message, agent) : error;
  }
}

/** @throws SessionClaimed when another agent has it and it is not to be taken over. */
export const claim = (id: string, isTakeOver = false) =>
  sayWhoHasIt(id, read(sessions[':id'].claim.$post({ ...of(id), json: isTakeOver ? { take_over: true } : {} })));

export const assign = (id: string, agent_id: string | null, note?: string) =>
  read(sessions[':id'].assign.$post({ ...of(id), json: { agent_id, note } }));

export const snooze = (id: string, until: string | null) =>
  read(sessions[':id'].snooze.$post({ ...of(id), json: { until } }));

export const endSession = (id: string, resolved: boolean, summary?: string) =>
  read(sessions[':id'].end.$post({ ...of(id), json: { resolved, summary } }));

/** Opens an ended conversation again. */
export const reopenSession = (id: string) => read(sessions[':id'].reopen.$post({ ...of(id), json: {} }));

/** @throws SessionClaimed */
export const sendReply = (id: string, client_id: string, body: string, files?: string[]) =>
  sayWhoHasIt(id, read(sessions[':id'].replies.$post({ ...of(id), json: { client_id, body, files } })));

export const sendNote = (id: string, client_id: string, body: string, files?: string[]) =>
  read(sessions[':id'].notes.$post({ ...of(id), json: { client_id, body, files } }));

export const tellPresence = (id: string, is_typing: boolean) =>
  read(sessions[':id'].presence.$post({ ...of(id), json: { is_typing } }));

export const markRead = (id: string, number: number) =>
  read(sessions[':id'].seen.$post({ ...of(id), json: { number } }));
