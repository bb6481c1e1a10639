import { rowsOf, type Sql } from '../sql.ts';
import { type LoggedEvent, loggedColumns } from './log.ts';

/** Where an event is with one subscription. */
export type Effect = {
  subscription: string;
  app: string;
  /**
   * not-shown: the app may not see it. filtered: not of its types. not-reached: the subscription is before it. waiting, retrying, dead: it is
   * parked. skipped: somebody gave it up. before: the subscription is younger than the event, and past it. handled: none of these.
   */
  effect: 'not-shown' | 'filtered' | 'not-reached' | 'waiting' | 'retrying' | 'dead' | 'skipped' | 'before' | 'handled';
  position: number;
  is_paused: boolean;
  pause_reason: string | null;
  /** It is handled again because of a rewind. */
  is_again: boolean;
  attempt_at: Date | null;
  /** Of a waiting event: the failed event that it waits behind. */
  behind: number | null;
  attempts: { attempt: number; ended_at: string; duration_ms: number | null; process: string; failed: boolean }[];
  error_class: string | null;
  shape: string | null;
  skipped_by: { operation: number; actor: string | null; reason: string | null; at: string } | null;
};

/** What every subscription made of an event. */
export function listEffects(client: Sql, position: number): Promise<Effect[]> {
  return rowsOf<Effect>(
    client,
    `select s.name as subscription, s.app, case
         when not sync.may_read(s.app, e.audience) then 'not-shown'
         when s.types is not null and e.type <> all (s.types) then 'filtered'
         when p.position is not null then p.state
         when e.position > sync.position_for(s, e.key, e.customer) then 'not-reached'
         when k.operation is not null and h.handled_at is null then 'skipped'
         when s.created_at > e.sequenced_at and a.attempts is null then 'before'
         else 'handled' end as effect,
       s.position::float8 as position, s.is_paused, s.pause_reason, e.position > s.position and e.position <= s.replay_until as is_again,
       p.attempt_at, case when p.state = 'waiting' then (
         select max(b.position)::float8 from sync.parked b
         where b.subscription = s.name and b.position < e.position and b.attempts > 0
           and (b.key = p.key or s.holds = 'customer' and b.customer = any (sync.list_merged(p.customer)))) end as behind,
       coalesce(a.attempts, '[]') as attempts, c.error_class, c.shape,
       case when p.position is null and k.operation is not null and h.handled_at is null then to_jsonb(k) end as skipped_by
     from sync.events e cross join sync.subscriptions s
       left join sync.parked p on p.subscription = s.name and p.position = e.position
       left join sync.causes c on c.subscription = p.subscription and c.cause = p.cause
       left join lateral (
         select jsonb_agg(jsonb_build_object('attempt', t.attempt, 'ended_at', t.ended_at, 'duration_ms', t.duration_ms,
           'process', t.process, 'failed', t.error is not null) order by t.id) as attempts
         from (select * from sync.attempts n where n.position = e.position and n.subscription = s.name order by n.id desc limit 20) t) a
         on true
       left join lateral (
         select o.id as operation, o.actor, o.reason, o.done_at as at from sync.operations o
         where o.kind = 'event.skip' and o.scope ->> 'position' = e.position::text and o.scope ->> 'subscription' = s.name
         union all
         select r.id, r.actor, r.reason, r.confirmed_at from sync.bulk_items i join sync.bulk_runs r on r.id = i.run
         where i.position = e.position and i.state = 'skipped' and r.subscription = s.name
         order by at desc limit 1) k on true
       -- After a skip, a replay may have handled it.
       left join lateral (
         select max(t.ended_at) as handled_at from sync.attempts t
         where t.position = e.position and t.subscription = s.name and t.error is null and t.ended_at > k.at) h on true
     where e.position = $1 order by s.name`,
    [position],
  );
}

/** Columns of a customer whose last change can be asked for. */
export const tracedFields = [
  'name',
  'email',
  'phone',
  'company_id',
  'account_tier',
  'account_manager_id',
  'crm_id',
  'support_id',
  'preferred_language',
  'timezone',
  'merged_into',
  'erased_at',
] as const;
export type TracedField = (typeof tracedFields)[number];

/** Why a field of a customer shows what it shows: the newest event that set it, if the log still has it. */
export async function findChange(client: Sql, customer: string, field: TracedField): Promise<LoggedEvent | undefined> {
  const [event] = await rowsOf<LoggedEvent>(
    client,
    `select ${loggedColumns} from sync.list_events_of_customer($1) l join sync.events e on e.position = l
     where e.type in ('customer.created', 'customer.updated') and e.key = $1::text and (e.previous ? $2 or e.type = 'customer.created')
     order by e.position desc limit 1`,
    [customer, field],
  );
  return event;
}

/** The customer that an address belongs to, or that this id leads to today, after all merges. */
export async function findCustomer(
  client: Sql,
  wanted: { id: string } | { emailKey: string },
): Promise<string | undefined> {
  const [row] = await rowsOf<{ id: string }>(
    client,
    'id' in wanted
      ? 'select coalesce(c.merged_into, c.id) as id from platform.customers c where c.id = $1'
      : `select coalesce(c.merged_into, c.id) as id from platform.customer_emails a join platform.customers c on c.id = a.customer_id
         where a.email_key = $1`,
    ['id' in wanted ? wanted.id : wanted.emailKey],
  );
  return row?.id;
}
