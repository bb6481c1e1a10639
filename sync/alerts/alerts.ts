import type { Ask } from '../health/evaluation.ts';

/** An alert as the console and the command show it. */
export type ToldAlert = {
  id: number;
  slug: string;
  kind: string;
  /** A status of a check, or `gone`. */
  status: string;
  previous: string;
  reason: string;
  since: Date;
  told_at: Date;
  /** Whether it is the newest one of its check, and the check was not well then. */
  is_open: boolean;
  /** Why it was not sent at once: the reason of a silence. */
  silenced: string | null;
  acknowledged_by: string | null;
  acknowledged_at: Date | null;
  deliveries: { target: string; state: 'waiting' | 'sent' | 'given-up'; attempts: number; error: string | null }[];
};

export type Silence = {
  id: number;
  slug: string | null;
  kind: string | null;
  until: Date;
  reason: string;
  /** Who silenced: the name of a person, otherwise a login. */
  author: string;
  created_at: Date;
  ended_at: Date | null;
  is_in_force: boolean;
};

export type AlertFilter = {
  /** Only those that are open. */
  open?: boolean | undefined;
  kind?: string | undefined;
  slug?: string | undefined;
  /** Only those before this one. */
  before?: number | undefined;
  limit: number;
};

const alertColumns = `a.id, a.slug, a.kind, a.status, a.previous, a.reason, a.since, a.told_at,
  coalesce(s.alert_id = a.id and a.status not in ('ok', 'gone'), false) as is_open, q.reason as silenced,
  coalesce(sync.alert_author(a.acknowledged_by), a.acknowledged_by) as acknowledged_by, a.acknowledged_at, coalesce(d.deliveries, '[]') as deliveries`;

const alertSources = `sync.alerts a left join sync.alert_states s on s.slug = a.slug left join sync.alert_silences q on q.id = a.silence_id
  left join lateral (
    select jsonb_agg(jsonb_build_object('target', d.target, 'state', d.state, 'attempts', d.attempts, 'error', d.error) order by d.target)
      as deliveries
    from sync.alert_deliveries d where d.alert_id = a.id) d on true`;

/** The newest first. */
export async function listAlerts(ask: Ask, { open, kind, slug, before, limit }: AlertFilter): Promise<ToldAlert[]> {
  return (await ask(
    `select ${alertColumns} from ${alertSources}
     where ($1::boolean is not true or s.alert_id = a.id and a.status not in ('ok', 'gone')) and ($2::text is null or a.kind = $2)
       and ($3::text is null or a.slug = $3) and ($4::bigint is null or a.id < $4)
     order by a.id desc limit $5`,
    [open ?? null, kind ?? null, slug ?? null, before ?? null, limit],
  )) as ToldAlert[];
}

/** How many checks have an alert that is open and that nobody has acknowledged, and how many are open. */
export async function countOpenAlerts(ask: Ask): Promise<{ open: number; unseen: number }> {
  const [row] = (await ask(
    `select count(*)::integer as open, (count(*) filter (where a.acknowledged_at is null))::integer as unseen
     from sync.alert_states s join sync.alerts a on a.id = s.alert_id where a.status not in ('ok', 'gone')`,
  )) as { open: number; unseen: number }[];
  return row ?? { open: 0, unseen: 0 };
}

/** Those in force first, then those that have ended lately. */
export async function listSilences(ask: Ask): Promise<Silence[]> {
  return (await ask(
    `select q.id, q.slug, q.kind, q.until, q.reason,
       coalesce(sync.alert_author(q.actor), q.actor, q.login::text) as author, q.created_at, q.ended_at,
       q.ended_at is null and q.until > clock_timestamp() as is_in_force
     from sync.alert_silences q
     where q.until > clock_timestamp() - interval '30 days' order by is_in_force desc, q.until desc, q.id desc limit 200`,
  )) as Silence[];
}

/** Where alerts go at present. */
export async function listTargets(ask: Ask): Promise<string[]> {
  const rows = (await ask(
    `select t.name from sync.alert_targets t where t.seen_at > clock_timestamp() - interval '5 minutes' order by t.name`,
  )) as { name: string }[];
  return rows.map(({ name }) => name);
}

export type NewSilence = { slug?: string | undefined; kind?: string | undefined; until: Date; reason: string };

/** Silences a check, or all of a kind. @returns the silence's id. @throws what the database refuses */
export async function silence(ask: Ask, { slug, kind, until, reason }: NewSilence): Promise<number> {
  const [row] = (await ask('select sync.silence_checks($1, $2, $3, $4) as id', [
    slug ?? null,
    kind ?? null,
    until,
    reason,
  ])) as { id: number }[];
  return row?.id as number;
}

/** @returns whether it was in force. */
export async function endSilence(ask: Ask, id: number): Promise<boolean> {
  const [row] = (await ask('select sync.end_silence($1) as ended', [id])) as { ended: boolean }[];
  return row?.ended ?? false;
}

/** @returns false if somebody was first; undefined if there is no such alert. */
export async function acknowledge(ask: Ask, id: number): Promise<boolean | undefined> {
  const [row] = (await ask('select sync.acknowledge_alert($1) as done', [id])) as { done: boolean | null }[];
  return row?.done ?? undefined;
}

/** Sends a test to every target. @returns its alert */
export async function testAlert(ask: Ask): Promise<number> {
  const [row] = (await ask('select sync.test_alert() as id')) as { id: number }[];
  return row?.id as number;
}
