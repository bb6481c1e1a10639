import type { Counts, Field, NamedPlace, RuleName, Verified } from '@aether/importer';
import { rowsOf, type Sql } from '../sql.ts';

/*
 * What a worker does for imports: see 0016_import_files.sql. The console asks for a job and watches it; the worker takes it, renews its term
 * and ends it.
 */

export type JobKind = 'recognise' | 'plan' | 'replan' | 'whatif' | 'apply' | 'verify' | 'preview' | 'undo';

/** How far a job is. What is absent is not known (yet). */
export type JobProgress = {
  /** reading, deciding: of a plan; otherwise the job's kind. */
  phase: string;
  /** The file that is read. */
  file?: string;
  /** Of a plan and a recognition rows, otherwise lines. */
  done?: number;
  total?: number;
  /** From 0 to 1. */
  share?: number;
  perSecond?: number;
  secondsLeft?: number;
};

/** A file of a plan, with everything that decides how it is read. */
export type PlanFile = {
  upload: number;
  source: string;
  mapping: { column: string; field: Field | null }[];
  timezone?: string | undefined;
  phoneCountry?: string | undefined;
  dayOrder: { column: string; order: 'day-first' | 'month-first' }[];
};
export type PlanSettings = { app: 'foundation' | 'support'; overwrite: string[]; again?: boolean; files: PlanFile[] };

export type KeptField = { n: number; customer: string; field: string; written: unknown; present: unknown };
export type PairChange = {
  pairs: number;
  groups: number;
  examples: { sides: [NamedPlace, NamedPlace]; rule: RuleName | null; reasons: string[] }[];
};
export type JobOutcome = {
  counts?: Counts;
  changed?: Record<string, number>;
  /** Lines that differ from what a customer has. */
  conflicts?: number;
  verified?: Verified;
  /** Of a what-if: the pairs that the plan would join and no longer join with the rules of the question. */
  whatIf?: { matching: string[]; gained: PairChange; lost: PairChange };
  /** Of an undo and of its preview: customers that go, values that go back, what is kept (of a preview the first ones), and how much. */
  removed?: number;
  restored?: number;
  kept?: number;
  fields?: KeptField[];
};

export type Job = {
  id: number;
  kind: JobKind;
  upload: number | null;
  run: string | null;
  settings: Partial<PlanSettings> & { reason?: string; matching?: string[] };
  state: 'waiting' | 'working' | 'done' | 'failed' | 'cancelled';
  progress: Partial<JobProgress>;
  outcome: JobOutcome | null;
  error: string | null;
  attempts: number;
  is_cancelled: boolean;
  asked_at: Date;
  began_at: Date | null;
  ended_at: Date | null;
  actor: string | null;
  login: string;
};

const columns = `j.id::float8 as id, j.kind, j.upload::float8 as upload, j.run::text as run, j.settings, j.state, j.progress, j.outcome, j.error,
  j.attempts, j.is_cancelled, j.asked_at, j.began_at, j.ended_at, j.actor, j.login`;

/** Jobs under way, and plans that have made no run, the newest first. */
export function listOpenJobs(client: Sql): Promise<Job[]> {
  return rowsOf<Job>(
    client,
    `select ${columns} from sync.import_jobs j
     where j.state in ('waiting', 'working')
       or j.kind = 'plan' and j.state = 'failed' and j.ended_at > clock_timestamp() - interval '1 day'
     order by j.id desc limit 50`,
  );
}

export async function readJob(client: Sql, id: number): Promise<Job | undefined> {
  const [job] = await rowsOf<Job>(client, `select ${columns} from sync.import_jobs j where j.id = $1`, [id]);
  return job;
}

/** The jobs of a run, the newest first: its plan is the last one. */
export function listJobsOfRun(client: Sql, run: string): Promise<Job[]> {
  return rowsOf<Job>(
    client,
    `select ${columns} from sync.import_jobs j where j.run = $1::bigint order by j.id desc limit 100`,
    [run],
  );
}

/** A worker's next job of these kinds, for a term. */
export async function takeJob(
  client: Sql,
  { kinds, worker, termMs }: { kinds: JobKind[]; worker: string; termMs: number },
): Promise<Job | undefined> {
  const [job] = await rowsOf<Job>(
    client,
    `select ${columns} from sync.take_import_job($1, $2, make_interval(secs => $3)) j`,
    [kinds, worker, termMs / 1_000],
  );
  return job;
}

/** Renews the term. False: the job is not this worker's any more, or somebody has cancelled it. */
export async function keepJob(
  client: Sql,
  { job, worker, termMs, progress }: { job: number; worker: string; termMs: number; progress: JobProgress | undefined },
): Promise<boolean> {
  const [row] = await rowsOf<{ goes_on: boolean }>(
    client,
    'select sync.keep_import_job($1, $2, make_interval(secs => $3), $4) as goes_on',
    [job, worker, termMs / 1_000, progress ? JSON.stringify(progress) : null],
  );
  return row?.goes_on === true;
}

export type JobEnd = {
  state: 'done' | 'failed' | 'cancelled';
  run?: string | undefined;
  outcome?: JobOutcome;
  error?: string;
};

/** False: the job was not this worker's any more. */
export async function endJob(
  client: Sql,
  { job, worker, end }: { job: number; worker: string; end: JobEnd },
): Promise<boolean> {
  const [row] = await rowsOf<{ ended: boolean }>(
    client,
    'select sync.end_import_job($1, $2, $3, $4::bigint, $5, $6) as ended',
    [job, worker, end.state, end.run ?? null, end.outcome ? JSON.stringify(end.outcome) : null, end.error ?? null],
  );
  return row?.ended === true;
}
