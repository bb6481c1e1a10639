import { NotFound, PlatformError, patchRow, type Queryable, type Transaction, VersionConflict } from '@aether/platform';
import type { Holiday, OfficeHours } from '../widgets/officehours.ts';
import type { Targets } from './clocks.ts';

export const assigningRules = ['none', 'round_robin', 'least_open'] as const;
export type AssigningRule = (typeof assigningRules)[number];

/** Agents who answer together: when, how conversations are given to them, and how soon they are to answer. */
export type Team = {
  id: string;
  name: string;
  assigning: AssigningRule;
  /** So many open conversations of an agent keep the rule from giving another one. */
  open_max: number | null;
  /** Null: people are always there. */
  hours: (OfficeHours & { holidays: Holiday[] }) | null;
  /** Null: no clock runs. */
  targets: Targets | null;
  members: TeamMember[];
  widgets: { id: string; name: string }[];
  version: number;
};
export type TeamMember = { agent: { id: string; name: string }; languages: string[] };

/** What is in a team's hands; `members` replaces all of them. */
export type TeamChange = Partial<Pick<Team, 'name' | 'assigning' | 'open_max' | 'hours' | 'targets'>> & {
  members?: { agent_id: string; languages: string[] }[] | undefined;
};

/** Give its widgets to another team first. */
export class TeamInUse extends PlatformError {
  constructor(widgets: string[]) {
    super(
      'team-in-use',
      409,
      `The team answers ${widgets.length === 1 ? 'a widget' : 'widgets'}: ${widgets.join(', ')}. Give ${widgets.length === 1 ? 'it' : 'them'} to another team first.`,
    );
  }
}

const columns = `t.id, t.name, t.assigning, t.open_max, t.hours, t.targets, t.version,
  (select coalesce(jsonb_agg(jsonb_build_object('agent', jsonb_build_object('id', a.id, 'name', u.name), 'languages', m.languages)
      order by u.name, a.id), '[]')
   from support.team_members m join support.agents a on a.id = m.agent_id join platform.users u on u.id = a.user_id
   where m.team_id = t.id) as members,
  (select coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'name', w.name) order by w.name, w.id), '[]')
   from support.widgets w where w.team_id = t.id) as widgets`;

/** By name. */
export function listTeams(on: Queryable): Promise<Team[]> {
  return on.query<Team>(`select ${columns} from support.teams t order by t.name, t.id`);
}

/** @throws NotFound */
export async function getTeam(on: Queryable, id: string): Promise<Team> {
  const [team] = await on.query<Team>(`select ${columns} from support.teams t where t.id = $1`, [id]);
  if (!team) throw new NotFound('team');
  return team;
}

const toJson = (value: object | null | undefined) => (value ? JSON.stringify(value) : value);

/** @throws AlreadyExists for a name that another team has; ReferenceNotFound for a member who is no agent */
export async function createTeam(
  tx: Transaction,
  { name, assigning = 'none', open_max = null, hours = null, targets = null, members = [] }: TeamChange,
): Promise<Team> {
  const [made] = await tx.query<{ id: string }>(
    'insert into support.teams (name, assigning, open_max, hours, targets) values ($1, $2, $3, $4, $5) returning id',
    [name, assigning, open_max, toJson(hours), toJson(targets)],
  );
  const { id } = made as { id: string };
  await replaceMembers(tx, id, members);
  return getTeam(tx, id);
}

/** @throws NotFound, VersionConflict, AlreadyExists; ReferenceNotFound for a member who is no agent */
export async function updateTeam(
  tx: Transaction,
  id: string,
  { members, hours, targets, ...change }: TeamChange,
  expectedVersion: number | undefined,
): Promise<Team> {
  const [held] = await tx.query<{ version: number }>('select version from support.teams where id = $1 for update', [
    id,
  ]);
  if (!held) throw new NotFound('team');
  if (expectedVersion !== undefined && held.version !== expectedVersion)
    throw new VersionConflict('team', expectedVersion, held.version);
  const given = { ...change, hours: toJson(hours), targets: toJson(targets) };
  await patchRow(tx, 'support.teams', id, given, ['name', 'assigning', 'open_max', 'hours', 'targets']);
  if (members) {
    // The members are part of the version.
    await tx.query('update support.teams set members_at = clock_timestamp() where id = $1', [id]);
    await replaceMembers(tx, id, members);
    await giveReaders(tx, 'w.team_id = $1', id);
  }
  if (hours !== undefined || targets !== undefined)
    await tx.query('update support.teams set clocks_at = clock_timestamp() where id = $1', [id]);
  return getTeam(tx, id);
}

/** @throws NotFound, TeamInUse */
export async function deleteTeam(tx: Transaction, id: string): Promise<void> {
  await tx.query('select from support.teams where id = $1 for update', [id]);
  const { widgets } = await getTeam(tx, id);
  if (widgets.length > 0) throw new TeamInUse(widgets.map(({ name }) => name));
  await tx.query('delete from support.teams where id = $1', [id]);
}

/** Whose turn it is stays with those who stay. */
async function replaceMembers(
  tx: Transaction,
  id: string,
  members: { agent_id: string; languages: string[] }[],
): Promise<void> {
  const rows = JSON.stringify(members);
  await tx.query(
    `delete from support.team_members m where m.team_id = $1
     and m.agent_id not in (select g.agent_id from jsonb_to_recordset($2::jsonb) as g (agent_id uuid))`,
    [id, rows],
  );
  await tx.query(
    `insert into support.team_members (team_id, agent_id, languages)
     select $1, g.agent_id, g.languages from jsonb_to_recordset($2::jsonb) as g (agent_id uuid, languages text[])
     on conflict (team_id, agent_id) do update set languages = excluded.languages`,
    [id, rows],
  );
}

/**
 * The members of a team read the conversations of its widgets.
 *
 * @param which the condition of the widgets `w`, with its value
 */
async function giveReaders(tx: Transaction, which: string, value: string): Promise<void> {
  await tx.query(
    `delete from support.widget_agents r using support.widgets w
     where r.widget_id = w.id and w.team_id is not null and ${which}
       and not exists (select from support.team_members m where m.team_id = w.team_id and m.agent_id = r.agent_id)`,
    [value],
  );
  await tx.query(
    `insert into support.widget_agents (widget_id, agent_id)
     select w.id, m.agent_id from support.widgets w join support.team_members m on m.team_id = w.team_id where ${which}
     on conflict do nothing`,
    [value],
  );
}

/**
 * A widget has been given to a team, or taken from it: then its readers stay who they were, until they are changed.
 *
 * @param tx holds the widget.
 */
export async function settleTeamOfWidget(tx: Transaction, widgetId: string): Promise<void> {
  await giveReaders(tx, 'w.id = $1', widgetId);
  await tx.query('update support.widgets set clocks_at = clock_timestamp() where id = $1', [widgetId]);
}
