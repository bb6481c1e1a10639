import { type PlatformDb, repeatIfGone, type Transaction } from '@aether/platform';
import { writeEndings } from './endings.ts';

/*
 * Conversations that nobody ends end by themselves: after the hours of their widget without a message, unless the visitor waits for an
 * answer or an agent has put it aside. They end as by hand, so the CRM is told. A session in which nobody has written anything is none.
 *
 * sessions.idle_check_at says when to look at one next. It is not the time at which the conversation ends, because that moves with each
 * message. Who looks moves it on. So a look costs nothing while people write, and a message writes no index.
 */

const looksMax = 100;

/** SQL: when the idle session `s` of a widget `w` ends, if nothing happens. */
const ends = `case when w.ends_after_hours is not null
  then greatest(coalesce(s.last_message_at, s.started_at) + make_interval(hours => w.ends_after_hours), s.snoozed_until) end`;
const isIdle = `s.status = 'active' and s.waiting_since is null and (s.asked_at is not null or s.agent_id is not null)`;

/**
 * Looks at the conversations whose turn it is, at most 100, and says when to look again.
 *
 * @returns those that have to end, and whether there may be more to look at.
 */
export async function lookAtIdle(tx: Transaction): Promise<{ due: string[]; hasMore: boolean }> {
  const looked = await tx.query<{ id: string; is_due: boolean }>(
    `with looked as (
       select s.id, coalesce(${isIdle} and (${ends}) <= now(), false) as is_due,
         case when ${isIdle} then ${ends} else now() + make_interval(hours => w.ends_after_hours) end as next
       from support.sessions s join support.widgets w on w.id = s.widget_id
       where s.status = 'active' and s.idle_check_at <= now()
       order by s.idle_check_at limit ${looksMax} for update of s skip locked)
     update support.sessions s
     -- If the process ends before it has ended them, another one does in a minute.
     set idle_check_at = case when l.is_due then now() + interval '1 minute' else l.next end
     from looked l where s.id = l.id returning s.id, l.is_due`,
  );
  return { due: looked.filter(({ is_due }) => is_due).map(({ id }) => id), hasMore: looked.length === looksMax };
}

/** Ends a conversation if it still has to end. Another process may have come first. @returns whether it ended now */
export function endIdle(db: PlatformDb, id: string): Promise<boolean> {
  const end = async (tx: Transaction): Promise<boolean> => {
    const [held] = await tx.query<{ hours: number }>(
      `select w.ends_after_hours as hours from support.sessions s join support.widgets w on w.id = s.widget_id
       where s.id = $1 and ${isIdle} and (${ends}) <= now() for update of s skip locked`,
      [id],
    );
    if (held) await writeEndings(tx, [{ id, resolved: false, idleHours: held.hours }]);
    return held !== undefined;
  };
  return repeatIfGone({}, () => db.transaction({}, end));
}
