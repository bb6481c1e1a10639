import {
  NotFound,
  type Paging,
  type Placed,
  type PlatformDb,
  patchRow,
  type Queryable,
  readList,
  type Transaction,
  VersionConflict,
} from '@aether/platform';

/** A person's role at a company. */
export type Contact = {
  id: string;
  company_id: string;
  customer_id: string | null;
  name: string;
  title: string | null;
  email: string | null;
  /** As it was written. */
  phone: string | null;
  /** E.164; null without a phone. */
  phone_key: string | null;
  phone_extension: string | null;
  version: number;
  created_at: Date;
  updated_at: Date;
};
const contactFields = ['customer_id', 'name', 'title', 'email', 'phone'] as const;
export type ContactChange = Partial<Pick<Contact, (typeof contactFields)[number]>>;

const contactColumnsWritten = [...contactFields, 'phone_key', 'phone_extension'] as const;
const contactColumns = `t.id, t.company_id, t.customer_id, t.name, t.title, t.email, t.phone, t.phone_key, t.phone_extension,
  t.version, t.created_at, t.updated_at`;

const byName = { order: { by: 't.name', type: 'text', id: 't.id', idType: 'uuid' }, direction: 'asc' } as const;

/** The people of a company, by name. */
export function listContacts(on: Queryable, companyId: string, paging: Paging): Promise<Placed<Contact>[]> {
  return readList<Contact>(on, { ...byName, ...paging }, (parameter) => ({
    columns: contactColumns,
    from: 'crm.contacts t',
    where: [`t.company_id = ${parameter(companyId)}`],
  }));
}

/** @throws InvalidField, ReferenceNotFound */
export async function createContact(
  db: Pick<PlatformDb, 'phoneColumns'>,
  tx: Transaction,
  companyId: string,
  { customer_id, name, title, email, phone }: ContactChange,
): Promise<Contact> {
  const { phone_key, phone_extension } = db.phoneColumns(phone);
  const [made] = await tx.query<Contact>(
    `insert into crm.contacts as t (company_id, customer_id, name, title, email, phone, phone_key, phone_extension)
     values ($1, $2, $3, $4, $5, $6, $7, $8) returning ${contactColumns}`,
    [companyId, customer_id, name, title, email, phone, phone_key, phone_extension],
  );
  return made as Contact;
}

/** @throws NotFound, VersionConflict, InvalidField, ReferenceNotFound */
export async function updateContact(
  db: Pick<PlatformDb, 'phoneColumns'>,
  tx: Transaction,
  id: string,
  change: ContactChange,
  expectedVersion?: number,
): Promise<Contact> {
  const [now] = await tx.query<Contact>(`select ${contactColumns} from crm.contacts t where t.id = $1 for update`, [
    id,
  ]);
  if (!now) throw new NotFound('contact');
  if (expectedVersion !== undefined && now.version !== expectedVersion)
    throw new VersionConflict('contact', expectedVersion, now.version);
  await patchRow(tx, 'crm.contacts', id, { ...change, ...db.phoneColumns(change.phone) }, contactColumnsWritten);
  const [changed] = await tx.query<Contact>(`select ${contactColumns} from crm.contacts t where t.id = $1`, [id]);
  return changed as Contact;
}

/** @throws NotFound, VersionConflict */
export async function deleteContact(tx: Transaction, id: string, expectedVersion?: number): Promise<void> {
  const [now] = await tx.query<Pick<Contact, 'version'>>('select version from crm.contacts where id = $1 for update', [
    id,
  ]);
  if (!now) throw new NotFound('contact');
  if (expectedVersion !== undefined && now.version !== expectedVersion)
    throw new VersionConflict('contact', expectedVersion, now.version);
  await tx.query('delete from crm.contacts where id = $1', [id]);
}
