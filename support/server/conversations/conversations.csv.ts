import { type CsvColumns, pagesOf } from '@aether/http';
import { type Queryable, readList } from '@aether/platform';
import { type InboxFilters, matchConversations } from './inbox.ts';
import type { Reader } from './readers.ts';
import { type Session, sessionColumns, sessionTables } from './sessions.ts';

/** A conversation has hundreds of messages of up to 4,000 characters: few of them are in memory at once. */
const pageSize = 25;

type ExportedConversation = Session & { transcript: string | null };

const columns: CsvColumns<ExportedConversation> = {
  id: ({ id }) => id,
  customer_id: ({ customer_id }) => customer_id,
  customer: ({ customer }) => customer?.name,
  email: ({ customer, visitor_email }) => customer?.email ?? visitor_email,
  visitor_name: ({ visitor_name }) => visitor_name,
  identity: ({ identity }) => identity,
  widget: ({ widget }) => widget.name,
  agent: ({ agent }) => agent?.name,
  status: ({ status }) => status,
  resolved: ({ resolved }) => resolved,
  priority: ({ priority }) => priority,
  tags: ({ tags }) => tags.map(({ name }) => name).join('; '),
  messages: ({ message_count }) => message_count,
  page: ({ page }) => page?.url,
  language: ({ language }) => language,
  started_at: ({ started_at }) => started_at,
  last_message_at: ({ last_message_at }) => last_message_at,
  ended_at: ({ ended_at }) => ended_at,
  score: ({ rating }) => rating?.score,
  comment: ({ rating }) => rating?.comment,
  transcript: ({ transcript }) => transcript,
};

/** The file of the conversations that a reader may see and the filters let through, the newest first, each with what was said. */
export function conversationsFile(on: Queryable, reader: Reader, filters: InboxFilters) {
  const order = { by: 's.started_at', type: 'timestamptz', id: 's.id', idType: 'uuid' };
  return {
    name: 'conversations',
    columns,
    pages: () =>
      pagesOf(
        (paging) =>
          readList<ExportedConversation>(on, { order, direction: 'desc', ...paging }, (parameter) => ({
            columns: `${sessionColumns}, ${transcript}`,
            from: sessionTables,
            where: matchConversations(reader, filters, parameter),
          })),
        pageSize,
      ),
  };
}

/** A line for each message: its time in UTC, its author, its text. Notes of agents are not part of it. */
const transcript = `(
  select string_agg(
    concat(to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), ' ', t.author, ': ', support.words_of(t)),
      e'\\n' order by t.number)
  from support.messages t where t.session_id = s.id) as transcript`;
