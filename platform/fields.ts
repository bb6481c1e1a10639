import { canonicaliseDomain, canonicaliseEmail } from './email.ts';
import type { App } from './environment.ts';
import { InvalidEmail } from './errors.ts';
import { type FieldError, FieldNotOwned, InvalidField, PlatformError, type Taken } from './log/errors.ts';
import type { Queryable } from './log/query.ts';

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether PostgreSQL accepts this as a uuid. A lookup of any other text finds nothing and must not fail the lookups beside it. */
export function isUuid(value: string): boolean {
  return uuidPattern.test(value);
}

/** @throws InvalidEmail if the text cannot mean a mailbox. */
export function requireEmail(email: string): { key: string; address: string } {
  const canonical = canonicaliseEmail(email);
  if (!canonical.ok) throw new InvalidEmail(canonical.reason, canonical.message);
  return canonical;
}

/**
 * The domain of a company as people type it, or paste it from the address of its website: `https://www.Example.com/about` → example.com, the part
 * after the @ in its people's addresses. Pure; never throws.
 *
 * @returns undefined if it is no domain.
 */
export function readCompanyDomain(typed: string): string | undefined {
  const [, host = typed] = /^\s*https?:\/\/([^/?#]+)/i.exec(typed) ?? [];
  const canonical = canonicaliseDomain(host);
  const bare = canonical?.replace(/^www\./, '');
  return bare?.includes('.') ? bare : canonical;
}

/** @throws InvalidField if it is no domain. */
export function requireDomain(domain: string): string {
  const canonical = readCompanyDomain(domain);
  if (!canonical) throw new InvalidField([{ field: 'domain', message: 'must be a domain such as example.com' }]);
  return canonical;
}

/**
 * The columns and values of a write. Undefined fields are left out.
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
 * Writes the given fields of one row and no others. Undefined fields stay as they are; without any field no statement is sent. An unknown
 * id is no error: a caller who needs the row locks or reads it.
 *
 * @param table with its schema; its key is `id`.
 * @param change fields by their columns. The value of a jsonb column is given as JSON text, because the driver turns an array into an SQL
 *   array.
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
 * The database refuses a write without naming the column. This names the columns that another app owns.
 * The grants of database/migrations/0002_platform.sql decide; `owners` is only for the words of the refusal.
 */
export function nameNotOwned(error: unknown, app: string, patch: object, owners: Record<string, App>): unknown {
  if (!(error instanceof FieldNotOwned)) return error;
  const foreign = Object.keys(patch).filter((field) => owners[field] && owners[field] !== app);
  return new FieldNotOwned(
    foreign.map((field) => ({ field, message: `belongs to ${owners[field]}` })),
    error.cause,
  );
}

/** Notes in a refusal which value was taken, for `findHolder`. The database names no values in its refusal. */
export function nameTaken(error: unknown, { by, value }: { by: Taken['by']; value: unknown }): unknown {
  const codes: Record<string, Taken['by'][]> = {
    'email-taken': ['email'],
    'already-exists': ['domain', 'crm_id', 'support_id'],
  };
  if (!(error instanceof PlatformError) || !codes[error.code]?.includes(by)) return error;
  if (value !== undefined && value !== null) error.taken ??= { by, value: String(value) };
  return error;
}
