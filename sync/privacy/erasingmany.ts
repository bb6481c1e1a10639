import { createHash } from 'node:crypto';
import { rowsOf, type Sql } from '../sql.ts';
import { type Act, previewErasure } from './erasing.ts';
import type { Listed, ListRefusal } from './lists.ts';
import { findCustomers } from './person.ts';
import { NotAPerson, readWho, type Who } from './who.ts';

/*
 * Erases a list of people as one job: see 0037_erasure_jobs.sql and 0045_erasure_lists.sql. The job is found again by its list and its reason,
 * so that the same call goes on where one was cut off. First each line is written down as the customer that it leads to, or refused; then each
 * person is a transaction. The clean-up of all of them is the caller's, once, after the last one.
 *
 * A person may be named twice, by two addresses: the second place is erased with the first. Nothing that is kept or said of the list names
 * anybody but by an id.
 */

/** Where one line of a job is. */
export type JobLine = {
  line: number;
  state: 'open' | 'asked' | 'erased' | 'refused';
  customer: string | null;
  erasure: string | null;
  refusal: ListRefusal | null;
};

export type JobOfList = {
  job: string;
  /** How many were done when this call began. */
  before: number;
  /** Somebody has stopped it before its end. */
  isStopped: boolean;
  lines: JobLine[];
};

/** What erasing a list would do; nothing is changed. */
export type ListPreview = {
  /** People who would be erased, each once. */
  people: number;
  /** Lines whose person is erased already. */
  before: number;
  refused: { line: number; refusal: ListRefusal }[];
  tables: { table: string; act: Act; rows: number }[];
  events: number;
  needsTwo: boolean;
};

/**
 * Erases everybody on the list, one transaction after another, and goes on with a job that was cut off. What was erased is not tried again;
 * a line that was refused is.
 *
 * @param client as privacy_app, with `aether.actor` set, outside a transaction
 * @param options.onLine called for each line that this call has decided
 */
export async function eraseList(
  client: Sql,
  list: Listed[],
  {
    reason,
    country,
    onBegin,
    onLine,
  }: {
    reason: string;
    country?: string | undefined;
    onBegin?: (begun: { job: string; before: number }) => void;
    onLine?: (line: JobLine) => void;
  },
): Promise<JobOfList> {
  const job = await beginJob(client, list, reason);
  const before = (await readLines(client, job, list)).filter(({ state }) => state === 'erased').length;
  onBegin?.({ job, before });
  const tell = (decided: Decided) => onLine?.({ ...decided, line: list[decided.place - 1]?.line ?? decided.place });
  const { isStopped } = await runJob(client, job, { list, country, onLine: tell });
  return { job, before, isStopped, lines: await readLines(client, job, list) };
}

/**
 * Begins the job of this list and this reason, or finds it. Nobody is erased before it runs.
 *
 * @returns its id
 */
export async function beginJob(client: Sql, list: Listed[], reason: string): Promise<string> {
  const digest = createHash('sha256').update(list.map(({ who }) => who).join('\n'));
  const [begun] = await rowsOf<{ job: string }>(client, 'select platform.begin_erasure_job($1, $2, $3) as job', [
    digest.digest(),
    reason,
    list.length,
  ]);
  return (begun as { job: string }).job;
}

/** What became of a place of a job, which is the number of its person on the list, from 1. */
export type Decided = Omit<JobLine, 'line'> & { place: number };

const namedAtOnce = 500;

/**
 * Runs a job: names its places if the list is given, and erases one person after another. Two may run the same job at once; none of them does
 * what the other one has done. A session that runs a job holds a lock, by which others see it (jobs.ts).
 *
 * @param client a connection of its own as privacy_app, with `aether.actor` set, outside a transaction
 * @param options.list without it only those are erased who were named before
 * @param options.signal ends it before the next person
 * @returns whether somebody has stopped it, or the signal has
 */
