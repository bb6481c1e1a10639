import { Problem } from '@aether/http';
import { NotFound, patchRow, type Queryable, type Transaction, type User } from '@aether/platform';

/** The active agent with this user id. */
export async function findAgent(on: Queryable, user: User | undefined): Promise<{ id: string } | undefined> {
  if (!user) return undefined;
  const [agent] = await on.query<{ id: string }>('select id from support.agents where user_id = $1 and is_active', [
    user.id,
  ]);
  return agent;
}

/** As `findAgent`, for actions that are only for agents. @throws Problem */
export async function requireAgent(on: Queryable, user: User | undefined): Promise<{ id: string }> {
  const agent = await findAgent(on, user);
  if (agent) return agent;
  throw refuseNonAgent();
}

/** 403: the person has no active row in support.agents. */
export function refuseNonAgent(): Problem {
  return new Problem({
    status: 403,
    code: 'agent-only',
    detail: 'Only a support agent may do this. Ask an administrator to make you one.',
  });
}

export const availabilities = ['online', 'away', 'offline'] as const;
export type Availability = (typeof availabilities)[number];

export type Agent = {
  id: string;
  user_id: string;
  name: string;
  email: string;
  availability: Availability;
  /** Was seen at the console in the last two minutes. */
  is_here: boolean;
  is_active: boolean;
  /** Reads what the teams read, and is given no conversation. */
  is_reader: boolean;
  /** The widgets to whose teams the agent belongs. */
  widgets: { id: string; name: string }[];
  open_sessions: number;
};

/** An agent not seen for this long counts as absent, whatever their availability says. */
export const seenWithin = "interval '2 minutes'";

const agentColumns = `a.id, a.user_id, u.name, u.email, a.availability,
  coalesce(a.last_seen_at > now() - ${seenWithin}, false) as is_here, a.is_active, u.role = 'reader' as is_reader,
  (select coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'name', w.name) order by w.name), '[]')
   from support.widget_agents t join support.widgets w on w.id = t.widget_id where t.agent_id = a.id) as widgets,
  (select count(*)::integer from support.sessions s where s.agent_id = a.id
    and s.status = 'active' and s.asked_at is not null) as open_sessions`;
const agentTables = 'support.agents a join platform.users u on u.id = a.user_id';

/** By name; former agents come last. */
export function listAgents(on: Queryable): Promise<Agent[]> {
  return on.query<Agent>(`select ${agentColumns} from ${agentTables} order by a.is_active desc, u.name, a.id`);
}

/** @throws NotFound */
export async function getAgent(on: Queryable, id: string): Promise<Agent> {
  const [agent] = await on.query<Agent>(`select ${agentColumns} from ${agentTables} where a.id = $1`, [id]);
  if (!agent) throw new NotFound('agent');
  return agent;
}

/** Makes a user an agent; a former agent becomes one again. @throws ReferenceNotFound when there is no such user */
export async function addAgent(tx: Transaction, userId: string): Promise<Agent> {
  await tx.query('insert into support.agents (user_id) values ($1) on conflict (user_id) do nothing', [userId]);
  const [agent] = await tx.query<{ id: string }>(
    'update support.agents set is_active = true where user_id = $1 returning id',
    [userId],
  );
  return getAgent(tx, (agent as { id: string }).id);
}

/**
 * An agent who leaves gives back their open conversations, so that no visitor waits for them.
 *
 * @throws NotFound
 */
export async function updateAgent(
  tx: Transaction,
  id: string,
  { availability, is_active }: { availability?: Availability; is_active?: boolean },
): Promise<Agent> {
  const given = { is_active, availability: is_active === false ? 'offline' : availability };
  await patchRow(tx, 'support.agents', id, given, ['availability', 'is_active']);
  if (is_active === false)
    await tx.query(
      `update support.sessions set agent_id = null, snoozed_until = null where agent_id = $1 and status = 'active'`,
      [id],
    );
  return getAgent(tx, id);
}

/** Records that the agent has the console open. */
export async function noteSeen(on: Queryable, agentId: string): Promise<void> {
  await on.query('update support.agents set last_seen_at = now() where id = $1', [agentId]);
}
