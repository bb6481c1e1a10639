import { once } from 'node:events';
import { from as copyFrom } from 'pg-copy-streams';
import type { HeldReason } from '../matching/addresses.ts';
import type { Decision } from '../matching/claims.ts';
import type { Matchable } from '../matching/keys.ts';
import { type MatchResult, matchTable } from '../matching/matching.ts';
import { type ClaimBy, PersonTable } from '../matching/persontable.ts';
import { TooManyRows } from '../matching/preparing.ts';
import type { MatchSettings } from '../matching/rules.ts';
import { NumberList } from '../matching/texts.ts';
import type { Place } from './places.ts';
import { type ImportClient, ImportRefused } from './records.ts';

/*
 * Who is the same person, for a plan. The lines are added to the table of matching while they are copied, or read from the staging; then the
 * customers that share an address or a telephone number with a line that is new or has changed, and what people have answered. A line that has not
 * changed is not among them, whatever the plan does with it: what it says is added to its customer, if it shares an address, a number or an id
 * with another line. So what is compared, and how common a name is among it, depends on the data alone. Groups and held lines go back to the database by COPY, and
 * only those: most lines are a person alone. What is likely but not sure is kept as candidates.
 */

export type Grouping = {
  table: PersonTable;
  /** The line of each row of the table; customers come behind all lines. */
  lineOf: NumberList<Uint32Array>;
};

const customersPerFetch = 5_000;
const reviewsMax = 10_000;
const flushCharacters = 1 << 16;

const heldMessages: Record<HeldReason, string> = {
  'role-mailbox': 'Others have this address of a role, such as info@, which says nothing about the person.',
  'clashing-names':
    'Others with this address have names that are hardly those of one person. If they are one, answer so; if they are not, give each an address of their own in the file.',
  'too-many-people':
    'More people have this address than a family has. Give each an address of their own in the file, or answer who is the same person.',
  'several-claims': 'The line could be that of several people with this address. Answer whose it is.',
  'external-id': 'Another line of this source has the same id and another name.',
  'two-customers':
    'The line could be of two customers: its id, its address, its number and name, or lines that somebody calls the same person lead to both. Answer whose it is. Where a customer has its address, only that one can get it: otherwise merge the two customers, or give the line another address in the file.',
  'not-the-customer':
    'Somebody has answered that this line, or another one of its address, is not the customer to whom its id or its address leads. Answer whose it is, or give it another address and id in the file.',
  'address-of-another':
    'Somebody has answered whose this line is, or another one of its address, but another customer has that address. Merge the two customers if they are one person; otherwise give the line another address in the file, or answer anew.',
};

export const beginGrouping = (): Grouping => ({ table: new PersonTable(), lineOf: new NumberList(Uint32Array) });

export function addLine({ table, lineOf }: Grouping, n: number, person: Matchable, source: number): void {
  table.add(person, { source });
  lineOf.push(n);
}

/** What was found for the lines of a plan; nothing of it is written yet. */
export type Groups = { customers: string[]; found: MatchResult };

/** Decides who is the same person, after what people have answered. @throws ImportRefused if there are more lines than fit */
export async function findGroups(
  client: ImportClient,
  run: string,
  grouping: Grouping,
  settings: MatchSettings,
  signal?: AbortSignal | undefined,
): Promise<Groups | undefined> {
  if (grouping.lineOf.length === 0) return undefined;
  const customers = await addCustomers(client, run, grouping, signal);
  const decisions = await readDecisions(client, run, grouping, customers);
  return { customers, found: refuseTooMany(() => matchTable(grouping.table, { settings, decisions, reviewsMax })) };
}

/** Stages the groups, and keeps the candidates. */
export async function keepGroups(
  client: ImportClient,
  run: string,
  grouping: Grouping,
  groups: Groups | undefined,
): Promise<void> {
  if (groups === undefined) return;
  const { customers, found } = groups;
  await copyGroups(client, run, grouping, customers, found);
  const candidates = found.review.flatMap(({ rows, score, reasons }) => {
    const [first, second] = rows.map((row) => placeOf(grouping, customers, row)) as [Place, Place];
    if (first.n === undefined && second.n === undefined) return [];
    const [line, other] = first.n === undefined ? [second, first] : [first, second];
    return [{ n: line.n, other_n: other.n ?? null, customer: other.customer ?? null, score, reasons }];
  });
  if (candidates.length > 0)
    await client.query('select sync.keep_import_candidates($1, $2)', [run, JSON.stringify(candidates)]);
}

/** @throws ImportRefused if there are more lines than fit */
export function refuseTooMany<Result>(match: () => Result): Result {
  try {
    return match();
  } catch (error) {
    if (error instanceof TooManyRows) throw new ImportRefused(error.message, { cause: error });
    throw error;
  }
}

export const placeOf = ({ lineOf }: Grouping, customers: string[], row: number): Place =>
  row < lineOf.length ? { n: lineOf.values[row] as number } : { customer: customers[row - lineOf.length] as string };

