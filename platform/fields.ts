import { canonicaliseDomain, canonicaliseEmail } from './email.ts';
import type { App } from './environment.ts';
import { InvalidEmail } from './errors.ts';
import { type FieldError, FieldNotOwned, InvalidField } from './log/errors.ts';
import type { Queryable } from './log/query.ts';

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether PostgreSQL would take this as a uuid. A lookup of anything else finds nothing, and must not fail its neighbours. */
export function isUuid(value: string): boolean {
  return uuidPattern.test(value);
}

/** @throws InvalidEmail when no mailbox can be meant. */
export function requireEmail(email: string): { key: string; address: string } {
  const canonical = canonicaliseEmail(email);
  if (!canonical.ok) throw new InvalidEmail(canonical.reason, canonical.message);
  return canonical;
}

/** @throws InvalidField when it is no domain. */
export function requireDomain(domain: string): string {
  const canonical = canonicaliseDomain(domain);
  if (!canonical) throw new InvalidField([{ field: 'domain', message: 'must be a domain such as example.com' }]);
  return canonical;
}

/**
 * The columns and values of a write, fields that are undefined left out.
 *
 * @throws InvalidField when a column is not among `writable`, so that no name reaches SQL unchecked.
 */
export function columnsOf(record: object, writable: readonly string[]): { columns: string[]; values: unknown[] } {
  const given = Object.entries(record).filter(([, value]) => value !== undefined);
  const unknown = given.filter(([field]) => !writable.includes(field));
  if (unknown.length > 0)
    throw new InvalidField(unknown.map(([field]): FieldError => ({ field, message: 'cannot be written.' })));
  return { columns: given.map(([field]) => field), values: given.map(([, value]) => value) };
}

/** `$3, $4, …`, one for each column. */
export function parametersFor(columns: string[], first: number): string {
  return columns.map((_, index) => `$${first + index}`).join(', ');
}

/** `name = $3, phone = $4, …` */
export function assignmentsFor(columns: string[], first: number): string {
  return columns.map((column, index) => `${column} = $${first + index}`).join(', ');
}

/**
 * Writes the given fields of one row and no others; those that are undefined stay as they are, and with none nothing is sent. An id
 * that no row has is no error: who needs the row locks or reads it.
 *
 * @param table with its schema; its key is `id`.
 * @param change fields by their columns. What goes into jsonb is given as JSON text, because the driver makes an array of an array.
 * @throws InvalidField when a column is not among `writable`, so that no name reaches SQL unchecked.
 */
export async function patchRow(
  on: Queryable,
  table: string,
  id: string | number,
  change: object,
  writable: readonly string[],
): Promise<void> {
  const { columns, values } = columnsOf(change, writable);
  if (columns.length > 0)
    await on.query(`update ${table} set ${assignmentsFor(columns, 2)} where id = $1`, [id, ...values]);
}

/**
 * The database refuses a write without saying which column it was about; this names those that another app owns.
 * The grants of database/migrations/0002_platform.sql decide; `owners` only words the refusal.
 */
export function nameNotOwned(error: unknown, app: string, patch: object, owners: Record<string, App>): unknown {
  if (!(error instanceof FieldNotOwned)) return error;
  const foreign = Object.keys(patch).filter((field) => owners[field] && owners[field] !== app);
  return new FieldNotOwned(
    foreign.map((field) => ({ field, message: `belongs to ${owners[field]}` })),
    error.cause,
  );
}
