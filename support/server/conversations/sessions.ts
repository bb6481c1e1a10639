import {
  goesOn,
  NotFound,
  type Paging,
  type Placed,
  PlatformError,
  type Queryable,
  readList,
  type Transaction,
} from '@aether/platform';
import { type Tag, tagsOf } from '../tags/tags.ts';
import { mayList, type Reader } from './readers.ts';

/** A conversation of a visitor with Support, as agents see it. */
export type Session = {
  id: string;
  customer_id: string | null;
  /** With a claimed identity the visitor has not proven to be this customer: see `identity`. */
  customer: { id: string; name: string; email: string; account_tier: string | null } | null;
  widget: { id: string; name: string };
  agent: { id: string; name: string } | null;
  /** claimed: an address was typed, which proves nothing. verified: the host page signed it. */
  identity: 'claimed' | 'verified';
  visitor_email: string | null;
  visitor_name: string | null;
  status: 'active' | 'ended';
  resolved: boolean | null;
  /** The side that answers at present. */
  handler: 'bot' | 'agent';
  /** Opened while no agent was there. */
  is_offline: boolean;
  snoozed_until: Date | null;
  /** The time of the visitor's oldest unanswered message. */
  waiting_since: Date | null;
  message_count: number;
  /** The last message that each side has seen. */
  visitor_read_number: number;
  agent_read_number: number;
  /** A colleague assigned it to its agent, who has not opened it since. */
  is_new_to_agent: boolean;
  page: { url: string; title?: string } | null;
  language: string | null;
  time_zone: string | null;
  widget_language: string | null;
  started_at: Date;
  last_message_at: Date | null;
  ended_at: Date | null;
  last_message: { author: 'visitor' | 'agent' | 'bot'; body: string; created_at: string } | null;
  priority: 'low' | 'normal' | 'high' | 'urgent';
  first_answered_at: Date | null;
  /** When an agent is to have answered, and when it is to have ended, by the targets of the team. */
  first_due_at: Date | null;
  resolve_due_at: Date | null;
  /** The next of both that is still to be met. */
  due_at: Date | null;
  tags: Tag[];
  /** What the visitor said of it when it was over. */
  rating: { score: number; comment: string | null; created_at: string } | null;
};

/** Open a new session: this one has ended. */
export class SessionEnded extends PlatformError {
  constructor(detail = 'This conversation has ended. Start a new one.') {
    super('session-ended', 409, detail);
  }
}

/** Ask the agent who has it; take it over only if they agree. */
export class SessionClaimed extends PlatformError {
  constructor(name: string) {
    super('session-claimed', 409, `${name} has this conversation. Take it over if you are to continue it.`);
  }
}

/** Choose another agent: this one has left. */
export class AgentInactive extends PlatformError {
  constructor() {
    super('agent-inactive', 409, 'This agent is no longer active. Choose another one.');
  }
}

const lastWordsMax = 140;

export const sessionColumns = `s.id, s.customer_id, jsonb_build_object('id', w.id, 'name', w.name) as widget,
  case when c.id is not null
    then jsonb_build_object('id', c.id, 'name', c.name, 'email', c.email, 'account_tier', c.account_tier) end as customer,
  case when a.id is not null then jsonb_build_object('id', a.id, 'name', u.name) end as agent,
  s.identity, s.visitor_email, s.visitor_name, s.status, s.resolved, s.handler, s.is_offline,
  case when s.snoozed_until > now() then s.snoozed_until end as snoozed_until, s.waiting_since, s.message_count,
  s.visitor_read_number, s.agent_read_number, s.is_new_to_agent, s.page, s.language, s.time_zone, s.widget_language, s.started_at,
  s.last_message_at, s.ended_at, s.priority, s.first_answered_at, s.first_due_at, s.resolve_due_at, s.due_at,
  ${tagsOf('s.id')} as tags,
  (select jsonb_build_object('score', g.score, 'comment', g.comment, 'created_at', g.created_at)
   from support.ratings g where g.session_id = s.id) as rating,
  case when m.id is not null
    then jsonb_build_object('author', m.author, 'body', left(support.words_of(m), ${lastWordsMax}),
      'created_at', m.created_at) end as last_message`;
/** @param sessions what the sessions are read from, if not from all of them */
export const sessionTablesOf = (sessions: string) => `${sessions} s join support.widgets w on w.id = s.widget_id
  left join platform.customers k on k.id = s.customer_id left join platform.customers c on c.id = coalesce(k.merged_into, k.id)
  left join support.agents a on a.id = s.agent_id left join platform.users u on u.id = a.user_id
  left join support.messages m on m.session_id = s.id and m.number = s.message_count`;
export const sessionTables = sessionTablesOf('support.sessions');

const newestFirst = {
  order: { by: 's.started_at', type: 'timestamptz', id: 's.id', idType: 'uuid' },
  direction: 'desc',
} as const;

/** The conversations that the reader may read, newest first. */
export function listSessions(
  on: Queryable,
  reader: Reader,
  { customerId, status, ...paging }: { customerId?: string; status?: Session['status'] } & Paging,
): Promise<Placed<Session>[]> {
  return readList<Session>(on, { ...newestFirst, ...paging }, (parameter) => {
    const where = [mayList(reader, parameter(reader.agentId, 'uuid'), parameter)];
    if (customerId) where.push(`s.customer_id = ${goesOn(parameter(customerId))}`);
    if (status) where.push(`s.status = ${parameter(status)}`);
    return { columns: sessionColumns, from: sessionTables, where };
  });
}

/** A prepared statement: planning it takes longer than running it. */
const sessionById = { name: 'session-by-id', text: `select ${sessionColumns} from ${sessionTables} where s.id = $1` };

/** @throws NotFound */
export async function getSession(on: Queryable, id: string): Promise<Session> {
  const [session] = await on.run<Session>(sessionById, [id]);
  if (!session) throw new NotFound('session');
  return session;
}

export type LockedSession = {
  id: string;
  status: Session['status'];
  handler: Session['handler'];
  widget_id: string;
  agent_id: string | null;
  message_count: number;
  /** In which the widget is shown, and its chatbot answers; null: its own. */
  widget_language: string | null;
};

/**
 * Holds the session to the end of the transaction: one transaction at a time numbers its messages, claims it and ends it. @throws
 * NotFound
 */
export async function lockSession(tx: Transaction, id: string): Promise<LockedSession> {
  const [locked] = await tx.query<LockedSession>(
    'select id, status, handler, widget_id, agent_id, message_count, widget_language from support.sessions where id = $1 for update',
    [id],
  );
  if (!locked) throw new NotFound('session');
  return locked;
}
