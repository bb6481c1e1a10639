import type { Transaction } from '@aether/platform';

export const summaryCharactersMax = 400;

/** How a conversation ended: `summary` is the agent's own description of its subject. */
export type Ending = {
  id: string;
  resolved: boolean;
  summary?: string;
  agentId?: string;
  /** Nobody wrote for so many hours: it ends by itself. */
  idleHours?: number;
};

/**
 * Ends open conversations, and adds one activity each to the CRM, whether or not Foundation has given the customer a number. The activity
 * says
 * “resolved” only if the agent resolved it, and “unverified” if the visitor only typed the customer's address. An erased customer accepts
 * no
 * new activity, so the CRM gets none. Of a conversation that ended before and was opened again, the activity is brought up to date.
 *
 * @param tx holds the sessions.
 */
export async function writeEndings(tx: Transaction, endings: Ending[]): Promise<void> {
  const rows = [JSON.stringify(endings)];
  await tx.query(
    `update support.sessions s set status = 'ended', resolved = e.resolved, ended_at = now(), waiting_since = null, snoozed_until = null,
       due_at = null, warn_at = null
     from jsonb_to_recordset($1::jsonb) as e (id uuid, resolved boolean) where s.id = e.id`,
    rows,
  );
  // The summary is kept here too: Support may not read its own activities in the CRM.
  await tx.query(
    `insert into support.session_entries (session_id, kind, agent_id, body)
     select e.id, case when e."idleHours" is null then 'ended' else 'expired' end, e."agentId",
       coalesce(e.summary, e."idleHours"::text)
     from jsonb_to_recordset($1::jsonb) as e (id uuid, "agentId" uuid, summary text, "idleHours" integer)`,
    rows,
  );
  await tx.query(
    `insert into crm.activities (customer_id, type, description, metadata, occurred_at, idempotency_key)
     select a.customer_id, a.type, a.description, a.metadata, a.occurred_at, a.idempotency_key
     from jsonb_to_recordset($1::jsonb) as e (id uuid) cross join lateral support.activity_of_session(e.id) a
     on conflict (created_by_app, idempotency_key) do nothing`,
    rows,
  );
  await tx.query('select support.retell_session(e.id) from jsonb_to_recordset($1::jsonb) as e (id uuid)', rows);
}

/** The agent's own description of the subject. */
export async function readSummary(tx: Transaction, id: string): Promise<string | null> {
  const [entry] = await tx.query<{ body: string | null }>(
    `select case when kind = 'ended' then body end as body from support.session_entries
     where session_id = $1 and kind in ('ended', 'expired') order by created_at desc limit 1`,
    [id],
  );
  return entry?.body ?? null;
}