export async function runJob(
  client: Sql,
  job: string,
  {
    list,
    country,
    onRun,
    onLine,
    signal,
  }: {
    list?: Listed[] | undefined;
    country?: string | undefined;
    /** Called when everybody can see that it runs. */
    onRun?: () => void;
    onLine?: (decided: Decided) => void;
    signal?: AbortSignal | undefined;
  } = {},
): Promise<{ isStopped: boolean }> {
  await rowsOf(client, `select pg_advisory_lock_shared($1, hashtext($2))`, [jobLock, job]);
  try {
    await rowsOf(client, 'select platform.run_erasure_job($1)', [job]);
    onRun?.();
    for (let from = 0; list && from < list.length; from += namedAtOnce) {
      if (signal?.aborted || (await isStopped(client, job))) return { isStopped: true };
      for (const refused of await namePlaces(client, job, { list, from, country })) onLine?.(refused);
    }
    for (let after = 0; ; ) {
      const [next] = await rowsOf<{ place: number; customer: string }>(client, nextOfJob, [job, after]);
      if (!next) return { isStopped: await isStopped(client, job) };
      if (signal?.aborted) return { isStopped: true };
      const decided = await erasePlace(client, { job, ...next });
      onLine?.({ place: next.place, ...decided });
      after = next.place;
    }
  } finally {
    await rowsOf(client, `select pg_advisory_unlock_shared($1, hashtext($2))`, [jobLock, job]).catch(() => {}); // it ends with the session
  }
}

/** The first half of the lock that a session holds while it runs a job; see 0045_erasure_lists.sql. */
export const jobLock = 7274;

const nextOfJob = `
  select p.place, p.customer_id as customer
  from platform.erasure_jobs j join platform.erasure_job_places p on p.job = j.id
  where j.id = $1 and j.stopped_at is null and p.place > $2 and p.state in ('open', 'asked') and p.customer_id is not null
  order by p.place limit 1`;

async function isStopped(client: Sql, job: string): Promise<boolean> {
  const [row] = await rowsOf<{ is: boolean }>(
    client,
    'select stopped_at is not null as is from platform.erasure_jobs where id = $1',
    [job],
  );
  return row?.is === true;
}

/** Writes down whom some of the lines mean. @returns those that are refused */
async function namePlaces(
  client: Sql,
  job: string,
  { list, from, country }: { list: Listed[]; from: number; country: string | undefined },
): Promise<Decided[]> {
  const part = list.slice(from, from + namedAtOnce);
  const read = part.map(({ who }) => tryReadWho(who, country));
  const refused = await rowsOf<{ place: number; refusal: ListRefusal }>(
    client,
    'select place, refusal from platform.name_in_job($1, $2, $3, $4, $5, $6)',
    [
      job,
      part.map((_, index) => from + index + 1),
      part.map(({ line }) => line),
      read.map((who) => who?.email ?? null),
      read.map((who) => who?.phone ?? null),
      read.map((who) => who?.id ?? null),
    ],
  );
  return refused.map((each) => ({ ...each, state: 'refused', customer: null, erasure: null }));
}

/** @returns undefined: it names nobody */
function tryReadWho(text: string, country: string | undefined): Who | undefined {
  try {
    return readWho(text, country);
  } catch (error) {
    if (error instanceof NotAPerson) return undefined;
    throw error;
  }
}

/** How far a job is, line by line. */
async function readLines(client: Sql, job: string, list: Listed[]): Promise<JobLine[]> {
  const rows = await rowsOf<Omit<JobLine, 'line'>>(
    client,
    `select state, customer_id as customer, erasure, refusal from platform.erasure_job_places where job = $1 order by place`,
    [job],
  );
  return rows.map((row, index) => ({ line: list[index]?.line ?? 0, ...row }));
}

async function erasePlace(
  client: Sql,
  { job, place, customer }: { job: string; place: number; customer: string },
): Promise<Omit<JobLine, 'line'>> {
  try {
    const [row] = await rowsOf<{ done: Partial<JobLine> }>(client, 'select platform.erase_in_job($1, $2, $3) as done', [
      job,
      place,
      customer,
    ]);
    return toLine(row?.done);
  } catch (error) {
    if (!busy.has((error as { code?: string }).code ?? '')) throw error;
    const [row] = await rowsOf<{ done: Partial<JobLine> }>(
      client,
      `select platform.refuse_in_job($1, $2, 'busy', $3) as done`,
      [job, place, customer],
    );
    return toLine(row?.done);
  }
}

