import { randomBytes } from 'node:crypto';
import { NotFound, PlatformError, patchRow, type Queryable, type Transaction, VersionConflict } from '@aether/platform';
import { settleTeamOfWidget } from '../teams/teams.ts';
import { readSettings, type WidgetSettings } from './widgetsettings.ts';

export type Widget = {
  id: string;
  /** Public: it is in the host page. */
  key: string;
  name: string;
  is_active: boolean;
  /** The origins of pages that may use it; an empty list allows every page. */
  allowed_origins: string[];
  settings: WidgetSettings;
  /** The agents whose conversations they are; an empty list means all agents. Of a widget of a named team: its members. */
  team: { id: string; name: string }[];
  /** The team whose hours, rule and targets hold. */
  of_team: { id: string; name: string } | null;
  /** A conversation in which nobody wrote for so many hours ends by itself. Null: none does. */
  ends_after_hours: number | null;
  /** So many days after its end a conversation opens again when its visitor writes. */
  reopens_days: number;
  /** The valid secrets. A secret itself is shown once, when it is made. */
  secrets: { id: string; created_at: string; retires_at: string | null }[];
  version: number;
};

const widgetColumns = `w.id, w.key, w.name, w.is_active, w.allowed_origins, w.settings, w.version, w.ends_after_hours, w.reopens_days,
  (select jsonb_build_object('id', n.id, 'name', n.name) from support.teams n where n.id = w.team_id) as of_team,
  (select coalesce(jsonb_agg(jsonb_build_object('id', a.id, 'name', u.name) order by u.name), '[]')
   from support.widget_agents t join support.agents a on a.id = t.agent_id
     join platform.users u on u.id = a.user_id where t.widget_id = w.id) as team,
  (select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'created_at', s.created_at, 'retires_at', s.retires_at)
    order by s.created_at desc, s.id desc), '[]')
   from support.widget_secrets s where s.widget_id = w.id and (s.retires_at is null or s.retires_at > now())) as secrets`;

/** By name. */
export async function listWidgets(on: Queryable): Promise<Widget[]> {
  const rows = await on.query<Widget>(`select ${widgetColumns} from support.widgets w order by w.name, w.id`);
  return rows.map(withSettings);
}

/** @throws NotFound */
export async function getWidget(on: Queryable, id: string): Promise<Widget> {
  const [row] = await on.query<Widget>(`select ${widgetColumns} from support.widgets w where w.id = $1`, [id]);
  if (!row) throw new NotFound('widget');
  return withSettings(row);
}

const withSettings = (row: Widget): Widget => ({ ...row, settings: readSettings(row.settings) });

/** Creates a widget with a key of its own. */
export async function createWidget(tx: Transaction, name: string): Promise<Widget> {
  const key = `w-${randomBytes(12).toString('hex')}`;
  const [made] = await tx.query<{ id: string }>(
    'insert into support.widgets (key, name, settings) values ($1, $2, $3) returning id',
    [key, name, JSON.stringify(readSettings({}))],
  );
  return getWidget(tx, (made as { id: string }).id);
}

export type WidgetChange = {
  name?: string;
  is_active?: boolean;
  allowed_origins?: string[];
  settings?: WidgetSettings;
  team_id?: string | null;
  ends_after_hours?: number | null;
  reopens_days?: number;
};

/** @throws NotFound, VersionConflict; ReferenceNotFound for a team that is not there */
export async function updateWidget(
  tx: Transaction,
  id: string,
  { settings, ...change }: WidgetChange,
  expectedVersion?: number,
): Promise<Widget> {
  const [held] = await tx.query<{ version: number }>('select version from support.widgets where id = $1 for update', [
    id,
  ]);
  if (!held) throw new NotFound('widget');
  if (expectedVersion !== undefined && held.version !== expectedVersion)
    throw new VersionConflict('widget', expectedVersion, held.version);
  const given = { ...change, settings: settings && JSON.stringify(settings) };
  await patchRow(tx, 'support.widgets', id, given, [
    ...['name', 'is_active', 'allowed_origins', 'settings'],
    ...['team_id', 'ends_after_hours', 'reopens_days'],
  ]);
  if (change.team_id !== undefined) await settleTeamOfWidget(tx, id);
  return getWidget(tx, id);
}

