import type { SentFile } from '@aether/files';
import { mentionsOf, type Queryable, type Transaction } from '@aether/platform';

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
    | 'moved_back'
    | 'ended'
    | 'tagged'
    | 'untagged'
    | 'prioritised'
    | 'mailed'
    | 'mail_failed'
    | 'mail_doubtful'
    | 'mail_automatic'
    | 'reopened'
    | 'expired'
    | 'returned'
    | 'assigned_by_rule'
    | 'taken_back';
  agent: { id: string; name: string } | null;
  to_agent: { id: string; name: string } | null;
  body: string | null;
  /** The people whom a note mentions, with their names now. */
  mentions: { id: string; name: string }[];
  /** Of a note. */
  files: SentFile[] | null;
  created_at: Date;
  /** Of a move to another customer. `is_latest`: it can be taken back. The name of an erased customer is null. */
  move?: {
    id: string;
    from: { id: string; name: string | null };
    to: { id: string; name: string | null };
    is_latest: boolean;
  } | null;
};

const entryColumns = `e.id, e.kind, case when a.id is not null then jsonb_build_object('id', a.id, 'name', u.name) end as agent,
  case when b.id is not null then jsonb_build_object('id', b.id, 'name', v.name) end as to_agent, e.body, ${mentionsOf('e.body')},
  e.files, e.created_at`;
const entryTables = `support.session_entries e left join support.agents a on a.id = e.agent_id
  left join platform.users u on u.id = a.user_id
  left join support.agents b on b.id = e.to_agent_id left join platform.users v on v.id = b.user_id`;

/** Writes an entry; if the client_id was used before, it returns that entry. */
export async function addEntry(
  tx: Transaction,
  sessionId: string,
  kind: Exclude<Entry['kind'], 'moved' | 'moved_back'>,
  given: {
    agentId?: string;
    toAgentId?: string;
    body?: string;
    clientId?: string;
    /** Its id, and the files that were given to it by that. */
    withFiles?: { id: string; files: SentFile[] } | undefined;
  } = {},
): Promise<Entry> {
  const { agentId = null, toAgentId = null, body = null, clientId = null, withFiles } = given;
  const [made] = await tx.query<{ id: string }>(
    `insert into support.session_entries (id, session_id, kind, agent_id, to_agent_id, body, client_id, files)
     values (coalesce($7, uuidv7()), $1, $2, $3, $4, $5, $6, $8) on conflict (session_id, client_id) do nothing returning id`,
    [
      ...[sessionId, kind, agentId, toAgentId, body, clientId],
      withFiles?.id ?? null,
      withFiles ? JSON.stringify(withFiles.files) : null,
    ],
  );
  const [entry] = await tx.query<Entry>(
    `select ${entryColumns} from ${entryTables} where e.session_id = $1 and (e.id = $2 or ($2::uuid is null and e.client_id = $3))`,
    [sessionId, made?.id ?? null, clientId],
  );
  return entry as Entry;
}

/** The entry that an earlier attempt has written. */
export async function findEntry(tx: Transaction, sessionId: string, clientId: string): Promise<Entry | undefined> {
  const [entry] = await tx.query<Entry>(
    `select ${entryColumns} from ${entryTables} where e.session_id = $1 and e.client_id = $2`,
    [sessionId, clientId],
  );
  return entry;
}

/** Of more entries than this only the newest are returned. */
const entriesMax = 500;

/** In the order in which they were made. The moves to another customer are kept with those of calls and activities. */
export async function listEntries(on: Queryable, sessionId: string): Promise<Entry[]> {
  const [newest, moves] = await Promise.all([
    on.query<Entry>(
      `select ${entryColumns} from ${entryTables} where e.session_id = $1 order by e.created_at desc, e.id desc limit ${entriesMax}`,
      [sessionId],
    ),
    on.query<Entry>(`${movesOfSession} order by created_at desc, id limit ${entriesMax}`, [sessionId]),
  ]);
  const entries = [...newest, ...moves].sort((one, other) => one.created_at.getTime() - other.created_at.getTime());
  return entries.slice(-entriesMax);
}

/** Each move is an entry, and each undo is another one. */
const movesOfSession = `
  select case x.kind when 'moved' then m.id else md5('undo of ' || m.id)::uuid end as id, x.kind,
    case when a.id is not null then jsonb_build_object('id', a.id, 'name', u.name) end as agent, null as to_agent,
    x.body, '[]'::jsonb as mentions, null as files, x.at as created_at, jsonb_build_object('id', m.id,
      'from', jsonb_build_object('id', f.id, 'name', case when f.erased_at is null then f.name end),
      'to', jsonb_build_object('id', t.id, 'name', case when t.erased_at is null then t.name end),
      'is_latest', x.kind = 'moved' and m.undone_at is null and not exists (
        select from platform.moves l where l.kind = m.kind and l.record_id = m.record_id and l.undone_at is null and l.id > m.id)) as move
  from platform.moves m
    join platform.customers o on o.id = m.from_id join platform.customers f on f.id = coalesce(o.merged_into, o.id)
    join platform.customers n on n.id = m.to_id join platform.customers t on t.id = coalesce(n.merged_into, n.id)
    cross join lateral (
      values ('moved', m.moved_at, m.actor, m.reason), ('moved_back', m.undone_at, m.undone_by, null)) x (kind, at, actor, body)
    left join support.agents a on a.user_id = x.actor left join platform.users u on u.id = x.actor
  where m.kind = 'session' and m.record_id = $1 and x.at is not null`;
