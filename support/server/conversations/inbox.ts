import {
  betweenInSql,
  collectValues,
  keyset,
  matchCustomer,
  matchName,
  matchPhone,
  type Paging,
  type Parameter,
  type Placed,
  type Queryable,
  type SearchedPhone,
  wordsOf,
} from '@aether/platform';
import { mayList, type Reader } from './readers.ts';
import { type Session, sessionColumns, sessionTables, sessionTablesOf } from './sessions.ts';

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

/** The conversations that are read in the order of the list, per row of the page, before the indexes of words are asked. */
const lookAheadPerRow = 40;
/** The newest conversations in which the rarest of several words is found. */
const sampleMax = 1_000;
/** The rarest word is searched among this many. */
const comparedWordsMax = 5;

/**
 * Open conversations: the visitor who waits longest first, then the latest message. Ended ones: the newest first.
 *
 * A search tries two ways. Whoever has a frequent word is in the first stretch of the list, in its order; a rare word is found by the indexes
 * of visitors and of customers.
 */
export async function listInbox(
  on: Queryable,
  reader: Reader,
  {
    view,
    order: asked = 'waiting',
    search = '',
    phone,
    after,
    limit,
    ...filters
  }: InboxFilters & { view: InboxView; order?: InboxOrder | undefined } & Paging,
): Promise<Placed<Session>[]> {
  const isByDue = asked === 'due' && view !== 'ended';
  const order = isByDue ? byDue : view === 'ended' ? byEnd : byWaiting;
  const read = (fromWhere: (within: string, orderBy: string, parameter: Parameter) => string) => {
    const { values, parameter } = collectValues();
    const { where, orderBy, place } = keyset(order, isByDue ? 'asc' : 'desc', after, parameter);
    const within = [...matchConversations(reader, { view, ...filters }, parameter), where].join(' and ');
    return on.query<Placed<Session>>(
      `select ${sessionColumns}, ${place} from ${fromWhere(within, orderBy, parameter)}
       order by ${orderBy} limit ${parameter(limit)}`,
      values,
    );
  };
  const searched = { search, phone };
  if (wordsOf(search).length === 0) return read((within) => `${sessionTables} where ${within}`);
  const near = await read((within, orderBy, parameter) => {
    const stretch = `(select * from support.sessions s where ${within} order by ${orderBy} limit ${lookAheadPerRow * limit})`;
    return `${sessionTablesOf(stretch)} where ${matchSearch(searched, parameter)}`;
  });
  if (near.length >= limit) return near;
  const rarest = await findRarest(on, search);
  return read(
    (within, _, parameter) =>
      `${sessionTables} where ${within} and ${matchSearch(searched, parameter)} and s.id = any (${findByIndex(rarest, phone, parameter)})`,
  );
}

/** SQL: the ids of the conversations whose visitor, or whose customer, has the word or the number, as an array; perhaps of some others. */
export function findByIndex(word: string, phone: SearchedPhone | undefined, parameter: Parameter): string {
  const ofVisitor = matchName(`coalesce(o.visitor_name, '')`, word, parameter, {
    also: `lower(coalesce(o.visitor_email, '') collate pg_c_utf8)`,
    byIndex: true,
  });
  const found = [
    `select c.id from platform.customers c where c.merged_into is null and ${matchCustomer(word, parameter, {})}`,
    ...(phone
      ? [`select c.id from platform.customers c where c.merged_into is null and ${matchPhone(phone, parameter)}`]
      : []),
  ];
  return `array(
    select o.id from support.sessions o where coalesce(o.visitor_name, o.visitor_email) is not null and ${ofVisitor}
    union all
    select o.id from support.sessions o where o.customer_id = any (array(
      with found as materialized (${found.join(' union all ')})
      select f.id from found f
      union all select k.id from platform.customers k where k.merged_into = any (array(select f.id from found f)))))`;
}

/** The rarest of the first few words among the newest conversations; of equally rare ones the longest. */
async function findRarest(on: Queryable, search: string): Promise<string> {
  const words = wordsOf(search).slice(0, comparedWordsMax);
  const { values, parameter } = collectValues();
  const counts = words.map((word) => `count(*) filter (where ${matchSearch({ search: word }, parameter)})::integer`);
  const newest = `(select * from support.sessions order by started_at desc, id desc limit ${sampleMax})`;
  const [row] =
    words.length < 2
      ? []
      : await on.query<{ counts: number[] }>(
          `select array[${counts.join(', ')}] as counts from ${sessionTablesOf(newest)}`,
          values,
        );
  const ranked = words.map((word, index) => ({ word, count: row?.counts[index] ?? 0 }));
  ranked.sort((one, other) => one.count - other.count || other.word.length - one.word.length);
  return ranked[0]?.word ?? '';
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
/** The same as `missed` of ended conversations, as their index has it: sessions_missed. */
const missedAtEnd = `(s.first_due_at < coalesce(s.first_answered_at, s.ended_at) or s.resolve_due_at < s.ended_at)`;

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
  if (due) where.push(due === 'missed' && view === 'ended' ? missedAtEnd : dueConditions[due]);
  if (priority) where.push(`s.priority = ${parameter(priority)}`);
  if (tag)
    where.push(
      `exists (select from support.session_tags k where k.session_id = s.id and k.tag_id = ${parameter(tag, 'bigint')})`,
    );
  if (wordsOf(search).length > 0) where.push(matchSearch({ search, phone }, parameter));
  return where;
}

/** The condition that a session `s`, of a customer `c`, has every word in the names or addresses of both, or the number. */
function matchSearch({ search = '', phone }: Pick<InboxFilters, 'search' | 'phone'>, parameter: Parameter): string {
  const names = `concat_ws(${betweenInSql}, s.visitor_name, c.name)`;
  const addresses = `lower(concat_ws(${betweenInSql}, s.visitor_email, c.email_key) collate pg_c_utf8)`;
  const everyWord = wordsOf(search).map((word) => matchName(names, word, parameter, { also: addresses }));
  return `((${everyWord.join(' and ')})${phone ? ` or ${matchPhone(phone, parameter, 'rows')}` : ''})`;
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
