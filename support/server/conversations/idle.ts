import { type PlatformDb, repeatIfGone, type Transaction } from '@aether/platform';
import { writeEndings } from './endings.ts';

/*
 * Conversations that nobody ends end by themselves: after the hours of their widget without a message, unless the visitor waits for an
 * answer or an agent has put it aside. They end as by hand, so the CRM is told. A session in which nobody has written anything is none.
 *
 * sessions.idle_check_at says when to look at one next. It is not the time at which the conversation ends, because that moves with each
 * message. Who looks moves it on, by no more than the hours of the widget. So a look costs nothing while people write, and a message writes
 * no index. A look that is never to come, or comes later than the widget's hours from now, is from before these hours were set: it is due.
 * So a change of the hours writes the widget alone, however many conversations are open.
 */

const looksMax = 100;

/** SQL: when the idle session `s` of a widget `w` ends, if nothing happens. */
const ends = `case when w.ends_after_hours is not null
  then greatest(coalesce(s.last_message_at, s.started_at) + make_interval(hours => w.ends_after_hours), s.snoozed_until) end`;
const isIdle = `s.status = 'active' and s.waiting_since is null and (s.asked_at is not null or s.agent_id is not null)`;

const hours = 'make_interval(hours => w.ends_after_hours)';

/** SQL: some sessions of the widget `w` whose next look is from before its hours were set. Each part is a stretch of an index. */
const fromFormerHours = (max: number) => `
  (select s.id from support.sessions s
   where s.widget_id = w.id and s.status = 'active' and s.idle_check_at is null order by s.idle_check_at limit ${max})
  union all
  (select s.id from support.sessions s
   where s.widget_id = w.id and s.status = 'active' and s.idle_check_at > now() + ${hours} order by s.idle_check_at limit ${max})`;

/** SQL: whether there is anything to look at. The widgets' last looks: at most one of each is read. */
export const hasIdle = `(
  coalesce((select s.idle_check_at from support.sessions s
    where s.status = 'active' and s.idle_check_at is not null
    order by s.idle_check_at limit 1) <= now(), false)
  or exists (select from support.widgets w cross join lateral (
      select s.idle_check_at from support.sessions s where s.widget_id = w.id and s.status = 'active'
      order by s.idle_check_at desc nulls first limit 1) last
    where w.ends_after_hours is not null and (last.idle_check_at is null or last.idle_check_at > now() + ${hours})))`;

/**
 * Looks at the conversations whose turn it is, at most 100, and says when to look again.
 *
 * @returns those that have to end, and whether there may be more to look at.
 */
export async function lookAtIdle(tx: Transaction): Promise<{ due: string[]; hasMore: boolean }> {
  const looked = await tx.query<{ id: string; is_due: boolean }>(
    `with found as materialized (
       (select s.id from support.sessions s where s.status = 'active' and s.idle_check_at <= now()
        order by s.idle_check_at limit ${looksMax})
       union all
       (select former.id from support.widgets w cross join lateral (${fromFormerHours(looksMax)}) former
        where w.ends_after_hours is not null limit ${looksMax})
       limit ${looksMax}),
     looked as (
       select s.id, coalesce(${isIdle} and (${ends}) <= now(), false) as is_due,
         case when ${isIdle} then least(${ends}, now() + ${hours}) else now() + ${hours} end as next
       from support.sessions s join support.widgets w on w.id = s.widget_id
       where s.id in (select f.id from found f) and s.status = 'active' for update of s skip locked)
     update support.sessions s
     -- If the process ends before it has ended them, another one does in a minute.
     set idle_check_at = case when l.is_due then now() + interval '1 minute' else l.next end
     from looked l where s.id = l.id returning s.id, l.is_due`,
  );
  return { due: looked.filter(({ is_due }) => is_due).map(({ id }) => id), hasMore: looked.length === looksMax };
}

/**
 * Ends a conversation if it still has to end. Another process may have come first. It waits for whoever holds it, such as a turn that
 * computes its times: to pass it over would put its end off by a minute.
 *
 * @returns whether it ended now
 */
export function endIdle(db: PlatformDb, id: string): Promise<boolean> {
  const end = async (tx: Transaction): Promise<boolean> => {
    const [held] = await tx.query<{ hours: number }>(
      `select w.ends_after_hours as hours from support.sessions s join support.widgets w on w.id = s.widget_id
       where s.id = $1 and ${isIdle} and (${ends}) <= now() for update of s`,
      [id],
    );
    if (held) await writeEndings(tx, [{ id, resolved: false, idleHours: held.hours }]);
    return held !== undefined;
  };
  return repeatIfGone({}, () => db.transaction({}, end));
}
