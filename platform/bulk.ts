import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { refuseConstraint } from './constraints.ts';
import type { CustomerChange, NewCustomer } from './customers.ts';
import { NotFound, VersionConflict } from './errors.ts';
import { columnsOf, isUuid, requireEmail } from './fields.ts';
import type { Connection } from './log/connection.ts';
import { InvalidField, PlatformError, TransactionConflict } from './log/errors.ts';
import type { Queryable } from './log/query.ts';
import { translateRefusal } from './log/refusals.ts';
import type { Transaction } from './log/transaction.ts';
import { phoneColumns } from './phone.ts';

export { refuseConstraint } from './constraints.ts';

/*
 * Writes of many customers: an import, or the migration of a former app. They cost what sets cost, because the database does what its row
 * triggers do for a whole chunk at once (platform.insert_customers and platform.update_customers, database/migrations/0007_bulk.sql). The
 * checks, the addresses, the numbers, the versions and the events are the same; a property test compares both ways.
 *
 * Only the login of the worker, sync_app, may call them. An app writes its own fields, one customer at a time.
 *
 * A chunk is one transaction, and the caller writes what belongs to it, such as a ledger, into the same one. A row that cannot be written
 * is refused alone, with the error that the single write would have thrown; the rest of its chunk is written. The search finds a new
 * customer at once, but reads the newest hundreds one by one until their trigrams are sorted; `writeInChunks` sorts the last ones.
 */

/** A new customer. Its events and addresses name the writer; created_by_app is the app whose customer it is, which numbers it. */
export type BulkCustomer = NewCustomer & { created_by_app: string; id?: string; created_at?: Date };
/** @param expectedVersion without it, the change is made at any version. */
export type BulkChange = { id: string; change: CustomerChange; expectedVersion?: number };

/** Why a row was not written. `row`: its place in the input, from 0. */
export type RefusedRow = { row: number; error: PlatformError };
/** Of each row in order: its id; null for a refused one. */
export type InsertedCustomers = { ids: (string | null)[]; refused: RefusedRow[] };
/** Of each row in order: the version afterwards, the same as before if nothing changed; null for a refused one. */
export type UpdatedCustomers = { versions: (number | null)[]; refused: RefusedRow[] };

/** The default chunk. Its events are numbered together, which takes about 10 ms, and the events of others wait for that. */
const rowsPerChunk = 500;
const attemptsMax = 5;
/** Sorting takes seconds. A server that does not answer for so long is lost. */
const sortTimeoutMs = 600_000;

const inserted = `select ids, refusals from platform.insert_customers(
  array(select r from json_populate_recordset(null::platform.customers, $1::json) r))`;
const updated = 'select versions, refusals from platform.update_customers($1, $2, $3)';
const changeable = [
  ...['email', 'email_key', 'name', 'phone', 'phone_key', 'phone_extension', 'company_id', 'crm_id', 'account_tier'],
  ...['account_manager_id', 'support_id', 'preferred_language', 'timezone'],
];

type Refusal = { row: number; code: string; message: string; constraint?: string; column?: string; detail?: string };

/**
 * Creates up to 10,000 customers, with their addresses, telephone numbers, numbers of the app and one event each.
 *
 * @param tx of the login sync_app.
 * @param phoneCountry how a phone without + is read.
 */
export async function insertCustomers(
  tx: Queryable,
  rows: readonly BulkCustomer[],
  { phoneCountry }: { phoneCountry?: string | undefined } = {},
): Promise<InsertedCustomers> {
  const { sound, places, refused } = sift(rows, (row) =>
    completeRow(row, [...changeable, 'created_by_app', 'id', 'created_at'], phoneCountry),
  );
  const ids: (string | null)[] = rows.map(() => null);
  if (sound.length > 0) {
    const [answer] = await tx.query<{ ids: (string | null)[]; refusals: Refusal[] }>(inserted, [JSON.stringify(sound)]);
    for (const [at, id] of (answer?.ids ?? []).entries()) ids[places[at] as number] = id;
    for (const refusal of answer?.refusals ?? [])
      refused.push({ row: places[refusal.row - 1] as number, error: errorOf(refusal) });
  }
  return { ids, refused: refused.sort((a, b) => a.row - b.row) };
}

