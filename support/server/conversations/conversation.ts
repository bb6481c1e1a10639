import { type Owner, type SentFile, sendFiles } from '@aether/files';
import {
  NotFound,
  type PlatformDb,
  type Queryable,
  repeatIfGone,
  requireMentions,
  requireSameContent,
  type Transaction,
  type Write,
} from '@aether/platform';
import { readSummary, writeEndings } from './endings.ts';
import { addEntry, type Entry, findEntry } from './entries.ts';
import { listReaders } from './readers.ts';
import {
  AgentInactive,
  getSession,
  type LockedSession,
  lockSession,
  type Session,
  SessionClaimed,
  SessionEnded,
} from './sessions.ts';

/**
 * Agents' actions on a conversation. Each holds the session to the end of the transaction: of two agents who claim it at once one gets
 * it.
 */

async function lockActive(tx: Transaction, id: string): Promise<LockedSession> {
  const held = await lockSession(tx, id);
  if (held.status === 'ended') throw new SessionEnded();
  return held;
}

/**
 * Assigns the conversation to this agent. If the agent already has it, nothing changes.
 *
 * @param takeOver also when another agent has it.
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
  await holdActiveAgent(tx, agentId);
  await tx.query(
    `update support.sessions set agent_id = $2, is_new_to_agent = false, handler = 'agent',
      waiting_since = case when handler = 'bot' then now() else waiting_since end where id = $1`,
    [held.id, agentId],
  );
  await addEntry(tx, held.id, 'claimed', { agentId });
}

/**
 * Keeps the agent active to the end of the transaction. An agent who leaves gives back the open conversations; without this lock a
 * conversation that is given to them at that moment would stay with them.
 *
 * @throws NotFound, AgentInactive
 */
export async function holdActiveAgent(tx: Transaction, id: string): Promise<void> {
  const [agent] = await tx.query<{ is_active: boolean }>(
    'select is_active from support.agents where id = $1 for share',
    [id],
  );
  if (!agent) throw new NotFound('agent');
  if (!agent.is_active) throw new AgentInactive();
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
 * Assigns the conversation to an agent, or returns it to everybody. For an agent who gets it from a colleague it is unread.
 *
 * @param note for the agent who gets it.
 * @throws NotFound, SessionEnded, AgentInactive; InvalidField for a mention of somebody who may not read it
 */
export async function assignSession(
  tx: Transaction,
  id: string,
  { agentId, toAgentId, note }: { agentId: string; toAgentId: string | null; note?: string },
): Promise<Session> {
  const held = await lockActive(tx, id);
  if (held.agent_id === toAgentId && held.handler === 'agent') return getSession(tx, id);
  if (toAgentId !== null) await holdActiveAgent(tx, toAgentId);
  await tx.query(
    `update support.sessions
     set agent_id = $2, is_new_to_agent = coalesce($2::uuid <> $3::uuid, false), snoozed_until = null, handler = 'agent',
       waiting_since = case when handler = 'bot' then now() else waiting_since end where id = $1`,
    [id, toAgentId, agentId],
  );
  // Who gets it may read it from now on.
  if (note !== undefined) await requireReadersIn(tx, id, 'note', note);
  await addEntry(tx, id, toAgentId === null ? 'released' : 'assigned', {
    agentId,
    toAgentId: toAgentId ?? undefined,
    body: note,
  });
  return getSession(tx, id);
}

/** Hides it from the inbox until then, or until the visitor writes. @param until null: back at once. @throws NotFound, SessionEnded */
export async function snoozeSession(
  tx: Transaction,
  id: string,
  { agentId, until }: { agentId: string; until: string | null },
): Promise<Session> {
  const held = await lockActive(tx, id);
  if (held.agent_id === null) await holdActiveAgent(tx, agentId);
  await tx.query('update support.sessions set snoozed_until = $2, agent_id = coalesce(agent_id, $3) where id = $1', [
    held.id,
    until,
    agentId,
  ]);
  await addEntry(tx, id, until === null ? 'woken' : 'snoozed', { agentId, body: until ?? undefined });
  return getSession(tx, id);
}

/** Only people who may read a conversation are mentioned in it: its text is not for the others. @throws InvalidField */
async function requireReadersIn(tx: Transaction, id: string, field: string, words: string): Promise<void> {
  await requireMentions(tx, words, { field, findReaders: () => listReaderIds(tx, id) });
}

/** The users who may read it at this moment. */
export async function listReaderIds(on: Queryable, id: string): Promise<string[]> {
  const readers = (await listReaders(on, [id])).get(id);
  return readers ? [...readers.team, ...readers.administrators] : [];
}

export type NewNote = {
  agentId: string;
  userId: string | null;
  clientId: string;
  body: string;
  files?: string[] | undefined;
};

/**
 * A note for agents' eyes only; also after the end. A repetition with the same client_id adds nothing.
 *
 * @param files ids of complete uploads of the same person in this conversation.
 * @throws NotFound, ClientIdReused; InvalidField for a mention of somebody who may not read it; Problem 409 when a file is not there
 */
export async function noteOn(
  tx: Transaction,
  id: string,
  { agentId, userId, clientId, body, files }: NewNote,
): Promise<Entry> {
  await lockSession(tx, id);
  const noted = (await findEntry(tx, id, clientId)) ?? (await addNote());
  requireSameContent(
    { body: noted.body, agentId: noted.agent?.id, files: noted.files?.map((file) => file.id) },
    { body, agentId, files },
  );
  return noted;

  async function addNote(): Promise<Entry> {
    await requireReadersIn(tx, id, 'body', body);
    const withFiles = files && (await sendWithEntry(tx, files, { parentId: id, createdBy: userId }));
    return addEntry(tx, id, 'note', { agentId, clientId, body, withFiles });
  }
}

/** Files name their record, so its id comes first. */
async function sendWithEntry(tx: Transaction, ids: string[], owner: Owner): Promise<{ id: string; files: SentFile[] }> {
  const [row] = await tx.query<{ id: string }>('select uuidv7() as id');
  const { id } = row as { id: string };
  return { id, files: await sendFiles(tx, ids, owner, id) };
}

/**
 * Ends a session and adds one activity to the CRM, however often this is repeated.
 *
 * @param summary the subject for the CRM's timeline; by default the visitor's first question.
 * @param agentId the agent who ends it.
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
  const end = async (tx: Transaction): Promise<{ session: Session; already_ended: boolean }> => {
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
    await writeEndings(tx, [{ id, resolved, summary, agentId }]);
    return { session: await getSession(tx, id), already_ended: false };
  };
  return repeatIfGone(write, () => db.within(write, end));
}
