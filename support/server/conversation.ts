import { NotFound, type PlatformDb, PlatformError, type Transaction, type Write } from '@aether/platform';
import { addEntry, type Entry } from './entries.ts';
import { addMessage, ClientIdReused, type Message } from './messages.ts';
import { getSession, type LockedSession, lockSession, type Session, SessionEnded } from './sessions.ts';

/** What agents do with a conversation. Each holds the session to the end of the transaction: of two who claim it at once one has it. */

/** Look who has it; take it over only if they agree. */
export class SessionClaimed extends PlatformError {
  constructor(name: string) {
    super('session-claimed', 409, `${name} has this conversation. Take it over if you are to go on with it.`);
  }
}

/** Choose another agent: this one does not work here any more. */
export class AgentInactive extends PlatformError {
  constructor() {
    super('agent-inactive', 409, 'This agent is not active any more. Choose another one.');
  }
}

async function lockActive(tx: Transaction, id: string): Promise<LockedSession> {
  const held = await lockSession(tx, id);
  if (held.status === 'ended') throw new SessionEnded();
  return held;
}

/**
 * Makes it this agent's. Who has it already changes nothing.
 *
 * @param takeOver also from another agent.
 * @throws NotFound, SessionEnded, SessionClaimed
 */
export async function claimSession(
  tx: Transaction,
  id: string,
  { agentId, takeOver = false }: { agentId: string; takeOver?: boolean },
): Promise<Session> {
  const held = await lockActive(tx, id);
  if (held.agent_id !== agentId) await take(tx, held, agentId, takeOver);
  return getSession(tx, id);
}

async function take(tx: Transaction, held: LockedSession, agentId: string, takeOver: boolean): Promise<void> {
  if (held.agent_id !== null && !takeOver) throw new SessionClaimed(await nameOf(tx, held.agent_id));
  await tx.query(
    `update support.sessions set agent_id = $2, handler = 'agent', waiting_since = case when handler = 'bot' then now() else waiting_since end where id = $1`,
    [held.id, agentId],
  );
  await addEntry(tx, held.id, 'claimed', { agentId });
}

async function nameOf(tx: Transaction, agentId: string): Promise<string> {
  const [agent] = await tx.query<{ name: string }>(
    'select u.name from support.agents a join platform.users u on u.id = a.user_id where a.id = $1',
    [agentId],
  );
  if (!agent) throw new NotFound('agent');
  return agent.name;
}

/**
 * Gives it to an agent, or back to everybody.
 *
 * @param note for who gets it.
 * @throws NotFound, SessionEnded, AgentInactive
 */
export async function assignSession(
  tx: Transaction,
  id: string,
  { agentId, toAgentId, note }: { agentId: string; toAgentId: string | null; note?: string },
): Promise<Session> {
  const held = await lockActive(tx, id);
  if (held.agent_id === toAgentId && held.handler === 'agent') return getSession(tx, id);
  if (toAgentId !== null) {
    const [agent] = await tx.query<{ is_active: boolean }>('select is_active from support.agents where id = $1', [
      toAgentId,
    ]);
    if (!agent) throw new NotFound('agent');
    if (!agent.is_active) throw new AgentInactive();
  }
  await tx.query(
    `update support.sessions set agent_id = $2, snoozed_until = null, handler = 'agent',
       waiting_since = case when handler = 'bot' then now() else waiting_since end where id = $1`,
    [id, toAgentId],
  );
  await addEntry(tx, id, toAgentId === null ? 'released' : 'assigned', {
    agentId,
    toAgentId: toAgentId ?? undefined,
    body: note,
  });
  return getSession(tx, id);
}

/** Out of the inbox until then, or until the visitor writes. @param until null: back at once. @throws NotFound, SessionEnded */
export async function snoozeSession(
  tx: Transaction,
  id: string,
  { agentId, until }: { agentId: string; until: string | null },
): Promise<Session> {
  const held = await lockActive(tx, id);
  await tx.query('update support.sessions set snoozed_until = $2, agent_id = coalesce(agent_id, $3) where id = $1', [
    held.id,
    until,
    agentId,
  ]);
  await addEntry(tx, id, until === null ? 'woken' : 'snoozed', { agentId, body: until ?? undefined });
  return getSession(tx, id);
}

