import { type ListPlace, type Placed, type Queryable, readList } from '@aether/platform';
import { type FindingKind, findingKinds } from './findings.ts';

/** A finding keeps at most so many rows: from there on its number is "10,000+". The database knows the same number. */
export const storedMax = 10_000;

export type FindingNumber = FindingKind & {
  count: number;
  isCapped: boolean;
  /** No part of the number is older than this; null: no round has ended yet, and the number still grows. */
  since: Date | null;
  /** When a row of this kind was last looked at. */
  lookedAt: Date | null;
  /** The last look at some rows ended in an error, which the worker's log tells. */
  isFailing: boolean;
  trend: [epochSeconds: number, count: number][];
};

export type Scan = {
  name: string;
  rounds: number;
  /** Rows of the round that is under way; 0 if none is. */
  rowsSeen: number;
  rowsInAll: number | null;
  beganAt: Date | null;
  endedAt: Date | null;
  steppedAt: Date | null;
  /** Somebody waits for this round to end. */
  askedAt: Date | null;
};

export type QualityBoard = { findings: FindingNumber[]; scans: Scan[] };

/** The number of each finding with its age and its trend of `days` days. It reads counts that are stored, and no records. */
export async function readQualityBoard(on: Queryable, { days = 30 } = {}): Promise<QualityBoard> {
  const [numbers, points, scans] = await Promise.all([
    on.query<{ finding: string; stored: number; since: Date | null; looked_at: Date | null; is_failing: boolean }>(
      `select n.finding, n.stored, s.last_began_at as since, s.stepped_at as looked_at, s.faults > 0 as is_failing
       from sync.quality_numbers n join sync.quality_scans s on s.name = n.scan`,
    ),
    on.query<{ finding: string; points: [number, number][] }>(
      `select h.finding, jsonb_agg(jsonb_build_array(extract(epoch from h.hour)::bigint, h.stored) order by h.hour) as points
       from sync.quality_history h
       where h.hour > now() - make_interval(days => $1)
         and (extract(hour from h.hour at time zone 'UTC')::integer % 6 = 0 or h.hour > now() - interval '1 day')
       group by h.finding`,
      [days],
    ),
    readScans(on),
  ]);
  const numberOf = new Map(numbers.map((row) => [row.finding, row]));
  const trendOf = new Map(points.map((row) => [row.finding, row.points]));
  const findings = findingKinds.map((kind) => {
    const { stored = 0, since = null, looked_at = null, is_failing = false } = numberOf.get(kind.finding) ?? {};
    return {
      ...kind,
      count: stored,
      isCapped: stored >= storedMax,
      since,
      lookedAt: looked_at,
      isFailing: is_failing,
      trend: trendOf.get(kind.finding) ?? [],
    };
  });
  return { findings, scans };
}

/** How far each scan is. The number of rows is that of its last round, otherwise PostgreSQL's estimate. */
export async function readScans(on: Queryable): Promise<Scan[]> {
  const rows = await on.query<{
    name: string;
    rounds: number;
    rows_seen: number;
    rows_in_all: number | null;
    began_at: Date | null;
    ended_at: Date | null;
    stepped_at: Date | null;
    asked_at: Date | null;
  }>(
    `select s.name, s.rounds, case when s.place is null then 0 else s.rows_seen end as rows_seen,
       coalesce(s.rows_of_round, nullif(c.reltuples, -1)::bigint) as rows_in_all, s.round_began_at as began_at,
       s.last_ended_at as ended_at, s.stepped_at, s.asked_at
     from sync.quality_scans s
       left join (values ('customers', 'platform'), ('companies', 'platform'), ('deals', 'crm'), ('sessions', 'support'),
         ('activities', 'crm')) k (name, schema) on k.name = s.name
       left join pg_catalog.pg_namespace n on n.nspname = k.schema
       left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = k.name
     order by s.name`,
  );
  return rows.map(({ name, rounds, rows_seen, rows_in_all, began_at, ended_at, stepped_at, asked_at }) => ({
    name,
    rounds,
    rowsSeen: rows_seen,
    rowsInAll: rows_in_all,
    beganAt: began_at,
    endedAt: ended_at,
    steppedAt: stepped_at,
    askedAt: asked_at,
  }));
}

