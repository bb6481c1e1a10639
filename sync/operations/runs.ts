import { rowsOf, type Sql } from '../sql.ts';
import { act, OperationRefused, toRefusal } from './acting.ts';

/*
 * Bulk work on a frozen set: failures that are redriven or skipped, or rows of data quality that are repaired. Freezing writes the set in one
 * statement and says how many there are; confirming lets the worker begin. What fails or is mended in between changes nothing in the set.
 * See 0008_operations.sql.
 */

/** Which failed events of a subscription. What is absent excludes nothing. */
export type FailureFilter = {
  state?: 'dead' | 'retrying' | undefined;
  cause?: string | undefined;
  customer?: string | undefined;
  key?: string | undefined;
};

export type Run = {
  id: number;
  kind: 'redrive' | 'skip' | 'repair';
  /** Null of a repair. */
  subscription: string | null;
  /** Of a repair `{ finding }`. */
  filter: FailureFilter | { finding: string };
  reason: string | null;
  /** frozen: not confirmed. cancelled: the worker takes no more events; it has ended when `ended_at` is set. */
  state: 'frozen' | 'running' | 'paused' | 'cancelled' | 'done';
  total: number;
  rate_per_second: number;
  /** Given back to the subscription, and nothing is known of them yet. */
  tried: number;
  handled: number;
  /** Failed again. */
  failed: number;
  /** Given back; they wait behind another event that has failed. */
  held_back: number;
  skipped: number;
  /** Of a repair: rows that are right now. */
  mended: number;
  /** Of a repair: rows that it did not mend. */
  refused: number;
  /** Why, the most frequent reason first; at most five. */
  refusals: { because: string; rows: number }[];
  /** Had not failed any more, or were not wrong any more, when the worker came to them, or somebody else took them away. */
  gone: number;
  /** Not yet taken; of a run that has ended: never taken, because it was cancelled. */
  untouched: number;
  actor: string | null;
  login: string;
  frozen_at: Date;
  confirmed_at: Date | null;
  ended_at: Date | null;
  /** Why it does not progress, in words: its batches end in an error, the subscription is paused, or no worker comes to it. */
  hindrance: string | null;
};

/** Freezes the failed events that the filter describes, and returns how many there are. Nothing is done to them. @throws OperationRefused */
export async function freezeFailures(
  client: Sql,
  { kind, subscription, filter }: { kind: 'redrive' | 'skip'; subscription: string; filter: FailureFilter },
): Promise<{ run: number; total: number }> {
  try {
    const [row] = await rowsOf<{ run: number; total: number }>(
      client,
      'select run::float8 as run, total::float8 as total from sync.freeze_failures($1, $2, $3)',
      [kind, subscription, JSON.stringify(filter)],
    );
    return row as { run: number; total: number };
  } catch (error) {
    throw toRefusal(error);
  }
}

/** Freezes all stored rows of a finding that is repaired here, and returns how many there are. Nothing is done to them. @throws OperationRefused */
export async function freezeFindings(client: Sql, finding: string): Promise<{ run: number; total: number }> {
  try {
    const [row] = await rowsOf<{ run: number; total: number }>(
      client,
      'select run::float8 as run, total::float8 as total from sync.freeze_findings($1)',
      [finding],
    );
    return row as { run: number; total: number };
  } catch (error) {
    throw toRefusal(error);
  }
}

/** Lets the worker begin. @throws OperationRefused */
export function confirmRun(
  client: Sql,
  { run, reason, ratePerSecond = 500 }: { run: number; reason: string; ratePerSecond?: number | undefined },
): Promise<{ operation: number }> {
  return act(client, 'sync.confirm_run($1, $2, $3)', [run, reason, ratePerSecond]);
}

/** Pauses a run, lets it go on, or cancels what it has not taken yet. @throws OperationRefused */
export function steerRun(
  client: Sql,
  { run, to, reason }: { run: number; to: 'paused' | 'running' | 'cancelled'; reason?: string | undefined },
): Promise<{ operation: number; was: Run['state'] }> {
  return act(client, 'sync.steer_run($1, $2, $3)', [run, to, reason ?? null]);
}

const columns = `r.id::float8 as id, r.kind, r.subscription, r.filter, r.reason, r.state, r.total::float8 as total, r.rate_per_second,
  r.tried::float8 as tried, r.handled::float8 as handled, r.failed::float8 as failed, r.held_back::float8 as held_back,
  r.skipped::float8 as skipped, r.mended::float8 as mended, r.refused::float8 as refused, r.gone::float8 as gone,
  (r.total - r.tried - r.handled - r.failed - r.held_back - r.skipped - r.mended - r.refused - r.gone)::float8 as untouched,
  case when r.refused = 0 then '[]' else (
    select coalesce(jsonb_agg(jsonb_build_object('because', f.because, 'rows', f.rows) order by f.rows desc), '[]')
    from (select i.because, count(*) as rows from sync.bulk_items i
      where i.run = r.id and i.state = 'refused' group by i.because order by rows desc limit 5) f) end as refusals,
  r.actor, r.login, r.frozen_at, r.confirmed_at, r.ended_at,
  case when r.ended_at is not null or r.state not in ('running', 'cancelled') then null
    when r.faults > 0 then 'Its last ' || case r.faults when 1 then 'batch was' else r.faults || ' batches were' end
      || ' undone by an error (' || r.fault || '). It is tried again '
      || case when r.due_at > clock_timestamp() + interval '1 second'
        then 'in ' || round(extract(epoch from r.due_at - clock_timestamp())) || ' seconds.' else 'now.' end
    when r.kind = 'redrive' and r.tried > 0 and s.is_paused then 'The subscription is paused: ' || s.pause_reason
    when r.due_at < clock_timestamp() - interval '15 seconds'
      then 'No worker has come to it for ' || round(extract(epoch from clock_timestamp() - r.due_at)) || ' seconds.'
    end as hindrance`;

const tables = 'sync.bulk_runs r left join sync.subscriptions s on s.name = r.subscription';

/** The latest runs, those that have not ended first. Sets that nobody has confirmed are not among them. */
export function listRuns(client: Sql, { limit = 50 }: { limit?: number } = {}): Promise<Run[]> {
  return rowsOf<Run>(
    client,
    `select ${columns} from ${tables}
     where r.state <> 'frozen' order by r.ended_at is not null, r.id desc limit $1`,
    [limit],
  );
}

/** @throws OperationRefused */
export async function readRun(client: Sql, run: number): Promise<Run> {
  const [row] = await rowsOf<Run>(client, `select ${columns} from ${tables} where r.id = $1`, [run]);
  if (!row) throw new OperationRefused('not-found', `There is no run ${run}.`);
  return row;
}