/** An agent answers; an unassigned conversation is theirs from then on. @throws NotFound, SessionEnded, SessionClaimed, ClientIdReused */
export async function replyTo(
  tx: Transaction,
  id: string,
  { agentId, clientId, body }: { agentId: string; clientId: string; body: string },
): Promise<Message> {
  const held = await lockSession(tx, id);
  if (held.agent_id !== null && held.agent_id !== agentId) {
    const sent = await tx.query(
      `select from support.messages where session_id = $1 and author = 'agent' and client_id = $2 and agent_id = $3`,
      [id, clientId, agentId],
    );
    if (sent.length === 0) throw new SessionClaimed(await nameOf(tx, held.agent_id));
  }
  const { message, isNew } = await addMessage(tx, id, { author: 'agent', agentId, clientId, body }, held);
  if (isNew && held.agent_id === null) await addEntry(tx, id, 'claimed', { agentId });
  return message;
}

/** For agents' eyes only; also after the end. Sent again with its client_id it is noted once. @throws NotFound, ClientIdReused */
export async function noteOn(
  tx: Transaction,
  id: string,
  { agentId, clientId, body }: { agentId: string; clientId: string; body: string },
): Promise<Entry> {
  await lockSession(tx, id);
  const noted = await addEntry(tx, id, 'note', { agentId, clientId, body });
  if (noted.body !== body || noted.agent?.id !== agentId) throw new ClientIdReused();
  return noted;
}

export const summaryCharactersMax = 400;

/**
 * Ends a session and tells the CRM: one activity, however often this is repeated, whether or not Foundation has given the
 * customer a number. Of a customer who was erased it tells that there was a conversation, not what it was about.
 *
 * @param summary what it was about, for the CRM's timeline; by default what the visitor asked first.
 * @param agentId who ends it.
 * @param endsAnybodys also when another agent has it.
 * @throws NotFound, SessionClaimed; SessionEnded when it was ended with another result or summary before.
 */
export async function endSession(
  db: PlatformDb,
  id: string,
  {
    resolved,
    summary,
    agentId,
    endsAnybodys = false,
  }: { resolved: boolean; summary?: string; agentId?: string; endsAnybodys?: boolean },
  write: Write = {},
): Promise<{ session: Session; already_ended: boolean }> {
  return db.within(write, async (tx) => {
    const held = await lockSession(tx, id);
    if (held.status === 'ended') {
      const session = await getSession(tx, id);
      if (session.resolved !== resolved)
        throw new SessionEnded(
          `This conversation was ended ${session.resolved ? 'as resolved' : 'without a resolution'} before. Nothing was changed.`,
        );
      if (summary !== undefined && summary !== (await readSummary(tx, id)))
        throw new SessionEnded('This conversation was ended with another summary before. Nothing was changed.');
      return { session, already_ended: true };
    }
    if (held.agent_id !== null && held.agent_id !== agentId && !endsAnybodys)
      throw new SessionClaimed(await nameOf(tx, held.agent_id));
    await tx.query(
      `update support.sessions set status = 'ended', resolved = $2, ended_at = now(), waiting_since = null, snoozed_until = null where id = $1`,
      [id, resolved],
    );
    await addEntry(tx, id, 'ended', { agentId, body: summary }); // Support may not read what it has told the CRM
    // Seconds to one decimal: a chat of a few messages may take less than one.
    await tx.query(
      `insert into crm.activities (customer_id, type, description, metadata, occurred_at, idempotency_key)
       select c.id, 'support_chat', $2,
              jsonb_build_object('session_id', s.id, 'message_count', s.message_count, 'resolved', s.resolved,
                                 'duration_seconds', round(extract(epoch from s.ended_at - s.started_at), 1))
              || case when c.erased_at is null then jsonb_build_object(
                   'summary', coalesce($3, (select left(m.body, ${summaryCharactersMax}) from support.messages m
                                            where m.session_id = s.id and m.author = 'visitor' order by m.number limit 1))) else '{}' end,
              s.ended_at, 'session:' || s.id
       from support.sessions s join platform.customers k on k.id = s.customer_id
         join platform.customers c on c.id = coalesce(k.merged_into, k.id) where s.id = $1
       on conflict (created_by_app, idempotency_key) do nothing`,
      [id, describeEnd(resolved), summary ?? null],
    );
    return { session: await getSession(tx, id), already_ended: false };
  });
}

/** What the agent who ended it wrote that it was about. */
async function readSummary(tx: Transaction, id: string): Promise<string | null> {
  const [entry] = await tx.query<{ body: string | null }>(
    `select body from support.session_entries where session_id = $1 and kind = 'ended'`,
    [id],
  );
  return entry?.body ?? null;
}

/** What the CRM's timeline says of a finished conversation: resolved only if the agent said so. */
function describeEnd(resolved: boolean): string {
  return resolved ? 'Support conversation resolved' : 'Support conversation ended without a resolution';
}