export type FoundCustomer = { id: string; name: string; email: string; crm_id: number | null };
export type FoundRow = {
  id: number;
  finding: string;
  subject: string;
  subject_id: string;
  part: string;
  detail: Record<string, unknown>;
  found_at: Date;
  customer: FoundCustomer | null;
  other: FoundCustomer | null;
  /** Of an address that cannot receive mail. */
  address: string | null;
};

/** The rows of one finding, the oldest first, page by page. */
export function listFindings(
  on: Queryable,
  finding: string,
  paging: { after?: ListPlace; limit: number },
): Promise<Placed<FoundRow>[]> {
  const order = { by: 'q.id', type: 'bigint', id: 'q.id', idType: 'bigint' };
  const person = (alias: string) =>
    `case when ${alias}.id is not null and ${alias}.erased_at is null then jsonb_build_object('id', ${alias}.id,
       'name', ${alias}.name, 'email', ${alias}.email, 'crm_id', ${alias}.crm_id) end`;
  return readList<FoundRow>(on, { order, direction: 'asc', ...paging }, (parameter) => ({
    columns: `q.id, q.finding, q.subject, q.subject_id, q.part, q.detail, q.found_at, ${person('c')} as customer,
      ${person('o')} as other, a.email as address`,
    from: `sync.quality_findings q left join platform.customers c on c.id = q.customer_id
      left join platform.customers o on o.id = q.other_id
      left join platform.customer_emails a on a.customer_id = q.customer_id and q.finding = 'address.unreachable' and a.id::text = q.part`,
    where: [`q.finding = ${parameter(finding)}`],
  }));
}

export type RepairOutcome = { id: number; outcome: 'mended' | 'gone' | 'refused'; because?: string };

/** Mends up to a hundred findings, each on its own, and records it. */
export async function repairFindings(on: Queryable, ids: number[], reason?: string): Promise<RepairOutcome[]> {
  const [row] = await on.query<{ outcomes: RepairOutcome[] }>(
    'select sync.repair_findings($1::bigint[], $2) as outcomes',
    [ids, reason ?? null],
  );
  return row?.outcomes ?? [];
}

/** Asks the worker for a whole round. @returns false if one is under way already */
export async function askQualityRound(on: Queryable, reason?: string): Promise<boolean> {
  const [row] = await on.query<{ asked: boolean }>('select sync.ask_quality_round($1) as asked', [reason ?? null]);
  return row?.asked ?? false;
}

/** The address in its place goes through the key that @aether/platform makes. @returns the record by which it is undone; undefined if it is gone */
export async function correctAddress(
  on: Queryable,
  {
    customerId,
    addressId,
    replacement,
  }: { customerId: string; addressId: string; replacement?: { address: string; key: string } },
): Promise<number | undefined> {
  const [row] = await on.query<{ done: { operation: number } | null }>(
    'select sync.correct_address($1, $2, $3, $4) as done',
    [customerId, addressId, replacement?.address ?? null, replacement?.key ?? null],
  );
  return row?.done?.operation;
}

/** @returns false if somebody has changed the addresses since */
export async function undoCorrection(on: Queryable, operation: number): Promise<boolean> {
  const [row] = await on.query<{ undone: boolean }>('select sync.undo_correction($1) as undone', [operation]);
  return row?.undone ?? false;
}

/** Looks again at what these findings are about; what is no longer true goes from the list. */
export async function recheckFindings(on: Queryable, ids: number[]): Promise<void> {
  if (ids.length > 0) await on.query('select sync.recheck_findings($1::bigint[])', [ids]);
}
