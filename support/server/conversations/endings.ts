import type { Transaction } from '@aether/platform';

export const summaryCharactersMax = 400;

/** How a conversation ended: `summary` is the agent's own description of its subject. */
export type Ending = { id: string; resolved: boolean; summary?: string; agentId?: string };

/**
 * How long the session `s` was snoozed. Each time ends with a message, when an agent wakes, snoozes or assigns the conversation, at its own
 * end, or with the conversation.
 */
const secondsSnoozed = `
  select coalesce(sum(extract(epoch from greatest(least(
           n.body::timestamptz, s.ended_at,
           (select min(m.created_at) from support.messages m
            where m.session_id = s.id and m.created_at > n.created_at and m.author in ('visitor', 'agent')),
           (select min(o.created_at) from support.session_entries o
            where o.session_id = s.id and o.created_at > n.created_at
              and o.kind in ('snoozed', 'woken', 'assigned', 'released', 'handed_over'))
         ) - n.created_at, interval '0'))), 0)
  from support.session_entries n where n.session_id = s.id and n.kind = 'snoozed'`;

/**
 * Ends open conversations, and adds one activity each to the CRM, whether or not Foundation has given the customer a number. The activity
 * says
 * “resolved” only if the agent resolved it, and “unverified” if the visitor only typed the customer's address. An erased customer accepts
 * no
 * new activity, so the CRM gets none.
 *
 * @param tx holds the sessions.
 */
export async function writeEndings(tx: Transaction, endings: Ending[]): Promise<void> {
  const rows = [JSON.stringify(endings)];
  await tx.query(
    `update support.sessions s set status = 'ended', resolved = e.resolved, ended_at = now(), waiting_since = null, snoozed_until = null
     from jsonb_to_recordset($1::jsonb) as e (id uuid, resolved boolean) where s.id = e.id`,
    rows,
  );
  // The summary is kept here too: Support may not read its own activities in the CRM.
  await tx.query(
    `insert into support.session_entries (session_id, kind, agent_id, body)
     select e.id, 'ended', e."agentId", e.summary from jsonb_to_recordset($1::jsonb) as e (id uuid, "agentId" uuid, summary text)`,
    rows,
  );
  // Seconds to one decimal, without the time for which it was snoozed: a chat of a few messages may take less than one.
  await tx.query(
    `insert into crm.activities (customer_id, type, description, metadata, occurred_at, idempotency_key)
     select c.id, 'support_chat',
            case when s.resolved then 'Support conversation resolved' else 'Support conversation ended without a resolution' end
            || case when s.identity = 'claimed' then ' (unverified visitor)' else '' end,
            jsonb_build_object('session_id', s.id, 'identity', s.identity, 'message_count', s.message_count, 'resolved', s.resolved,
                               'duration_seconds', round(extract(epoch from s.ended_at - s.started_at) - (${secondsSnoozed}), 1))
            || jsonb_build_object(
                 'summary', coalesce(e.summary, (select left(m.body, ${summaryCharactersMax}) from support.messages m
                                                 where m.session_id = s.id and m.author = 'visitor' order by m.number limit 1))),
            s.ended_at, 'session:' || s.id
     from jsonb_to_recordset($1::jsonb) as e (id uuid, summary text)
       join support.sessions s on s.id = e.id join platform.customers k on k.id = s.customer_id
       join platform.customers c on c.id = coalesce(k.merged_into, k.id) and c.erased_at is null
     on conflict (created_by_app, idempotency_key) do nothing`,
    rows,
  );
}

/** The agent's own description of the subject. */
export async function readSummary(tx: Transaction, id: string): Promise<string | null> {
  const [entry] = await tx.query<{ body: string | null }>(
    `select body from support.session_entries where session_id = $1 and kind = 'ended'`,
    [id],
  );
  return entry?.body ?? null;
}
