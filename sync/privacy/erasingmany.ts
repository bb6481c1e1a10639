import { createHash } from 'node:crypto';
import { rowsOf, type Sql } from '../sql.ts';
import { type Act, previewErasure } from './erasing.ts';
import { findCustomers } from './person.ts';
import { NotAPerson, readWho, type Who } from './who.ts';

/*
 * Erases a list of people as one job: see 0037_erasure_jobs.sql. The job is found again by its list and its reason, so that the same call
 * goes on where one was cut off. Each person is a transaction; the clean-up of all of them is the caller's, once, after the last one.
 *
 * A person may be named twice, by two addresses: the second place is erased with the first. Nothing that is kept or said of the list names
 * anybody but by an id.
 */

/** One person of a list: a line of the file, and what it says. */
export type Listed = { line: number; who: string };

/** Why a line erases nobody. The next run tries it again. */
export type ListRefusal = 'unreadable' | 'unknown' | 'several' | 'held' | 'busy';

export const listRefusals: Record<ListRefusal, string> = {
  unreadable: 'It is no address, no telephone number and no id.',
  unknown: 'No customer is known by this.',
  several: 'Several customers are meant: name one by its id.',
  held: 'A legal hold keeps this customer.',
  busy: 'Somebody writes rows of this customer all the time.',
};

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

export const listedMax = 100_000;

/**
 * Reads a list: a person a line. Empty lines, and those that begin with #, are nobody. Pure.
 *
 * @throws when it names nobody, or more than 100,000
 */
export function readList(text: string): Listed[] {
  const listed = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line, index) => ({ line: index + 1, who: line.trim() }))
    .filter(({ who }) => who !== '' && !who.startsWith('#'));
  if (listed.length === 0) throw new Error('The list names nobody: it has one person a line.');
  if (listed.length > listedMax)
    throw new Error(
      `The list names ${listed.length} people: at most ${listedMax} are one job. Divide it, and erase its parts.`,
    );
  return listed;
}

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
  const digest = createHash('sha256').update(list.map(({ who }) => who).join('\n'));
  const [begun] = await rowsOf<{ job: string }>(client, 'select platform.begin_erasure_job($1, $2, $3) as job', [
    digest.digest(),
    reason,
    list.length,
  ]);
  const { job } = begun as { job: string };
  const known = await readLines(client, job, list);
  const before = known.filter(({ state }) => state === 'erased').length;
  onBegin?.({ job, before });
  for (const [index, { line, who }] of list.entries()) {
    if (known[index]?.state === 'erased') continue;
    const decided = await erasePlace(client, { job, place: index + 1, who, country });
    onLine?.({ line, ...decided });
  }
  return { job, before, lines: await readLines(client, job, list) };
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
  { job, place, who, country }: { job: string; place: number; who: string; country: string | undefined },
): Promise<Omit<JobLine, 'line'>> {
  const found = await resolve(client, who, country);
  if (!('customer' in found)) return refuse(client, job, place, found.refusal);
  try {
    const [row] = await rowsOf<{ done: Partial<JobLine> }>(client, 'select platform.erase_in_job($1, $2, $3) as done', [
      job,
      place,
      found.customer,
    ]);
    return toLine(row?.done);
  } catch (error) {
    if (!busy.has((error as { code?: string }).code ?? '')) throw error;
    return refuse(client, job, place, 'busy');
  }
}

/** Codes of PostgreSQL for a row that another transaction would not give free: lock_not_available, deadlock_detected, serialization_failure. */
const busy = new Set(['55P03', '40P01', '40001']);

async function refuse(client: Sql, job: string, place: number, refusal: ListRefusal): Promise<Omit<JobLine, 'line'>> {
  const [row] = await rowsOf<{ done: Partial<JobLine> }>(client, 'select platform.refuse_in_job($1, $2, $3) as done', [
    job,
    place,
    refusal,
  ]);
  return toLine(row?.done);
}

const toLine = ({ state = 'open', customer = null, erasure = null, refusal = null }: Partial<JobLine> = {}) => ({
  ...{ state, customer, erasure, refusal },
});

/** The customer whom a line of a list means; also one who was erased before and had this address or number. */
async function resolve(
  client: Sql,
  text: string,
  country: string | undefined,
): Promise<{ customer: string; erased: boolean } | { refusal: ListRefusal }> {
  let who: Who;
  try {
    who = readWho(text, country);
  } catch (error) {
    if (error instanceof NotAPerson) return { refusal: 'unreadable' };
    throw error;
  }
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
  for (const { line, who } of list) {
    onLine?.();
    const found = await resolve(client, who, country);
    if (!('customer' in found)) preview.refused.push({ line, refusal: found.refusal });
    else if (found.erased) preview.before++;
    else {
      const { customer, hold, tables, events, needsTwo } = await previewErasure(client, found.customer);
      preview.needsTwo = needsTwo;
      if (hold) preview.refused.push({ line, refusal: 'held' });
      else if (people.has(customer)) preview.before++;
      else {
        people.add(customer);
        preview.events += events;
        for (const { table, act, rows } of tables) {
          const sum = sums.get(`${table} ${act}`) ?? { table, act, rows: 0 };
          sums.set(`${table} ${act}`, { ...sum, rows: sum.rows + rows });
        }
      }
    }
  }
  return { ...preview, people: people.size, tables: [...sums.values()].sort((a, b) => (a.table < b.table ? -1 : 1)) };
}
