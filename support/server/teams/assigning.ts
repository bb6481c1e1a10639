import type { PlatformDb, Transaction } from '@aether/platform';
import { seenWithin } from '../agents/agents.ts';
import { addEntry } from '../conversations/entries.ts';
import type { AssigningRule } from './teams.ts';

/*
 * Conversations that nobody has are given to agents, by the rule of their widget's team: by turns, or to the agent with the fewest open
 * ones. Only agents who are there get any, none beyond the team's limit, and one who speaks the visitor's language comes first. An agent
 * who gave a conversation back does not get it again.
 *
 * One transaction gives one conversation. It holds the agents of the team first, and then takes the conversation that has waited longest
 * among those that nobody else holds. So of two servers that give at once, the second sees what the first gave, and whose turn it is then;
 * also if an agent is in two teams. It waits for no conversation, so that it cannot block an agent who claims one.
 */

const isWaiting = `s.status = 'active' and s.handler = 'agent' and s.agent_id is null and s.asked_at is not null
  and (s.snoozed_until is null or s.snoozed_until <= now())`;
const isThere = `a.is_active and a.availability = 'online' and a.last_seen_at > now() - ${seenWithin}`;
const mainPart = (language: string) => `lower(split_part(${language}, '-', 1))`;

type Ruled = { id: string; name: string; assigning: AssigningRule; open_max: number | null };

/**
 * SQL: whether the rules may have something to do: somebody is there who may get a conversation, or somebody is not and has one unopened.
 * It reads the agents of teams with a rule, and no conversation but by the index of those that are unopened.
 */
export const mayAssign = `exists (
  select from support.team_members m join support.teams t on t.id = m.team_id and t.assigning <> 'none'
    join support.agents a on a.id = m.agent_id
  where ${isThere} or (
    select s.agent_id from support.sessions s
    where s.agent_id = m.agent_id and s.status = 'active' and s.is_new_to_agent limit 1) is not null)`;

/** The teams in which a conversation waits that the rule may give to somebody. */
export function listRuledTeams(on: Pick<PlatformDb, 'query'>): Promise<Ruled[]> {
  return on.query<Ruled>(
    `select t.id, t.name, t.assigning, t.open_max from support.teams t
     where t.assigning <> 'none'
       and exists (select from support.team_members m join support.agents a on a.id = m.agent_id where m.team_id = t.id and ${isThere})
       and exists (
         select from support.sessions s join support.widgets w on w.id = s.widget_id where w.team_id = t.id and ${isWaiting})
     order by t.id`,
  );
}

/** No limit is higher. An agent may have years of conversations that nobody ended: to count them all, at each turn, would take long. */
const countedMax = 1_000;

export type Given = { session_id: string; agent_id: string };

/** Gives the team's next conversation to an agent. @returns undefined if none waits, or nobody can get one */
export async function giveNext(tx: Transaction, team: Ruled): Promise<Given | undefined> {
  await tx.query(
    `select from support.agents a where a.id in (select m.agent_id from support.team_members m where m.team_id = $1)
     order by a.id for no key update`,
    [team.id],
  );
  const [found] = await tx.query<Given & { language: string | null }>(
    `with free as materialized (
       select m.agent_id, m.languages, m.assigned_at, o.open
       from support.team_members m join support.agents a on a.id = m.agent_id
         cross join lateral (
           select count(*) as open from (
             select from support.sessions s
             where s.agent_id = m.agent_id and s.status = 'active' and s.asked_at is not null
               and (s.snoozed_until is null or s.snoozed_until <= now()) limit ${countedMax}) counted) o
       where m.team_id = $1 and ${isThere} and ($2::integer is null or o.open < $2)),
     waiting as (
       select s.id, ${mainPart('coalesce(s.language, c.preferred_language)')} as language
       from support.sessions s join support.widgets w on w.id = s.widget_id left join platform.customers c on c.id = s.customer_id
       where w.team_id = $1 and ${isWaiting}
         and exists (select from free f where not exists (select from support.session_entries e where ${isGivenBack}))
       order by s.priority = 'urgent' desc, s.priority = 'high' desc, s.priority = 'low', coalesce(s.waiting_since, s.asked_at), s.id
       limit 1 for update of s skip locked)
     select s.id as session_id, f.agent_id, case when s.language = any (f.languages) then s.language end as language
     from waiting s cross join free f
     where not exists (select from support.session_entries e where ${isGivenBack})
     order by coalesce(s.language = any (f.languages), false) desc, ${team.assigning === 'least_open' ? 'f.open, ' : ''}
       f.assigned_at nulls first, f.agent_id
     limit 1`,
    [team.id, team.open_max],
  );
  if (!found) return undefined;
  const { session_id, agent_id, language } = found;
  await tx.query(`update support.sessions set agent_id = $2, is_new_to_agent = true where id = $1`, [
    session_id,
    agent_id,
  ]);
  await tx.query(
    'update support.team_members set assigned_at = clock_timestamp() where team_id = $1 and agent_id = $2',
    [team.id, agent_id],
  );
  await addEntry(tx, session_id, 'assigned_by_rule', { toAgentId: agent_id, body: describe(team, language) });
  return { session_id, agent_id };
}

/** The agent `f` gave the conversation `s` back: the entry `e` says so. */
const isGivenBack = `e.session_id = s.id and e.kind = 'released' and e.agent_id = f.agent_id`;

const ruleNames = { none: '', round_robin: 'by turns', least_open: 'to who had the fewest open' };

function describe({ name, assigning }: Ruled, language: string | null): string {
  return `${name}: ${ruleNames[assigning]}${language ? `, among those who speak ${language}` : ''}`;
}

const takenMax = 20;

/**
 * Takes back what the rule gave to agents who have gone away since and have not opened it, while the visitor waits: somebody else gets it.
 *
 * @returns the conversations
 */
export async function takeBackUnseen(tx: Transaction): Promise<string[]> {
  const taken = await tx.query<{ id: string; agent_id: string }>(
    `with gone as (
       select s.id, s.agent_id
       from support.team_members m join support.teams t on t.id = m.team_id and t.assigning <> 'none'
         join support.agents a on a.id = m.agent_id and not coalesce(${isThere}, false)
         join support.sessions s on s.agent_id = a.id and s.status = 'active' and s.asked_at is not null
         join support.widgets w on w.id = s.widget_id and w.team_id = t.id
       where s.is_new_to_agent and s.waiting_since is not null
         and (select e.kind from support.session_entries e
              where e.session_id = s.id and e.kind in ('assigned_by_rule', 'assigned', 'claimed', 'released', 'reopened')
              order by e.created_at desc limit 1) = 'assigned_by_rule'
       limit ${takenMax} for update of s skip locked)
     update support.sessions s set agent_id = null, is_new_to_agent = false from gone g where s.id = g.id
     returning s.id, g.agent_id`,
  );
  for (const { id, agent_id } of taken) await addEntry(tx, id, 'taken_back', { toAgentId: agent_id });
  return taken.map(({ id }) => id);
}
