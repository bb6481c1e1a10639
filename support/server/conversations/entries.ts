import type { Queryable, Transaction } from '@aether/platform';

/** An agent's note or action in a conversation, or a finding about the visitor. The visitor sees none of it. */
export type Entry = {
  id: string;
  kind:
    | 'note'
    | 'claimed'
    | 'assigned'
    | 'released'
    | 'snoozed'
    | 'woken'
    | 'handed_over'
    | 'identified'
    | 'verified'
    | 'moved'
    | 'ended';
  agent: { id: string; name: string } | null;
  to_agent: { id: string; name: string } | null;
  body: string | null;
  created_at: Date;
};

const entryColumns = `e.id, e.kind, case when a.id is not null then jsonb_build_object('id', a.id, 'name', u.name) end as agent,
  case when b.id is not null then jsonb_build_object('id', b.id, 'name', v.name) end as to_agent, e.body, e.created_at`;
const entryTables = `support.session_entries e left join support.agents a on a.id = e.agent_id
  left join platform.users u on u.id = a.user_id
  left join support.agents b on b.id = e.to_agent_id left join platform.users v on v.id = b.user_id`;

/** Writes an entry; if the client_id was used before, it returns that entry. */
export async function addEntry(
  tx: Transaction,
  sessionId: string,
  kind: Entry['kind'],
  given: { agentId?: string; toAgentId?: string; body?: string; clientId?: string } = {},
): Promise<Entry> {
  const { agentId = null, toAgentId = null, body = null, clientId = null } = given;
  const [made] = await tx.query<{ id: string }>(
    `insert into support.session_entries (session_id, kind, agent_id, to_agent_id, body, client_id) values ($1, $2, $3, $4, $5, $6)
     on conflict (session_id, client_id) do nothing returning id`,
    [sessionId, kind, agentId, toAgentId, body, clientId],
  );
  const [entry] = await tx.query<Entry>(
    `select ${entryColumns} from ${entryTables} where e.session_id = $1 and (e.id = $2 or ($2::uuid is null and e.client_id = $3))`,
    [sessionId, made?.id ?? null, clientId],
  );
  return entry as Entry;
}

/** Of more entries than this only the newest are returned. */
const entriesMax = 500;

/** In the order in which they were made. */
export async function listEntries(on: Queryable, sessionId: string): Promise<Entry[]> {
  const newest = await on.query<Entry>(
    `select ${entryColumns} from ${entryTables} where e.session_id = $1 order by e.created_at desc, e.id desc limit ${entriesMax}`,
    [sessionId],
  );
  return newest.reverse();
}
