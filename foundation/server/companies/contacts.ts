import { NotFound, patchRow, type Queryable, type Transaction, VersionConflict } from '@aether/platform';
import { collectValues, keyset, type Place, type Placed } from '../keyset.ts';

/** A person's role at a company. */
export type Contact = {
  id: string;
  company_id: string;
  customer_id: string | null;
  name: string;
  title: string | null;
  email: string | null;
  phone: string | null;
  version: number;
  created_at: Date;
  updated_at: Date;
};
const contactFields = ['customer_id', 'name', 'title', 'email', 'phone'] as const;
export type ContactChange = Partial<Pick<Contact, (typeof contactFields)[number]>>;

const contactColumns =
  't.id, t.company_id, t.customer_id, t.name, t.title, t.email, t.phone, t.version, t.created_at, t.updated_at';

/** By name. */
export async function listContacts(
  on: Queryable,
  companyId: string,
  { after, limit }: { after?: Place; limit: number },
): Promise<Placed<Contact>[]> {
  const { values, parameter } = collectValues();
  const order = { by: 't.name', type: 'text', id: 't.id', idType: 'uuid' };
  const { where, orderBy, place } = keyset(order, 'asc', after, parameter);
  return on.query<Placed<Contact>>(
    `select ${contactColumns}, ${place} from crm.contacts t where t.company_id = ${parameter(companyId)} and ${where} order by ${orderBy} limit ${parameter(limit)}`,
    values,
  );
}

/** @throws ReferenceNotFound */
export async function createContact(
  tx: Transaction,
  companyId: string,
  { customer_id, name, title, email, phone }: ContactChange,
): Promise<Contact> {
  const [made] = await tx.query<Contact>(
    `insert into crm.contacts as t (company_id, customer_id, name, title, email, phone) values ($1, $2, $3, $4, $5, $6) returning ${contactColumns}`,
    [companyId, customer_id, name, title, email, phone],
  );
  return made as Contact;
}

/** @throws NotFound, VersionConflict, ReferenceNotFound */
export async function updateContact(
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
  await patchRow(tx, 'crm.contacts', id, change, contactFields);
  const [changed] = await tx.query<Contact>(`select ${contactColumns} from crm.contacts t where t.id = $1`, [id]);
  return changed as Contact;
}

/** @throws NotFound */
export async function deleteContact(tx: Transaction, id: string): Promise<void> {
  const gone = await tx.query('delete from crm.contacts where id = $1 returning id', [id]);
  if (gone.length === 0) throw new NotFound('contact');
}
