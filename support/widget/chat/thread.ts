/** A file that the server has. */
export type SentFile = {
  id: string;
  name: string;
  type: string;
  size: number;
  width?: number;
  height?: number;
  has_thumbnail: boolean;
};

/** A message as the server gives it. */
export type Message = {
  /** Dense within the conversation, from 1. */
  number: number;
  author: 'visitor' | 'agent' | 'bot';
  agent_name: string | null;
  client_id: string;
  body: string;
  choices: { id: string; label: string }[] | null;
  files?: SentFile[] | null;
  created_at: string;
};

/** Puts messages in the places of their numbers; a message that is there already is not added again. */
export function merge(thread: Message[], fresh: Message[]): Message[] {
  const known = new Set(thread.map(({ number }) => number));
  const added = fresh.filter(
    ({ number }, index) => !known.has(number) && fresh.findIndex((each) => each.number === number) === index,
  );
  return added.length === 0 ? thread : [...thread, ...added].sort((a, b) => a.number - b.number);
}

/** The number up to which nothing is missing: the next request asks for later messages. */
export function lastWhole(thread: Message[]): number {
  const gap = thread.findIndex(({ number }, index) => number !== index + 1);
  return gap === -1 ? thread.length : gap;
}

/** Messages of others that the visitor has not read. */
export const unreadIn = (thread: Message[], readNumber: number): Message[] =>
  thread.filter(({ number, author }) => author !== 'visitor' && number > readNumber);