/** What people have answered, by the rows of the table. What is about somebody who is not in it says nothing about this plan. */
export async function readDecisions(
  client: ImportClient,
  run: string,
  { lineOf }: Grouping,
  customers: string[],
): Promise<Decision[]> {
  const { rows } = await client.query<{
    n: number | null;
    other_n: number | null;
    customer: string | null;
    other_customer: string | null;
    answer: Decision['answer'] | 'later';
  }>('select * from sync.list_import_decisions($1)', [run]);
  if (rows.length === 0) return [];
  const rowsOf = new Map<string | number, number[]>();
  const asked = new Set(
    rows.flatMap(({ n, other_n, customer, other_customer }) => [n, other_n, customer, other_customer]),
  );
  for (const [row, n] of lineOf.taken.entries()) if (asked.has(n)) rowsOf.set(n, [row]);
  for (const [at, id] of customers.entries())
    if (asked.has(id)) rowsOf.set(id, [...(rowsOf.get(id) ?? []), lineOf.length + at]);
  return rows.flatMap(({ n, other_n, customer, other_customer, answer }) => {
    if (answer === 'later') return [];
    const ones = rowsOf.get(n ?? customer ?? '') ?? [];
    const others = rowsOf.get(other_n ?? other_customer ?? '') ?? [];
    return ones.flatMap((one) => others.map((other): Decision => ({ rows: [one, other], answer })));
  });
}

/**
 * Adds the customers that the lines of a plan may be, and says of each line that is known whose it is.
 *
 * @returns the ids of the customers, in the order of their rows; a customer may have several.
 */
export async function addCustomers(
  client: ImportClient,
  run: string,
  { table, lineOf }: Grouping,
  signal?: AbortSignal | undefined,
): Promise<string[]> {
  const ids: string[] = [];
  const numbers = new Map<string, number>();
  const numberOf = (id: string): number => {
    const number = numbers.get(id) ?? numbers.size + 1;
    numbers.set(id, number);
    return number;
  };
  await client.query('begin read only');
  try {
    await client.query(`declare known no scroll cursor for select * from sync.list_import_customers(${Number(run)})`);
    for (;;) {
      signal?.throwIfAborted();
      const { rows } = await client.query<{
        id: string;
        name: string;
        emails: string[];
        phones: string[];
        company: string | null;
        company_domain: string | null;
        has_verified_address: boolean;
        file: number | null;
        external_id: string | null;
        first_name: string | null;
        last_name: string | null;
        city: string | null;
        birth_date: string | null;
      }>(`fetch ${customersPerFetch} from known`);
      for (const row of rows) {
        ids.push(row.id);
        table.add(
          {
            name: row.name,
            firstName: row.first_name,
            lastName: row.last_name,
            emails: row.emails.map((key) => ({ address: key, key })),
            phones: row.phones.map((key) => ({ written: key, key, extension: null, isShared: false })),
            company: row.company === null ? null : { externalId: null, name: row.company, domain: row.company_domain },
            city: row.city,
            birthDate: row.birth_date,
            externalId: row.external_id,
          },
          {
            customer: numberOf(row.id),
            hasVerifiedAddress: row.has_verified_address,
            ...(row.file === null ? { ownsAddresses: true } : { source: row.file }),
          },
        );
      }
      if (rows.length < customersPerFetch) break;
    }
    await client.query(
      `declare claims no scroll cursor for select * from sync.list_import_claims(${Number(run)}) order by n`,
    );
    for (let row = 0; ; ) {
      signal?.throwIfAborted();
      const { rows } = await client.query<{ n: number; customer: string; by: ClaimBy }>(
        `fetch ${customersPerFetch} from claims`,
      );
      for (const { n, customer, by } of rows) {
        while ((lineOf.values[row] as number) < n) row++;
        table.claim(row, numberOf(customer), by);
      }
      if (rows.length < customersPerFetch) return ids;
    }
  } finally {
    await client.query('rollback');
  }
}

/** A held line is in no group: a person decides first. */
async function copyGroups(
  client: ImportClient,
  run: string,
  { lineOf }: Grouping,
  customers: string[],
  { groups, held, isAnswered }: MatchResult,
): Promise<void> {
  const lines = lineOf.length;
  const heldRows = new Map<number, HeldReason>();
  for (const { rows, reason } of held) for (const row of rows) if (!heldRows.has(row)) heldRows.set(row, reason);
  const stream = client.query(copyFrom('copy staging.import_groups (run, n, lead, customer, code, reason) from stdin'));
  const failed = once(stream, 'error').then(([error]) => {
    throw error;
  });
  failed.catch(() => {});
  let text = '';
  const write = async (line: string) => {
    text += line;
    if (text.length < flushCharacters) return;
    const full = text;
    text = '';
    if (!stream.write(full)) await Promise.race([once(stream, 'drain'), failed]);
  };
  for (const group of groups) {
    const own = group.filter((row) => row < lines && !heldRows.has(row));
    const customer = group.find((row) => row >= lines);
    const id = customer === undefined ? '\\N' : customers[customer - lines];
    if (own.length === 0 || (own.length === 1 && customer === undefined)) continue;
    const lead = Math.min(...own.map((row) => lineOf.values[row] as number));
    for (const row of own)
      await write(`${run}\t${lineOf.values[row]}\t${lead}\t${id}\t${isAnswered(row) ? 'answered' : '\\N'}\t\\N\n`);
  }
  for (const [row, reason] of heldRows)
    if (row < lines) await write(`${run}\t${lineOf.values[row]}\t\\N\t\\N\t${reason}\t${heldMessages[reason]}\n`);
  const finished = once(stream, 'finish');
  stream.end(text);
  await Promise.race([finished, failed]);
}