/** What a widget holds: all of it goes with the widget, except that one with conversations stays. */
export type WidgetHoldings = { conversations: number; chatbots: string[]; agents: number; secrets: number };

/** Switch it off instead: its conversations are a record, and name it. */
export class WidgetInUse extends PlatformError {
  constructor(conversations: number) {
    super(
      'widget-in-use',
      409,
      `Visitors came through this widget (${conversations === 1 ? '1 conversation' : `${conversations} conversations`}), and what they wrote stays. Switch it off instead.`,
    );
  }
}

/** @throws NotFound */
export async function countHoldings(on: Queryable, id: string): Promise<WidgetHoldings> {
  const [held] = await on.query<WidgetHoldings>(
    `select (select count(*) from support.sessions s where s.widget_id = w.id)::integer as conversations,
       (select coalesce(array_agg(b.name order by b.name, b.id), '{}') from support.chatbots b where b.widget_id = w.id) as chatbots,
       (select count(*) from support.widget_agents a where a.widget_id = w.id)::integer as agents,
       (select count(*) from support.widget_secrets k where k.widget_id = w.id)::integer as secrets
     from support.widgets w where w.id = $1`,
    [id],
  );
  if (!held) throw new NotFound('widget');
  return held;
}

/** Deletes a widget with its chatbots, team and secrets. A visitor who comes at that moment waits, and finds none. @throws NotFound, WidgetInUse */
export async function deleteWidget(tx: Transaction, id: string): Promise<void> {
  await tx.query('select from support.widgets where id = $1 for update', [id]);
  const { conversations } = await countHoldings(tx, id);
  if (conversations > 0) throw new WidgetInUse(conversations);
  for (const table of ['chatbots', 'widget_agents', 'widget_secrets'])
    await tx.query(`delete from support.${table} where widget_id = $1`, [id]);
  await tx.query('delete from support.widgets where id = $1', [id]);
}

/** Change the members of the team instead, or take the widget out of it. */
export class WidgetOfTeam extends PlatformError {
  constructor(team: string) {
    super('widget-of-team', 409, `The widget belongs to the team ${team}: its members answer it. Change them there.`);
  }
}

/** Replaces the agents of a widget without a named team. @throws NotFound, WidgetOfTeam; ReferenceNotFound when one is not an agent */
export async function replaceTeam(tx: Transaction, id: string, agentIds: string[]): Promise<Widget> {
  const [held] = await tx.query<{ team: string | null }>(
    `select (select t.name from support.teams t where t.id = w.team_id) as team
     from support.widgets w where w.id = $1 for no key update of w`,
    [id],
  );
  if (!held) throw new NotFound('widget');
  if (held.team !== null) throw new WidgetOfTeam(held.team);
  await tx.query('delete from support.widget_agents where widget_id = $1 and agent_id <> all ($2::uuid[])', [
    id,
    agentIds,
  ]);
  await tx.query(
    'insert into support.widget_agents (widget_id, agent_id) select $1, a from unnest($2::uuid[]) a on conflict do nothing',
    [id, agentIds],
  );
  return getWidget(tx, id);
}

/** How long the previous secret stays valid after a new one: the time for all pages to change over. */
const overlap = "interval '24 hours'";

/** Makes a new secret; the previous one stays valid for a day. @returns the secret, which is not shown again. @throws NotFound */
export async function addSecret(tx: Transaction, widgetId: string): Promise<{ id: string; secret: string }> {
  const held = await tx.query('select from support.widgets where id = $1 for no key update', [widgetId]);
  if (held.length === 0) throw new NotFound('widget');
  await tx.query(
    `update support.widget_secrets set retires_at = now() + ${overlap} where widget_id = $1 and retires_at is null`,
    [widgetId],
  );
  const secret = randomBytes(32).toString('base64url');
  const [made] = await tx.query<{ id: string }>(
    'insert into support.widget_secrets (widget_id, secret) values ($1, $2) returning id',
    [widgetId, secret],
  );
  return { id: (made as { id: string }).id, secret };
}

/** Withdraws a secret: from now on no signature made with it is valid. @throws NotFound */
export async function removeSecret(tx: Transaction, widgetId: string, secretId: string): Promise<void> {
  const gone = await tx.query('delete from support.widget_secrets where widget_id = $1 and id = $2 returning id', [
    widgetId,
    secretId,
  ]);
  if (gone.length === 0) throw new NotFound('secret');
}
