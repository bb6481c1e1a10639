import { type Queryable, requireSameContent, type Transaction } from '@aether/platform';
import { type LockedSession, lockSession, SessionEnded } from './sessions.ts';

/** A choice that a bot offers the visitor below a message. */
export type Choice = { id: string; label: string };

export type Message = {
  id: string;
  /** Dense within the session, from 1, in the order in which the server took the messages. */
  number: number;
  author: 'visitor' | 'agent' | 'bot';
  agent_name: string | null;
  client_id: string;
  body: string;
  choices: Choice[] | null;
  created_at: Date;
};

const messageColumns = 'm.id, m.number, m.author, u.name as agent_name, m.client_id, m.body, m.choices, m.created_at';
const messageTables =
  'support.messages m left join support.agents a on a.id = m.agent_id left join platform.users u on u.id = a.user_id';

export type NewMessage = {
  author: Message['author'];
  agentId?: string;
  clientId: string;
  body: string;
  choices?: Choice[];
};

/** How a message changes its conversation, by author. */
const effects: Record<Message['author'], string> = {
  visitor: `asked_at = coalesce(asked_at, now()), snoozed_until = null,
    waiting_since = case when handler = 'agent' then coalesce(waiting_since, now()) end`,
  agent: `waiting_since = null, snoozed_until = null, handler = 'agent', agent_id = coalesce(agent_id, $4::uuid)`,
  bot: `waiting_since = waiting_since`,
};

/**
 * Stores a message. A repetition with the same client_id is not stored again, even if the session has ended since.
 *
 * @param held the session, if the transaction holds it already.
 * @throws NotFound, SessionEnded, ClientIdReused
 */
export async function addMessage(
  tx: Transaction,
  sessionId: string,
  { author, agentId, clientId, body, choices }: NewMessage,
  held?: LockedSession,
): Promise<{ message: Message; isNew: boolean }> {
  const { status } = held ?? (await lockSession(tx, sessionId));
  const find = async () => {
    const [found] = await tx.query<Message & { agent_id: string | null }>(
      `select ${messageColumns}, m.agent_id from ${messageTables} where m.session_id = $1 and m.author = $2 and m.client_id = $3`,
      [sessionId, author, clientId],
    );
    return found;
  };
  const known = await find();
  if (known) {
    const { agent_id, ...message } = known;
    requireSameContent({ body: known.body, agent_id }, { body, agent_id: agentId ?? null });
    return { message, isNew: false };
  }
  if (status === 'ended') throw new SessionEnded();
  await tx.query(
    `with counted as (
       update support.sessions set message_count = message_count + 1, last_message_at = now(), ${effects[author]}
       where id = $1 returning message_count)
     insert into support.messages (session_id, number, author, agent_id, client_id, body, choices)
     select $1, message_count, $2, $4::uuid, $3, $5, $6::jsonb from counted`,
    [sessionId, author, clientId, agentId ?? null, body, choices ? JSON.stringify(choices) : null],
  );
  const { agent_id: _, ...message } = (await find()) as Message & { agent_id: string | null };
  return { message, isNew: true };
}

/** In order, the messages after number `after`. */
export async function listMessages(
  on: Queryable,
  sessionId: string,
  { after, limit }: { after: number; limit: number },
): Promise<Message[]> {
  return on.query<Message>(
    `select ${messageColumns} from ${messageTables} where m.session_id = $1 and m.number > $2 order by m.number limit $3`,
    [sessionId, after, limit],
  );
}
