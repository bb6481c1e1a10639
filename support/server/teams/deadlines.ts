import type { Transaction } from '@aether/platform';
import type { Priority } from '../conversations/labels.ts';
import type { OfficeHours } from '../widgets/officehours.ts';
import { computeClocks, type Targets } from './clocks.ts';

/*
 * The times at which a team misses its targets, of each conversation. Node computes them (clocks.ts), and they are stored, so that lists are
 * sorted by them. sessions.clocked_at is null where they are to be computed: a visitor has begun to wait for a person, the first answer is
 * given, the priority has changed, or it was opened again. It is before clocks_at of the team or of the widget where the team's hours or
 * targets have changed since, or the widget has another team: that writes one row, however many conversations are open.
 */

const computedMax = 100;

/** A conversation begins to wait for people with the question; where a bot answered, when it hands over or somebody takes it on. */
const from = `case when exists (select from support.messages m where m.session_id = s.id and m.author = 'bot')
  then coalesce(
    (select max(e.created_at) from support.session_entries e where e.session_id = s.id and e.kind = 'handed_over'),
    (select min(e.created_at) from support.session_entries e where e.session_id = s.id and e.kind in ('claimed', 'assigned')),
    s.asked_at)
  else s.asked_at end`;
const openedAgain = `(select max(e.created_at) from support.session_entries e
  where e.session_id = s.id and e.kind in ('reopened', 'returned'))`;

type Unclocked = {
  id: string;
  widget_id: string;
  from: Date;
  opened_again: Date | null;
  priority: Priority;
  is_answered: boolean;
};
type Team = { hours: OfficeHours | null; targets: Targets | null };

const runs = `s.status = 'active' and s.handler = 'agent' and s.asked_at is not null`;

/** SQL: the sessions whose times were computed by former hours or targets, some of them: a stretch of an index for each widget. */
const byFormerTargets = (max: number) => `
  select f.id, f.widget_id from support.widgets w left join support.teams t on t.id = w.team_id cross join lateral (
    select s.id, s.widget_id from support.sessions s
    where s.widget_id = w.id and ${runs} and s.clocked_at < greatest(w.clocks_at, t.clocks_at)
    order by s.clocked_at limit ${max}) f
  limit ${max}`;

/** SQL: whether there is anything to compute. */
export const hasUnclocked = `(
  (select s.asked_at from support.sessions s where ${runs} and s.clocked_at is null order by s.asked_at limit 1) is not null
  or exists (${byFormerTargets(1)}))`;

/** Computes the times of at most 100 conversations. @returns those that have other times now, and whether there may be more */
export async function computeDeadlines(tx: Transaction): Promise<{ changed: string[]; hasMore: boolean }> {
  const found = await tx.query<{ id: string; widget_id: string }>(
    `(select s.id, s.widget_id from support.sessions s where ${runs} and s.clocked_at is null order by s.asked_at limit ${computedMax})
     union all (${byFormerTargets(computedMax)})
     limit ${computedMax}`,
  );
  if (found.length === 0) return { changed: [], hasMore: false };
  const teams = await holdTeams(tx, [...new Set(found.map(({ widget_id }) => widget_id))]);
  const open = await tx.query<Unclocked>(
    `select s.id, s.widget_id, ${from} as from, ${openedAgain} as opened_again, s.priority,
       s.first_answered_at is not null as is_answered
     from support.sessions s where s.id = any ($1) and ${runs} for update skip locked`,
    [found.map(({ id }) => id)],
  );
  const computed = open.map(({ id, widget_id, from, opened_again, priority, is_answered }) => ({
    id,
    ...computeClocks(teams.get(widget_id) ?? { hours: null, targets: null }, {
      from,
      resolveFrom: opened_again !== null && opened_again > from ? opened_again : from,
      priority,
      isAnswered: is_answered,
    }),
  }));
  const changed = await tx.query<{ id: string; is_other: boolean }>(
    `update support.sessions s
     set first_due_at = case when s.first_answered_at is null then c.first_due_at else coalesce(s.first_due_at, c.first_due_at) end,
       resolve_due_at = c.resolve_due_at, due_at = c.due_at, warn_at = c.warn_at, clocked_at = now(),
       -- Who was warned of this time is not warned of it again.
       warned_at = case when s.due_at is not distinct from c.due_at then s.warned_at end
     from jsonb_to_recordset($1::jsonb) as c (
       id uuid, first_due_at timestamptz, resolve_due_at timestamptz, due_at timestamptz, warn_at timestamptz)
     where s.id = c.id
     returning s.id, (old.first_due_at, old.resolve_due_at, old.due_at)
       is distinct from (new.first_due_at, new.resolve_due_at, new.due_at) as is_other`,
    [JSON.stringify(computed)],
  );
  return {
    changed: changed.filter(({ is_other }) => is_other).map(({ id }) => id),
    hasMore: found.length === computedMax && open.length > 0,
  };
}

/**
 * The teams of the widgets, by widget. Whoever changes one holds it, and then writes when. So these are held here: times that were computed
 * by the former hours are from a transaction that began before, and are computed again.
 */
async function holdTeams(tx: Transaction, widgetIds: string[]): Promise<Map<string, Team>> {
  const widgets = await tx.query<{ id: string; team_id: string | null }>(
    'select id, team_id from support.widgets where id = any ($1) order by id for share',
    [widgetIds],
  );
  const teams = await tx.query<Team & { id: string }>(
    'select id, hours, targets from support.teams where id = any ($1) order by id for share',
    [[...new Set(widgets.flatMap(({ team_id }) => team_id ?? []))]],
  );
  const known = new Map(teams.map((team) => [team.id, team]));
  return new Map(
    widgets.flatMap(({ id, team_id }) => {
      const team = known.get(team_id ?? '');
      return team ? [[id, team]] : [];
    }),
  );
}

const warnedMax = 50;

/** Marks the conversations whose next target is soon missed: a trigger tells their agents. @returns whether there may be more */
export async function warnOfDeadlines(tx: Transaction): Promise<boolean> {
  const warned = await tx.query(
    `update support.sessions s set warned_at = now() where s.id in (
       select o.id from support.sessions o
       where o.status = 'active' and o.warned_at is null and o.warn_at <= now() and o.due_at is not null and o.clocked_at is not null
       order by o.warn_at limit ${warnedMax} for update skip locked) returning 1`,
  );
  return warned.length === warnedMax;
}
