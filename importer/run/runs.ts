import {
  type Conflict,
  type Counts,
  emptyCounts,
  type ImportClient,
  ImportRefused,
  type Kept,
  type Outcome,
  type Run,
  type RunFile,
  type RunRow,
  type RunSettings,
  type RunState,
  type RunStep,
} from './records.ts';

const runColumns = `
  select r.id, r.app, r.state, r.settings, r.rules, r.lines, r.planned, r.unmapped, r.applied_to, r.created_at, r.created_by,
    case r.state when 'planned' then r.used_at + sync.import_plans_kept() end as goes_at,
    (select coalesce(jsonb_agg(jsonb_build_object('source', f.source, 'name', f.name, 'sha256', f.sha256, 'lines', f.lines)
       order by f.file), '[]') from sync.import_files f where f.run = r.id) as files
  from sync.import_runs r`;
type RunColumns = {
  id: string;
  app: string;
  state: RunState;
  settings: RunSettings;
  rules: string;
  lines: number;
  planned: Partial<Counts>;
  unmapped: Run['unmapped'];
  applied_to: number;
  goes_at: Date | null;
  created_at: Date;
  created_by: string | null;
  files: RunFile[];
};

/** The runs, the newest first, with their counts as planned. */
export async function listRuns(
  client: ImportClient,
  { limit = 50 } = {},
): Promise<Omit<Run, 'counts' | 'changed' | 'steps'>[]> {
  const { rows } = await client.query<RunColumns>(`${runColumns} order by r.id desc limit $1`, [limit]);
  return rows.map(toRun);
}

/** One run with its counts and its steps. @throws ImportRefused if there is none */
export async function readRun(client: ImportClient, run: string): Promise<Run> {
  const found = /^\d{1,18}$/.test(run)
    ? await client.query<RunColumns>(`${runColumns} where r.id = $1`, [run])
    : undefined;
  const row = found?.rows[0];
  if (!row) throw new ImportRefused(`There is no run ${run}: \`aether import runs\` lists them.`);
  const { rows: steps } = await client.query<RunStep>(
    `select step, began_at as "beganAt", ended_at as "endedAt", actor, login::text, reason, outcome
     from sync.import_steps where run = $1 order by id`,
    [run],
  );
  const { rows: changes } = await client.query<{
    planned: Outcome;
    outcome: Outcome;
    code: string | null;
    lines: string;
  }>(
    `select planned, outcome, code, count(*) as lines from sync.import_rows where run = $1 and planned is not null group by 1, 2, 3`,
    [run],
  );
  const counts = { ...emptyCounts(), ...row.planned };
  const changed: Record<string, number> = {};
  for (const { planned, outcome, code, lines } of changes) {
    counts[planned] -= Number(lines);
    counts[outcome] += Number(lines);
    changed[code ?? 'changed'] = (changed[code ?? 'changed'] ?? 0) + Number(lines);
  }
  return { ...toRun(row), counts, changed, steps };
}

function toRun(row: RunColumns): Omit<Run, 'counts' | 'changed' | 'steps'> {
  const { applied_to, goes_at, created_at, created_by, planned, ...same } = row;
  return {
    ...same,
    unmapped: {
      ...(row.settings.leftOut && { column: row.settings.leftOut }),
      ...row.unmapped,
    },
    planned: { ...emptyCounts(), ...planned },
    appliedTo: applied_to,
    goesAt: goes_at,
    createdAt: created_at,
    createdBy: created_by,
  };
}

export type RowQuery = {
  outcome?: Outcome;
  /** Only lines that differ from what a customer has. */
  withConflicts?: boolean;
  /** Only lines behind this one. */
  after?: number;
  limit?: number;
};

/** Lines of a run in their order. */
export async function listRows(client: ImportClient, run: string, query: RowQuery = {}): Promise<RunRow[]> {
  const { outcome = null, withConflicts = false, after = 0, limit = 100 } = query;
  const { rows } = await client.query<{
    n: number;
    file: string;
    line: string;
    outcome: Outcome;
    planned: Outcome | null;
    code: string | null;
    detail: {
      message?: string;
      conflicts?: Record<string, Conflict>;
      fills?: Record<string, unknown>;
    } | null;
    customer: string | null;
    external_id: string | null;
    email: string | null;
    name: string | null;
    raw: string | null;
  }>(
    `select p.n, f.name as file, p.line, p.outcome, p.planned, p.code, p.detail, p.customer, p.external_id, p.email, p.name, p.raw
     from sync.import_rows p join sync.import_files f on f.run = p.run and f.file = p.file
     where p.run = $1 and p.n > $2 and ($3::text is null or p.outcome = $3) and (not $4 or p.detail ? 'conflicts')
     order by p.n limit $5`,
    [run, after, outcome, withConflicts, limit],
  );
  return rows.map(({ detail, external_id, line, ...row }) => ({
    ...row,
    line: Number(line),
    externalId: external_id,
    message: detail?.message ?? null,
    conflicts: detail?.conflicts ?? {},
    fills: detail?.fills ?? {},
  }));
}

/** What the undo of a run kept; all of it without a limit. */
export async function readKept(client: ImportClient, run: string, { limit }: { limit?: number } = {}): Promise<Kept[]> {
  const { rows } = await client.query<Kept>(
    'select n, customer, field, written, present from sync.import_kept where run = $1 order by n, field limit $2',
    [run, limit ?? null],
  );
  return rows;
}

export type Candidate = {
  /** A line of the run. */
  n: number;
  /** Another line, or a customer, that may be the same person. */
  otherN: number | null;
  otherCustomer: string | null;
  /** The probability, from 0 to 1. */
  score: number;
  /** What speaks for and against it, in words. */
  reasons: string[];
};

/** Pairs that may be one person, which the rules of the plan did not join, the likeliest first. */
export async function listCandidates(client: ImportClient, run: string, { limit = 100 } = {}): Promise<Candidate[]> {
  const { rows } = await client.query<Candidate>(
    `select n, other_n as "otherN", other_customer as "otherCustomer", score, reasons
     from sync.import_candidates where run = $1 order by score desc, n, other_n, other_customer limit $2`,
    [run, limit],
  );
  return rows;
}
