import { collectValues, type Paging, type Placed, type Queryable, readList } from '@aether/platform';
import { mayRead, type Reader } from './readers.ts';
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

/**
 * Open conversations: the visitor who waits longest first, then the latest message. Ended ones: the newest first.
 *
 * @param search part of the visitor's or the customer's name or address.
 */
export function listInbox(
  on: Queryable,
  { agentId, readsAll }: Reader,
  { view, widgetId, search, ...paging }: { view: InboxView; widgetId?: string; search?: string } & Paging,
): Promise<Placed<Session>[]> {
  const order = view === 'ended' ? byEnd : byWaiting;
  return readList<Session>(on, { order, direction: 'desc', ...paging }, (parameter) => {
    const [agent, all] = [parameter(agentId, 'uuid'), parameter(readsAll, 'boolean')];
    const where = [conditionsOf(agent)[view], 's.asked_at is not null', mayRead(agent, all)];
    if (widgetId) where.push(`s.widget_id = ${parameter(widgetId)}`);
    const words = `lower(concat_ws(' ', s.visitor_name, s.visitor_email, c.name, c.email))`;
    if (search) where.push(`strpos(${words}, lower(${parameter(search, 'text')})) > 0`);
    return { columns: sessionColumns, from: sessionTables, where };
  });
}

/** The number of conversations in each view except the ended one. */
export async function countInbox(
  on: Queryable,
  { agentId, readsAll }: Reader,
): Promise<Record<Exclude<InboxView, 'ended'>, number>> {
  const counted = inboxViews.filter((view) => view !== 'ended');
  const { values, parameter } = collectValues();
  const [agent, all] = [parameter(agentId, 'uuid'), parameter(readsAll, 'boolean')];
  const conditions = conditionsOf(agent);
  const [counts] = await on.query<Record<Exclude<InboxView, 'ended'>, number>>(
    `select ${counted.map((view) => `count(*) filter (where ${conditions[view]})::integer as ${view}`).join(', ')}
     from support.sessions s
     where s.status = 'active' and s.asked_at is not null and ${mayRead(agent, all)}`,
    values,
  );
  return counts as Record<Exclude<InboxView, 'ended'>, number>;
}
