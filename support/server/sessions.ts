import {
  NotFound,
  type PlatformDb,
  PlatformError,
  type Queryable,
  type Transaction,
  type Write,
} from '@aether/platform';
import { createVisitorToken, hashVisitorToken } from './tokens.ts';

/** A conversation of a visitor with Support. */
export type Session = {
  id: string;
  customer_id: string | null;
  widget: { id: string; name: string };
  agent: { id: string; name: string } | null;
  /** claimed: an address was typed, which proves nothing. verified: the host page signed it. */
  identity: 'claimed' | 'verified';
  visitor_email: string;
  visitor_name: string;
  status: 'active' | 'ended';
  resolved: boolean | null;
  message_count: number;
  started_at: Date;
  last_message_at: Date | null;
  ended_at: Date | null;
};

/** Open a new session: this one has ended. */
export class SessionEnded extends PlatformError {
  constructor(detail = 'This conversation has ended. Start a new one.') {
    super('session-ended', 409, detail);
  }
}

const sessionColumns = `s.id, s.customer_id, jsonb_build_object('id', w.id, 'name', w.name) as widget,
  case when a.id is not null then jsonb_build_object('id', a.id, 'name', u.name) end as agent,
  s.identity, s.visitor_email, s.visitor_name, s.status, s.resolved, s.message_count, s.started_at, s.last_message_at, s.ended_at`;
const sessionTables = `support.sessions s join support.widgets w on w.id = s.widget_id
  left join support.agents a on a.id = s.agent_id left join platform.users u on u.id = a.user_id`;

/**
 * A visitor starts to chat: finds or creates the customer of the address, makes it Support's too, and opens a session, in
 * one transaction. The visitor only claims the address, so nothing of a known customer is changed or given away.
 *
 * @returns the visitor's token, which is not stored and cannot be had again.
 * @throws NotFound when there is no such widget, InvalidEmail
 */
export async function openSession(
  db: PlatformDb,
  { widgetKey, email, name }: { widgetKey: string; email: string; name: string },
  write: Write = {},
): Promise<{ session_id: string; visitor_token: string; status: 'active'; started_at: Date }> {
  const { token, hash } = createVisitorToken();
  return db.within(write, async (tx) => {
    const [widget] = await tx.query<{ id: string }>('select id from support.widgets where key = $1 and is_active', [
      widgetKey,
    ]);
    if (!widget) throw new NotFound('widget');
    const { customer } = await db.findOrCreateCustomer({ email, name }, { tx });
    if (customer.support_id === null) await db.adoptCustomer(customer.id, { tx });
    const [session] = await tx.query<{ id: string; started_at: Date }>(
      `insert into support.sessions (widget_id, customer_id, visitor_email, visitor_name, token_hash)
       values ($1, $2, $3, $4, $5) returning id, started_at`,
      [widget.id, customer.id, email, name, hash],
    );
    const { id, started_at } = session as { id: string; started_at: Date };
    return { session_id: id, visitor_token: token, status: 'active', started_at };
  });
}

/** The session that this visitor opened. @throws NotFound, the same for a wrong token and for no such session */
export async function requireVisitorSession(on: Queryable, id: string, visitorToken: string): Promise<void> {
  const found = await on.query('select from support.sessions where id = $1 and token_hash = $2', [
    id,
    hashVisitorToken(visitorToken),
  ]);
  if (found.length === 0) throw new NotFound('session');
}

/** Where a page of sessions ends: the time to the microsecond, and the id. */
export type SessionPlace = { at: string; id: string };

const beforeEverything: SessionPlace = { at: 'infinity', id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' };

/** Newest first, from behind `after`. */
export async function listSessions(
  on: Queryable,
  {
    customerId,
    status,
    after = beforeEverything,
    limit,
  }: { customerId?: string; status?: Session['status']; after?: SessionPlace; limit: number },
): Promise<(Session & { place: SessionPlace })[]> {
  return on.query<Session & { place: SessionPlace }>(
    `select ${sessionColumns},
       jsonb_build_object('id', s.id, 'at', to_char(s.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) as place
     from ${sessionTables}
     where ($1::uuid is null or s.customer_id = $1) and ($2::text is null or s.status = $2) and (s.started_at, s.id) < ($3, $4)
     order by s.started_at desc, s.id desc limit $5`,
    [customerId ?? null, status ?? null, after.at, after.id, limit],
  );
}

/** @throws NotFound */
export async function getSession(on: Queryable, id: string): Promise<Session> {
  const [session] = await on.query<Session>(`select ${sessionColumns} from ${sessionTables} where s.id = $1`, [id]);
  if (!session) throw new NotFound('session');
  return session;
}

/** Holds the session to the end of the transaction: messages are numbered, and it is ended, by one at a time. @throws NotFound */
export async function lockSession(tx: Transaction, id: string): Promise<{ status: Session['status'] }> {
  const [locked] = await tx.query<{ status: Session['status'] }>(
    'select status from support.sessions where id = $1 for update',
    [id],
  );
  if (!locked) throw new NotFound('session');
  return locked;
}

export const summaryCharactersMax = 400;

/**
 * Ends a session and tells the CRM: one activity, however often this is repeated, whether or not Foundation has given the
 * customer a number.
 *
 * @param summary what it was about, for the CRM's timeline; by default what the visitor asked first.
 * @throws NotFound; SessionEnded when it was ended with another result before.
 */
export async function endSession(
  db: PlatformDb,
  id: string,
  { resolved, summary }: { resolved: boolean; summary?: string },
  write: Write = {},
): Promise<{ session: Session; already_ended: boolean }> {
  return db.within(write, async (tx) => {
    const { status } = await lockSession(tx, id);
    if (status === 'ended') {
      const session = await getSession(tx, id);
      if (session.resolved !== resolved)
        throw new SessionEnded(
          `This conversation was ended ${session.resolved ? 'as resolved' : 'without a resolution'} before. Nothing was changed.`,
        );
      return { session, already_ended: true };
    }
    await tx.query(`update support.sessions set status = 'ended', resolved = $2, ended_at = now() where id = $1`, [
      id,
      resolved,
    ]);
    // Seconds to one decimal: a chat of a few messages may take less than one.
    await tx.query(
      `insert into crm.activities (customer_id, type, description, metadata, occurred_at, idempotency_key)
       select coalesce(c.merged_into, c.id), 'support_chat', $2,
              jsonb_build_object('session_id', s.id, 'message_count', s.message_count, 'resolved', s.resolved,
                                 'summary', coalesce($3, (select left(m.body, ${summaryCharactersMax}) from support.messages m
                                                          where m.session_id = s.id and m.author = 'visitor' order by m.number limit 1)),
                                 'duration_seconds', round(extract(epoch from s.ended_at - s.started_at), 1)),
              s.ended_at, 'session:' || s.id
       from support.sessions s join platform.customers c on c.id = s.customer_id where s.id = $1
       on conflict (created_by_app, idempotency_key) do nothing`,
      [id, describeEnd(resolved), summary ?? null],
    );
    return { session: await getSession(tx, id), already_ended: false };
  });
}

/** What the CRM's timeline says of a finished conversation: resolved only if the agent said so. */
function describeEnd(resolved: boolean): string {
  return resolved ? 'Support conversation resolved' : 'Support conversation ended without a resolution';
}
