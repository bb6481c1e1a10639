import { CustomerErased, type Transaction } from '@aether/platform';
import { holdActiveAgent } from './conversation.ts';
import { addEntry } from './entries.ts';
import { getSession, lockSession, type Session } from './sessions.ts';

/*
 * A conversation that has ended is open again when its visitor writes within the days that its widget says, when a mail of theirs comes, or
 * when an agent opens it. It stays one conversation, with its agent, its tags and its one activity in the CRM. An agent who has left or
 * become a reader since, or has not been seen for a day when the visitor returns, does not have it any more: it waits for the team.
 */

/** An agent who has not been seen for so long is absent; a night is shorter. */
const absentAfter = `interval '24 hours'`;

/**
 * @param tx holds the session.
 * @returns whether it had ended.
 */
export async function reopen(
  tx: Transaction,
  id: string,
  kind: 'reopened' | 'returned',
  { agentId }: { agentId?: string } = {},
): Promise<boolean> {
  const opened = await tx.query(
    `update support.sessions s set status = 'active', resolved = null, ended_at = null, idle_check_at = now(), clocked_at = null,
       agent_id = (
         select a.id from support.agents a
         where a.id = s.agent_id and a.is_active and not ($2 and coalesce(a.last_seen_at < now() - ${absentAfter}, false)) for share)
     where s.id = $1 and s.status = 'ended' returning id`,
    [id, kind === 'returned'],
  );
  if (opened.length === 0) return false;
  await addEntry(tx, id, kind, { agentId });
  await tx.query('select support.retell_session($1)', [id]);
  return true;
}

/**
 * The visitor writes in a conversation that has ended: it is open again, unless that is too long ago, or the person was erased since.
 *
 * @param tx holds the session.
 * @returns whether it is open now.
 */
export async function reopenForVisitor(tx: Transaction, id: string): Promise<boolean> {
  const [may] = await tx.query(`select from support.sessions s where s.id = $1 and ${mayReturn}`, [id]);
  return may !== undefined && (await reopen(tx, id, 'returned'));
}

/** SQL: when a visitor can no longer open an ended session `s` again by writing; null if they cannot anyway. */
export const returnsUntil = `(
  select s.ended_at + make_interval(days => w.reopens_days) from support.widgets w
  where w.id = s.widget_id and w.reopens_days > 0 and s.status = 'ended'
    and not exists (select from platform.customers c where c.id = s.customer_id and c.erased_at is not null))`;
/** SQL: whether a message of the visitor of an ended session `s` opens it again; null if it does not. */
export const mayReturn = `${returnsUntil} > now()`;

/** An agent opens it again. If nobody has it, it is theirs. @throws NotFound, CustomerErased, AgentInactive */
export async function reopenByAgent(
  tx: Transaction,
  id: string,
  { agentId }: { agentId: string },
): Promise<{ session: Session; was_open: boolean }> {
  await lockSession(tx, id);
  const [erased] = await tx.query(
    `select from support.sessions s join platform.customers c on c.id = s.customer_id
     where s.id = $1 and s.status = 'ended' and c.erased_at is not null`,
    [id],
  );
  if (erased) throw new CustomerErased();
  const isOpened = await reopen(tx, id, 'reopened', { agentId });
  if (isOpened) {
    if ((await lockSession(tx, id)).agent_id === null) await holdActiveAgent(tx, agentId);
    await tx.query(
      `update support.sessions
       set agent_id = coalesce(agent_id, $2), is_new_to_agent = coalesce(agent_id <> $2, false), handler = 'agent'
       where id = $1`,
      [id, agentId],
    );
  }
  return { session: await getSession(tx, id), was_open: !isOpened };
}