/** Codes of PostgreSQL for a row that another transaction would not give free: lock_not_available, deadlock_detected, serialization_failure. */
const busy = new Set(['55P03', '40P01', '40001']);

const toLine = ({ state = 'open', customer = null, erasure = null, refusal = null }: Partial<JobLine> = {}) => ({
  ...{ state, customer, erasure, refusal },
});

/** What erasing the person of one line would do. */
export type LinePreview = {
  line: number;
  /** before: who is meant is erased already. */
  state: 'present' | 'before' | 'refused';
  customer: string | null;
  /** Records that were merged and are this person. */
  records: number;
  refusal: ListRefusal | null;
  tables: { table: string; act: Act; rows: number }[];
  events: number;
  /** Who has asked for it, where a second person has to confirm. */
  askedBy: string | null;
  needsTwo: boolean;
};

/** Looks at one line of a list. It changes nothing. Stored files are left out: to read them for each of many people would take hours. */
export async function previewLine(
  client: Sql,
  { line, who }: Listed,
  country: string | undefined,
): Promise<LinePreview> {
  const nothing = {
    line,
    customer: null,
    records: 0,
    refusal: null,
    tables: [],
    events: 0,
    askedBy: null,
    needsTwo: false,
  };
  const found = await resolve(client, who, country);
  if (!('customer' in found)) return { ...nothing, state: 'refused', refusal: found.refusal };
  if (found.erased) return { ...nothing, state: 'before', customer: found.customer };
  const { customer, people, hold, asked, tables, events, needsTwo } = await previewErasure(client, found.customer, {
    withFiles: false,
  });
  const seen = { ...nothing, customer, records: people.length, askedBy: asked?.by ?? null, needsTwo };
  if (hold) return { ...seen, state: 'refused', refusal: 'held' };
  return {
    ...{ ...seen, state: 'present' as const, events },
    tables: tables.map(({ table, act, rows }) => ({ table, act, rows })),
  };
}

/** The customer whom a line of a list means; also one who was erased before and had this address or number. */
async function resolve(
  client: Sql,
  text: string,
  country: string | undefined,
): Promise<{ customer: string; erased: boolean } | { refusal: ListRefusal }> {
  const who = tryReadWho(text, country);
  if (!who) return { refusal: 'unreadable' };
  const [customer, ...others] = await findCustomers(client, who);
  if (others.length > 0) return { refusal: 'several' };
  if (customer) return { customer: customer.id, erased: customer.erasedAt !== null };
  const [row] = await rowsOf<{ customer: string | null }>(client, 'select platform.find_erased($1, $2) as customer', [
    who.email,
    who.phone,
  ]);
  return row?.customer ? { customer: row.customer, erased: true } : { refusal: 'unknown' };
}

/** What erasing the list would do, all in all, and which lines would be refused. It changes nothing. */
export async function previewList(
  client: Sql,
  list: Listed[],
  { country, onLine }: { country?: string | undefined; onLine?: () => void } = {},
): Promise<ListPreview> {
  const people = new Set<string>();
  const sums = new Map<string, ListPreview['tables'][number]>();
  const preview: ListPreview = { people: 0, before: 0, refused: [], tables: [], events: 0, needsTwo: false };
  for (const listed of list) {
    onLine?.();
    const { line, state, customer, refusal, tables, events, needsTwo } = await previewLine(client, listed, country);
    preview.needsTwo ||= needsTwo;
    if (refusal) preview.refused.push({ line, refusal });
    else if (state === 'before' || !customer || people.has(customer)) preview.before++;
    else {
      people.add(customer);
      preview.events += events;
      for (const { table, act, rows } of tables) {
        const sum = sums.get(`${table} ${act}`) ?? { table, act, rows: 0 };
        sums.set(`${table} ${act}`, { ...sum, rows: sum.rows + rows });
      }
    }
  }
  return { ...preview, people: people.size, tables: [...sums.values()].sort((a, b) => (a.table < b.table ? -1 : 1)) };
}
