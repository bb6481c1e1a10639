import { formatDayHeading } from '@aether/ui/formats.ts';
import type { Entry, Message } from '../api/records.ts';
import type { UnsentWords } from './sending.ts';

/** The content of the conversation, from top to bottom. */
type Item =
  | { kind: 'day'; key: string; label: string }
  | { kind: 'unread'; key: string }
  | { kind: 'group'; key: string; author: Message['author']; name: string | null; messages: Message[] }
  | { kind: 'entry'; key: string; entry: Entry }
  | { kind: 'unsent'; key: string; unsent: UnsentWords };

type Parts = {
  messages: Message[];
  entries: Entry[];
  unsent: UnsentWords[];
  /** An agent had read up to this number when the conversation was opened. */
  readNumber: number;
  now?: Date;
};

/** Messages by one author within this time form a group. */
const groupMs = 5 * 60_000;

/** Messages in order, with the actions between them; unsent messages at the end. */
export function arrange({ messages, entries, unsent, readNumber, now = new Date() }: Parts): Item[] {
  const items: Item[] = [];
  let day = '';
  const begin = (moment: string) => {
    const label = formatDayHeading(moment, now);
    if (label !== day) items.push({ kind: 'day', key: `day ${moment}`, label });
    day = label;
  };
  const firstUnread = messages.find(({ author, number }) => author === 'visitor' && number > readNumber)?.number;
  // Actions before the first loaded message are omitted: unloaded messages may come between.
  const from = messages[0] && messages[0].number > 1 ? messages[0].created_at : '';
  const told = entries
    .filter(({ created_at }) => created_at >= from)
    .sort((one, other) => (one.created_at < other.created_at ? -1 : 1));

  const tell = (until: string | undefined) => {
    while (told[0] && (until === undefined || told[0].created_at < until)) {
      const entry = told.shift() as Entry;
      begin(entry.created_at);
      items.push({ kind: 'entry', key: entry.id, entry });
    }
  };
  for (const message of messages) {
    tell(message.created_at);
    begin(message.created_at);
    if (message.number === firstUnread && readNumber > 0) items.push({ kind: 'unread', key: 'unread' });
    const last = items.at(-1);
    if (last?.kind === 'group' && belongs(last.messages, message)) last.messages.push(message);
    else
      items.push({
        kind: 'group',
        key: `message ${message.number}`,
        author: message.author,
        name: message.agent_name,
        messages: [message],
      });
  }
  tell(undefined);
  for (const each of listOpen(unsent, messages, entries)) {
    begin(each.created_at);
    items.push({ kind: 'unsent', key: each.client_id, unsent: each });
  }
  return items;
}

function belongs(group: Message[], { author, agent_name, created_at }: Message): boolean {
  const last = group.at(-1) as Message;
  const apartMs = new Date(created_at).getTime() - new Date(last.created_at).getTime();
  return last.author === author && last.agent_name === agent_name && apartMs < groupMs;
}

/** A message that the feed brought before the answer to its sending is not shown twice. */
function listOpen(unsent: UnsentWords[], messages: Message[], entries: Entry[]): UnsentWords[] {
  const arrived = new Set(messages.map(({ client_id }) => client_id));
  const isNoted = ({ body, created_at }: UnsentWords) =>
    entries.some(
      (entry) =>
        entry.kind === 'note' &&
        entry.body === body &&
        new Date(entry.created_at).getTime() > new Date(created_at).getTime() - 60_000,
    );
  return unsent.filter((each) => !arrived.has(each.client_id) && !(each.kind === 'note' && isNoted(each)));
}
