import { rowsOf, type Sql } from '../sql.ts';
import { act, OperationRefused, toRefusal } from './acting.ts';

/*
 * Bulk work on a frozen set of failures. Freezing writes the positions of the set in one statement and says how many there are; confirming
 * lets the worker begin. What fails or is mended in between changes nothing in the set. See 0008_operations.sql.
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
  kind: 'redrive' | 'skip';
  subscription: string;
  filter: FailureFilter;
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
  /** Had not failed any more when the worker came to them, or somebody else took them away. */
  gone: number;
  /** Not yet taken; of a run that has ended: never taken, because it was cancelled. */
  untouched: number;
  actor: string | null;
  login: string;
  frozen_at: Date;
  confirmed_at: Date | null;
  ended_at: Date | null;
  /** Why it does not progress, in words: the subscription is paused or gone. */
  hindrance: string | null;
};

/** Freezes the failed events that the filter describes, and returns how many there are. Nothing is done to them. @throws OperationRefused */
export async function freezeFailures(
  client: Sql,
  { kind, subscription, filter }: { kind: Run['kind']; subscription: string; filter: FailureFilter },
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

/** Lets the worker begin. @throws OperationRefused */
export function confirmRun(
  client: Sql,
  { run, reason, ratePerSecond = 500 }: { run: number; reason: string; ratePerSecond?: number | undefined },
): Promise<{ operation: number; events: number }> {
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
  r.skipped::float8 as skipped, r.gone::float8 as gone,
  (r.total - r.tried - r.handled - r.failed - r.held_back - r.skipped - r.gone)::float8 as untouched,
  r.actor, r.login, r.frozen_at, r.confirmed_at, r.ended_at,
  case when r.ended_at is null and r.state in ('running', 'cancelled') and r.kind = 'redrive' and r.tried > 0 and s.is_paused
    then 'The subscription is paused: ' || s.pause_reason end as hindrance`;

/** The latest runs, those that have not ended first. Sets that nobody has confirmed are not among them. */
export function listRuns(client: Sql, { limit = 50 }: { limit?: number } = {}): Promise<Run[]> {
  return rowsOf<Run>(
    client,
    `select ${columns} from sync.bulk_runs r left join sync.subscriptions s on s.name = r.subscription
     where r.state <> 'frozen' order by r.ended_at is not null, r.id desc limit $1`,
    [limit],
  );
}

/** @throws OperationRefused */
export async function readRun(client: Sql, run: number): Promise<Run> {
  const [row] = await rowsOf<Run>(
    client,
    `select ${columns} from sync.bulk_runs r left join sync.subscriptions s on s.name = r.subscription where r.id = $1`,
    [run],
  );
  if (!row) throw new OperationRefused('not-found', `There is no run ${run}.`);
  return row;
}
