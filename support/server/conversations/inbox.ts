import type { Queryable } from '@aether/platform';
import { mayRead, type Reader } from './readers.ts';
import { type Session, sessionColumns, sessionTables } from './sessions.ts';

/** An agent's views. They hold only conversations in which a visitor has asked something. */
export const inboxViews = ['mine', 'unassigned', 'all', 'snoozed', 'bot', 'ended'] as const;
export type InboxView = (typeof inboxViews)[number];

const isAwake = "s.status = 'active' and s.handler = 'agent' and (s.snoozed_until is null or s.snoozed_until <= now())";
/** The conditions of each view; $1 is the agent. */
const conditions: Record<InboxView, string> = {
  mine: `${isAwake} and s.agent_id = $1`,
  unassigned: `${isAwake} and s.agent_id is null`,
  all: isAwake,
  snoozed: `s.status = 'active' and s.snoozed_until > now()`,
  bot: `s.status = 'active' and s.handler = 'bot'`,
  ended: `s.status = 'ended'`,
};

/** Where a page ends: of open ones since when it waits, and the latest message; of ended ones when it ended. Times to the microsecond. */
export type InboxPlace = { waiting: string; at: string; id: string };

const micros = (time: string) => `to_char((${time}) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/**
 * Open conversations: who waits longest first, then the latest message; ended ones: the newest first.
 *
 * @param search part of the visitor's or the customer's name or address.
 */
export async function listInbox(
  on: Queryable,
  { agentId, readsAll }: Reader,
  {
    view,
    widgetId,
    search,
    after,
    limit,
  }: { view: InboxView; widgetId?: string; search?: string; after?: InboxPlace; limit: number },
): Promise<(Session & { place: InboxPlace })[]> {
  const isEnded = view === 'ended';
  const waiting = isEnded ? `'infinity'::timestamptz` : `coalesce(s.waiting_since, 'infinity')`;
  const at = isEnded ? 's.ended_at' : 's.last_message_at';
  return on.query<Session & { place: InboxPlace }>(
    `select ${sessionColumns}, jsonb_build_object('waiting', case when ${waiting} = 'infinity' then 'infinity' else ${micros(waiting)} end,
       'at', ${micros(at)}, 'id', s.id) as place
     from ${sessionTables}
     where ${conditions[view]} and s.asked_at is not null and ${mayRead('$1', '$2')}
       and ($3::uuid is null or s.widget_id = $3)
       and ($4::text is null or strpos(lower(concat_ws(' ', s.visitor_name, s.visitor_email, c.name, c.email)), lower($4)) > 0)
       and ($5::timestamptz is null or ${waiting} > $5 or (${waiting} = $5 and (${at}, s.id) < ($6::timestamptz, $7::uuid)))
     order by ${isEnded ? '' : `${waiting}, `}${at} desc, s.id desc limit $8`,
    [
      agentId,
      readsAll,
      widgetId ?? null,
      search ?? null,
      after?.waiting ?? null,
      after?.at ?? null,
      after?.id ?? null,
      limit,
    ],
  );
}

/** The number of conversations in each view except the ended one. */
export async function countInbox(
  on: Queryable,
  { agentId, readsAll }: Reader,
): Promise<Record<Exclude<InboxView, 'ended'>, number>> {
  const counted = inboxViews.filter((view) => view !== 'ended');
  const [counts] = await on.query<Record<Exclude<InboxView, 'ended'>, number>>(
    `select ${counted.map((view) => `count(*) filter (where ${conditions[view]})::integer as ${view}`).join(', ')}
     from support.sessions s where s.status = 'active' and s.asked_at is not null and ${mayRead('$1', '$2')} and ($1::uuid is null or true)`,
    [agentId, readsAll],
  );
  return counts as Record<Exclude<InboxView, 'ended'>, number>;
}
