import {
  collectValues,
  matchName,
  matchPhone,
  type Paging,
  type Parameter,
  type Placed,
  type Queryable,
  readList,
  type SearchedPhone,
  wordsOf,
} from '@aether/platform';
import { mayList, type Reader } from './readers.ts';
import { type Session, sessionColumns, sessionTables } from './sessions.ts';

/** An agent's views. They hold only conversations in which a visitor has asked something. */
export const inboxViews = ['mine', 'unassigned', 'all', 'snoozed', 'bot', 'ended'] as const;
export type InboxView = (typeof inboxViews)[number];

const isAwake = "s.status = 'active' and s.handler = 'agent' and (s.snoozed_until is null or s.snoozed_until <= now())";
/** The conditions of each view. @param agent the parameter that holds the agent's id */
const conditionsOf = (agent: string): Record<InboxView, string> => ({
  mine: `${isAwake} and s.agent_id = ${agent}`,
  unassigned: `${isAwake} and s.agent_id is null`,
  all: isAwake,
  snoozed: `s.status = 'active' and s.snoozed_until > now()`,
  bot: `s.status = 'active' and s.handler = 'bot'`,
  ended: `s.status = 'ended'`,
});

/** The order of open conversations: those with a waiting visitor come first. */
const byWaiting = {
  first: { by: `coalesce(s.waiting_since, 'infinity')`, type: 'timestamptz', direction: 'asc' },
  by: 's.last_message_at',
  type: 'timestamptz',
  id: 's.id',
  idType: 'uuid',
} as const;
const byEnd = { by: 's.ended_at', type: 'timestamptz', id: 's.id', idType: 'uuid' };

/** Open conversations: the visitor who waits longest first, then the latest message. Ended ones: the newest first. */
export function listInbox(
  on: Queryable,
  reader: Reader,
  { view, widgetId, search, phone, tag, priority, ...paging }: InboxFilters & { view: InboxView } & Paging,
): Promise<Placed<Session>[]> {
  const order = view === 'ended' ? byEnd : byWaiting;
  return readList<Session>(on, { order, direction: 'desc', ...paging }, (parameter) => ({
    columns: sessionColumns,
    from: sessionTables,
    where: matchConversations(reader, { view, widgetId, search, phone, tag, priority }, parameter),
  }));
}

export type InboxFilters = {
  view?: InboxView | undefined;
  widgetId?: string | undefined;
  /** Words of the visitor's or the customer's name or address. */
  search?: string | undefined;
  /** The telephone number that the search is, if it is one. */
  phone?: SearchedPhone | undefined;
  /** Id of a tag. */
  tag?: number | undefined;
  priority?: Session['priority'] | undefined;
};

/** The conditions that a reader may see a session `s`, of a customer `c`, and that the filters let it through. */
export function matchConversations(
  reader: Reader,
  { view, widgetId, search = '', phone, tag, priority }: InboxFilters,
  parameter: Parameter,
): string[] {
  const agent = parameter(reader.agentId, 'uuid');
  const where = ['s.asked_at is not null', mayList(reader, agent, parameter)];
  if (view) where.push(conditionsOf(agent)[view]);
  if (widgetId) where.push(`s.widget_id = ${parameter(widgetId)}`);
  if (priority) where.push(`s.priority = ${parameter(priority)}`);
  if (tag)
    where.push(
      `exists (select from support.session_tags k where k.session_id = s.id and k.tag_id = ${parameter(tag, 'bigint')})`,
    );
  const names = `concat_ws(' ', s.visitor_name, c.name)`;
  const addresses = `lower(concat_ws(' ', s.visitor_email, c.email_key) collate pg_c_utf8)`;
  const everyWord = wordsOf(search).map((word) => matchName(names, word, parameter, { also: addresses }));
  if (everyWord.length > 0)
    where.push(`((${everyWord.join(' and ')})${phone ? ` or ${matchPhone(phone, parameter, 'rows')}` : ''})`);
  return where;
}

/** The number of conversations in each view except the ended one. */
export async function countInbox(on: Queryable, reader: Reader): Promise<Record<Exclude<InboxView, 'ended'>, number>> {
  const counted = inboxViews.filter((view) => view !== 'ended');
  const { values, parameter } = collectValues();
  const agent = parameter(reader.agentId, 'uuid');
  const conditions = conditionsOf(agent);
  const [counts] = await on.query<Record<Exclude<InboxView, 'ended'>, number>>(
    `select ${counted.map((view) => `count(*) filter (where ${conditions[view]})::integer as ${view}`).join(', ')}
     from support.sessions s
     where s.status = 'active' and s.asked_at is not null and ${mayList(reader, agent, parameter)}`,
    values,
  );
  return counts as Record<Exclude<InboxView, 'ended'>, number>;
}
