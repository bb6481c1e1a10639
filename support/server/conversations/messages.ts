import { refuseMissingFile, type SentFile } from '@aether/files';
import { NotFound, type Queryable, requireSameContent, type User } from '@aether/platform';
import { type FoundReader, requireFound, selectReader } from './readers.ts';
import { AgentInactive, SessionClaimed, SessionEnded } from './sessions.ts';

/** A choice that a bot offers the visitor below a message. */
export type Choice = { id: string; label: string };

/** How a message came by e-mail. `id` is that of the whole mail. */
export type MessageMail = {
  id: string;
  /** Not from the address that the visitor had left. */
  is_other: boolean;
  /** It was longer than a message may be. */
  is_cut: boolean;
  /** How many attachments the whole mail has. */
  attachments: number;
  /** It answers no mail of ours: nothing says that whoever wrote it reads the mailbox of its sender. */
  is_unproven?: boolean;
  /** It has opened the conversation; `subject` is its subject. */
  is_new?: boolean;
  subject?: string;
  /** What our own mail server found of its sender's domain. */
  vouched?: 'pass' | 'fail';
  /** Attachments that are not among the files. */
  refused?: { name: string; why: string }[];
  /** How many more are in the whole mail only: ornaments of its text, signatures, and what is beyond a number. */
  left_out?: number;
};

export type Message = {
  id: string;
  /** Dense within the session, from 1, in the order in which the server took the messages. */
  number: number;
  author: 'visitor' | 'agent' | 'bot';
  agent_name: string | null;
  client_id: string;
  body: string;
  choices: Choice[] | null;
  files: SentFile[] | null;
  /** Of a message that came by e-mail. */
  mail: MessageMail | null;
  created_at: Date;
};

const messageColumns = `m.id, m.number, m.author, u.name as agent_name, m.client_id, m.body, m.choices, m.files, m.mail, m.created_at`;
const messageTables =
  'support.messages m left join support.agents a on a.id = m.agent_id left join platform.users u on u.id = a.user_id';

export type NewMessage = {
  author: Message['author'];
  /** Of an agent's message. The first agent to answer is assigned the conversation. */
  agentId?: string;
  clientId: string;
  body: string;
  choices?: Choice[];
  /** Ids of complete uploads of the author in this conversation. */
  files?: string[] | undefined;
  mail?: MessageMail;
};

export type Added = { message: Message; isNew: boolean };

type Row = Message & {
  outcome:
    | 'stored'
    | 'known'
    | 'no_file'
    | 'no_session'
    | 'bot_answers'
    | 'ended'
    | 'no_agent'
    | 'agent_inactive'
    | 'claimed';
  agent_id: string | null;
};

const addedColumns = `a.outcome, a.agent_name, (a.message).id, (a.message).number, (a.message).author, (a.message).agent_id,
      (a.message).client_id, (a.message).body, (a.message).choices, (a.message).files, (a.message).mail, (a.message).created_at`;
const add = {
  name: 'message-add',
  text: `select ${addedColumns}
    from support.add_message($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) a`,
};

/**
 * Stores a message, in a transaction or as one of its own. A repetition with the same client_id is not stored again, even if the session
 * has ended since.
 *
 * @throws NotFound, SessionEnded, SessionClaimed, AgentInactive, ClientIdReused; Problem 409 when a file is not there
 */
export async function addMessage(on: Queryable, sessionId: string, message: NewMessage): Promise<Added> {
  return readAdded(await callAdd(on, sessionId, message), message);
}

/**
 * Stores a visitor's message in a session without a bot, as `addMessage` does.
 *
 * @returns undefined, and stores nothing, if a bot has to answer.
 * @throws as `addMessage`; NotFound also if the session has another token by now.
 */
export async function addMessageForAgents(
  on: Queryable,
  sessionId: string,
  { tokenHash, ...given }: { tokenHash: Buffer; clientId: string; body: string; files?: string[] | undefined },
): Promise<Added | undefined> {
  const message = { author: 'visitor' as const, ...given };
  const row = await callAdd(on, sessionId, message, tokenHash, true);
  return row.outcome === 'bot_answers' ? undefined : readAdded(row, message);
}

/** Without the right there is no conversation that the function could write to. */
const reply = {
  name: 'message-reply',
  text: `select r.reader_id, r.session_exists, r.may_read, ${addedColumns}
    from (${selectReader}) r,
      lateral support.add_message(
        case when r.reader_id is not null and r.may_read then $3::uuid end, 'agent', r.reader_id, $4, $5, null, null, false, $6, null
      ) a`,
};

/**
 * Stores an agent's answer, as `addMessage` does, if the agent may read the conversation. Both are one statement: a visitor waits for each
 * round trip, and between two of them the right could be lost.
 *
 * @throws as `addMessage`, and as `requireReaderOf`
 */
export async function addReply(
  on: Queryable,
  actor: User,
  sessionId: string,
  { clientId, body, files }: { clientId: string; body: string; files?: string[] | undefined },
): Promise<Added> {
  const values = [actor.id, actor.role === 'admin', sessionId, clientId, body, files ?? null];
  const [found] = await on.run<FoundReader & Row>(reply, values);
  const { reader_id, session_exists, may_read, ...row } = requireFound(found, actor);
  return readAdded(row, { author: 'agent', agentId: reader_id as string, clientId, body, files });
}

async function callAdd(
  on: Queryable,
  sessionId: string,
  {
    author,
    agentId = null,
    clientId,
    body,
    choices,
    files,
    mail,
  }: Omit<NewMessage, 'agentId'> & { agentId?: string | null },
  tokenHash: Buffer | null = null,
  isForAgents = false,
): Promise<Row> {
  const given = choices ? JSON.stringify(choices) : null;
  const [row] = await on.run<Row>(add, [
    ...[sessionId, author, agentId, clientId, body, given, tokenHash, isForAgents],
    files ?? null,
    mail ? JSON.stringify(mail) : null,
  ]);
  return row as Row;
}

function readAdded({ outcome, agent_id, ...message }: Row, { agentId, body, files }: NewMessage): Added {
  if (outcome === 'no_session') throw new NotFound('session');
  if (outcome === 'no_agent') throw new NotFound('agent');
  if (outcome === 'agent_inactive') throw new AgentInactive();
  if (outcome === 'claimed') throw new SessionClaimed(message.agent_name as string);
  if (outcome === 'ended') throw new SessionEnded();
  if (outcome === 'no_file') throw refuseMissingFile();
  if (outcome === 'known')
    requireSameContent(
      { body: message.body, agent_id, files: message.files?.map(({ id }) => id) },
      { body, agent_id: agentId ?? null, files },
    );
  return { message, isNew: outcome === 'stored' };
}

const pageAfter = {
  name: 'messages-after',
  text: `select ${messageColumns} from ${messageTables} where m.session_id = $1 and m.number > $2 order by m.number limit $3`,
};

/** In order, the messages after number `after`. */
export async function listMessages(
  on: Queryable,
  sessionId: string,
  { after, limit }: { after: number; limit: number },
): Promise<Message[]> {
  return on.run<Message>(pageAfter, [sessionId, after, limit]);
}
