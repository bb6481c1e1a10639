import { type Caller, Problem } from '@aether/http';
import { NotFound, type Parameter, type PlatformDb, prepareLookup, type Queryable, runLookup } from '@aether/platform';
import { findAgent, refuseNonAgent } from '../agents/agents.ts';

/**
 * The one place that decides who may read a conversation, with its messages, notes and events: the agent to whom it is assigned, the active
 * agents of the widget's team (all of them if the widget has no team), and administrators of Support. An administrator of Support is an
 * administrator who is also an active agent: a person without an active row in support.agents reads no conversation, whatever their role in
 * Foundation is. A machine reads all of them with a scope of conversations.
 */
export type Reader = {
  /** Null for a machine. */
  agentId: string | null;
  readsAll: boolean;
  /** The widgets of other teams, as the primary knows them: for a list that a replica answers. See `findListReader`. */
  barred?: string[];
};

/** The reader for a caller, if the caller may read conversations at all. */
export async function findReader(on: Queryable, caller: Caller | undefined): Promise<Reader | undefined> {
  const { actor, scopes } = caller ?? {};
  const isAllowed = ['conversations.read', 'conversations.write'].some((scope) => scopes?.has(scope));
  if (!actor) return isAllowed ? { agentId: null, readsAll: true } : undefined;
  const agent = await findAgent(on, actor);
  return agent && { agentId: agent.id, readsAll: actor.role === 'admin' };
}

/** As `findReader`, for routes that are about conversations. @throws Problem 403 */
export async function requireReader(on: Queryable, caller: Caller | undefined): Promise<Reader> {
  const reader = await findReader(on, caller);
  if (!reader) throw refuseNonAgent();
  return reader;
}

/**
 * As `findReader`, for a list. A replica may not know yet who has left a team, or that a widget has one now; so where there is one, the primary is
 * asked which widgets are closed to the agent.
 */
export async function findListReader(
  db: Pick<PlatformDb, 'query' | 'run' | 'replicaState'>,
  caller: Caller | undefined,
): Promise<Reader | undefined> {
  const reader = await findReader(db, caller);
  if (!reader || reader.readsAll || !db.replicaState()) return reader;
  const others = await db.query<{ id: string }>(
    `select distinct t.widget_id as id from support.widget_agents t
     where not exists (select from support.widget_agents o where o.widget_id = t.widget_id and o.agent_id = $1)`,
    [reader.agentId],
  );
  return { ...reader, barred: others.map(({ id }) => id) };
}

/** As `findListReader`, for routes that are about conversations. @throws Problem 403 */
export async function requireListReader(
  db: Pick<PlatformDb, 'query' | 'run' | 'replicaState'>,
  caller: Caller | undefined,
): Promise<Reader> {
  const reader = await findListReader(db, caller);
  if (!reader) throw refuseNonAgent();
  return reader;
}

/**
 * The condition in SQL that a session `s` of a list may be read.
 *
 * @param agent the parameter with the reader's `agentId`.
 */
export function mayList({ readsAll, barred = [] }: Reader, agent: string, parameter: Parameter): string {
  const may = mayRead(agent, parameter(readsAll, 'boolean'));
  if (barred.length === 0) return may;
  return `${may} and (s.agent_id = ${agent}::uuid or s.widget_id <> all (${parameter(barred, 'uuid[]')}))`;
}

/**
 * The condition in SQL that a session `s` may be read.
 *
 * @param agent the parameter with the reader's `agentId`, such as `$1`.
 * @param all the parameter with `readsAll`.
 */
export function mayRead(agent: string, all: string): string {
  return `(${all}::boolean or ${isOfAgent(`${agent}::uuid`)})`;
}

const isOfAgent = (agent: string) => `(s.agent_id = ${agent}
  or not exists (select from support.widget_agents t where t.widget_id = s.widget_id)
  or exists (select from support.widget_agents t where t.widget_id = s.widget_id and t.agent_id = ${agent}))`;

/**
 * As `requireReader`, and refuses a conversation that is another team's. It asks the database once, because every message of an agent
 * waits for it.
 *
 * @throws NotFound, Problem 403
 */
export async function requireReaderOf(on: Queryable, caller: Caller | undefined, sessionId: string): Promise<Reader> {
  const { actor } = caller ?? {};
  const readsAll = actor === undefined ? (await requireReader(on, caller)).readsAll : actor.role === 'admin';
  const [found] = await on.run<FoundReader>(readerOf, [actor?.id ?? null, readsAll, sessionId]);
  return { agentId: requireFound(found, actor).reader_id, readsAll };
}

/** Whether a caller may read a conversation, and as which agent. */
export type FoundReader = { reader_id: string | null; session_exists: boolean; may_read: boolean | null };

/** One row. $1: the person's user id, $2: whether they read all conversations if they are an agent, $3: the conversation. */
export const selectReader = `select a.id as reader_id, s.id is not null as session_exists, ${mayRead('a.id', '$2')} as may_read
    from (select $1::text as user_id) caller
      left join support.agents a on a.user_id = caller.user_id and a.is_active
      left join support.sessions s on s.id = $3`;
const readerOf = { name: 'session-reader', text: selectReader };

/** @throws NotFound, Problem 403 */
export function requireFound<Found extends FoundReader>(found: Found | undefined, actor: Caller['actor']): Found {
  if (actor && !found?.reader_id) throw refuseNonAgent();
  if (!found?.session_exists) throw new NotFound('session');
  if (!found.may_read)
    throw new Problem({
      status: 403,
      code: 'conversation-of-another-team',
      detail:
        'This conversation belongs to another team. Ask one of its agents, or an administrator, to assign it to you.',
    });
  return found;
}

/** The people who may read a conversation at this moment, by user id. */
export type Readers = {
  /** Its assigned agent and its team. */
  team: string[];
  /** Agents who are administrators. */
  administrators: string[];
};

/** By conversation; one that does not exist is omitted. */
export async function listReaders(on: Queryable, sessionIds: string[]): Promise<Map<string, Readers>> {
  const rows = await runLookup<{ id: string } & Readers>(on, readersOf, sessionIds);
  return new Map(rows.map(({ id, ...readers }) => [id, readers]));
}

const readersOf = prepareLookup(
  'session-readers',
  'uuid',
  `select s.id,
     array(select a.user_id from support.agents a where a.is_active and ${isOfAgent('a.id')}) as team,
     array(
       select a.user_id from support.agents a join platform.users u on u.id = a.user_id
       where a.is_active and u.role = 'admin'
     ) as administrators
   from support.sessions s
   where s.id`,
);