/** Changes up to 10,000 customers, each the given fields and no others, with one event for each that changes. */
export async function updateCustomers(
  tx: Queryable,
  rows: readonly BulkChange[],
  { phoneCountry }: { phoneCountry?: string | undefined } = {},
): Promise<UpdatedCustomers> {
  const { sound, places, refused } = sift(rows, ({ id, change, expectedVersion }) => {
    if (!isUuid(id)) throw new NotFound('customer');
    return { id, expectedVersion: expectedVersion ?? null, change: completeRow(change, changeable, phoneCountry) };
  });
  const versions: (number | null)[] = rows.map(() => null);
  if (sound.length > 0) {
    const [answer] = await tx.query<{ versions: (number | null)[]; refusals: Refusal[] }>(updated, [
      sound.map(({ id }) => id),
      sound.map(({ expectedVersion }) => expectedVersion),
      sound.map(({ change }) => JSON.stringify(change)),
    ]);
    for (const [at, version] of (answer?.versions ?? []).entries())
      versions[places[at] as number] = version === null ? null : Number(version);
    for (const refusal of answer?.refusals ?? []) {
      const expected = sound[refusal.row - 1]?.expectedVersion ?? undefined;
      refused.push({ row: places[refusal.row - 1] as number, error: errorOf(refusal, expected) });
    }
  }
  return { versions, refused: refused.sort((a, b) => a.row - b.row) };
}

/**
 * Runs `write` for one chunk of the rows after another, each in a transaction of its own, and leaves the search sorted. A chunk that
 * lost a race is written again. Rows before a chunk that fails stay written.
 *
 * @param connection of the login sync_app.
 * @param write is given the chunk's transaction: insertCustomers or updateCustomers, and what belongs to them.
 * @param restMs a pause after each chunk, which leaves more of the machine to others.
 */
export async function writeInChunks<Row>(
  connection: Connection,
  rows: Iterable<Row> | AsyncIterable<Row>,
  write: (tx: Transaction, chunk: Row[]) => Promise<void>,
  {
    size = rowsPerChunk,
    restMs = 0,
    ...cause
  }: { size?: number; restMs?: number; actor?: string; trace?: string } = {},
): Promise<void> {
  let isSorted = true;
  let chunk: Row[] = [];
  const flush = async () => {
    const full = chunk;
    chunk = [];
    for (let attempt = 1; ; attempt++) {
      try {
        await connection.transaction(cause, (tx) => write(tx, full));
        break;
      } catch (error) {
        if (!(error instanceof TransactionConflict) || attempt === attemptsMax) throw error;
      }
    }
    isSorted = false;
    if (restMs > 0) await wait(restMs);
  };
  for await (const row of rows) {
    chunk.push(row);
    if (chunk.length >= size) await flush();
  }
  if (chunk.length > 0) await flush();
  if (!isSorted) await connection.query('select platform.sort_customer_search()', [], { timeoutMs: sortTimeoutMs });
}

/** Takes apart the rows that cannot even be sent. */
function sift<Row, Sound>(rows: readonly Row[], complete: (row: Row) => Sound) {
  const sound: Sound[] = [];
  const places: number[] = [];
  const refused: RefusedRow[] = [];
  for (const [row, each] of rows.entries()) {
    try {
      sound.push(complete(each));
      places.push(row);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      refused.push({ row, error });
    }
  }
  return { sound, places, refused };
}

/** The columns of a row, with the keys of its address and its number. @throws InvalidEmail, InvalidField */
function completeRow(
  { email, phone, ...rest }: Partial<BulkCustomer>,
  writable: string[],
  phoneCountry: string | undefined,
): object {
  const canonical = email === undefined ? undefined : requireEmail(email);
  const record = {
    ...rest,
    ...(canonical && { email: canonical.address, email_key: canonical.key }),
    ...phoneColumns(phone, phoneCountry),
  };
  const { columns, values } = columnsOf(record, writable);
  for (const [at, column] of columns.entries()) requireStorable(column, values[at]);
  return record;
}

/** A value that its column cannot hold would fail all rows of a write. @throws InvalidField */
function requireStorable(field: string, value: unknown): void {
  if (value === null) return;
  const isStorable =
    field === 'id' || field === 'company_id'
      ? isUuid(String(value))
      : field === 'crm_id' || field === 'support_id'
        ? Number.isSafeInteger(value)
        : field === 'created_at'
          ? value instanceof Date && Math.abs(value.getUTCFullYear()) < 10_000
          : typeof value === 'string' && value.isWellFormed() && !value.includes('\0');
  if (!isStorable) throw new InvalidField([{ field, message: 'cannot be stored in this form.' }]);
}

/** The error that the single write would have thrown. */
function errorOf({ message, ...parts }: Refusal, expectedVersion?: number): PlatformError {
  if (parts.constraint === 'customer_missing') return new NotFound('customer');
  if (parts.constraint === 'customers_version')
    return new VersionConflict('customer', expectedVersion ?? 0, Number(parts.detail));
  if (parts.constraint === 'customers_once')
    return new InvalidField([{ field: 'id', message: 'is the same as that of an earlier row of this write.' }]);
  const isTaken = parts.code === '23505';
  const table = isTaken ? {} : { schema: 'platform', table: 'customers' };
  const cause = Object.assign(new pg.DatabaseError(message, 0, 'error'), parts, table);
  const error = translateRefusal(cause, { refuseConstraint });
  if (error instanceof PlatformError) return error;
  throw error;
}
