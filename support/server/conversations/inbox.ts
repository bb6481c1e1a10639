import {
  betweenInSql,
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

/** What is due first. */
const byDue = { by: `coalesce(s.due_at, 'infinity')`, type: 'timestamptz', id: 's.id', idType: 'uuid' } as const;

/** Open conversations: the visitor who waits longest first, then the latest message. Ended ones: the newest first. */
export function listInbox(
  on: Queryable,
  reader: Reader,
  {
    view,
    order: asked = 'waiting',
    widgetId,
    search,
    phone,
    tag,
    priority,
    due,
    ...paging
  }: InboxFilters & { view: InboxView; order?: InboxOrder | undefined } & Paging,
): Promise<Placed<Session>[]> {
  const isByDue = asked === 'due' && view !== 'ended';
  const order = isByDue ? byDue : view === 'ended' ? byEnd : byWaiting;
  return readList<Session>(on, { order, direction: isByDue ? 'asc' : 'desc', ...paging }, (parameter) => ({
    columns: sessionColumns,
    from: sessionTables,
    where: matchConversations(reader, { view, widgetId, search, phone, tag, priority, due }, parameter),
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
  due?: DueFilter | undefined;
};

export const inboxOrders = ['waiting', 'due'] as const;
export type InboxOrder = (typeof inboxOrders)[number];

/** missed: a target was missed. next: a target is still to be met. */
export const dueFilters = ['missed', 'next'] as const;
export type DueFilter = (typeof dueFilters)[number];
const dueConditions: Record<DueFilter, string> = {
  missed: `(s.first_due_at < coalesce(s.first_answered_at, s.ended_at, now()) or s.resolve_due_at < coalesce(s.ended_at, now()))`,
  next: 's.due_at > now()',
};

/** The conditions that a reader may see a session `s`, of a customer `c`, and that the filters let it through. */
export function matchConversations(
  reader: Reader,
  { view, widgetId, search = '', phone, tag, priority, due }: InboxFilters,
  parameter: Parameter,
): string[] {
  const agent = parameter(reader.agentId, 'uuid');
  const where = ['s.asked_at is not null', mayList(reader, agent, parameter)];
  if (view) where.push(conditionsOf(agent)[view]);
  if (widgetId) where.push(`s.widget_id = ${parameter(widgetId)}`);
  if (due) where.push(dueConditions[due]);
  if (priority) where.push(`s.priority = ${parameter(priority)}`);
  if (tag)
    where.push(
      `exists (select from support.session_tags k where k.session_id = s.id and k.tag_id = ${parameter(tag, 'bigint')})`,
    );
  const names = `concat_ws(${betweenInSql}, s.visitor_name, c.name)`;
  const addresses = `lower(concat_ws(${betweenInSql}, s.visitor_email, c.email_key) collate pg_c_utf8)`;
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
