import { InvalidField, NotFound, PlatformError, type Queryable, type Transaction } from '@aether/platform';
import { type DealRecord, getDealRecord, lockDeal } from './deals.ts';

/*
 * Who has a part in a deal: its customer, who is the primary contact, and others (crm.deal_contacts). Contacts count as no change of the deal's
 * version; another primary contact does, because the deal is of another customer then.
 */

/** A person in a deal. */
export type DealContact = {
  customer: { id: string; name: string };
  company: { id: string; name: string } | null;
  /** What the person has to do with it, in a word or two. */
  role: string | null;
  is_primary: boolean;
};

/** A deal has at most so many contacts, the primary one among them. */
export const dealContactsMax = 50;

/** The primary contact stays in the deal: make another one primary first. */
export class PrimaryContact extends PlatformError {
  constructor() {
    super('primary-contact', 409, 'This is the primary contact of the deal. Make somebody else primary first.');
  }
}

/** The contacts of a deal, the primary one first, the others in the order in which they came. @throws NotFound */
export async function listDealContacts(on: Queryable, dealId: number): Promise<DealContact[]> {
  const contacts = await on.query<DealContact>(
    `select jsonb_build_object('id', c.id, 'name', c.name) as customer, p.role, p.is_primary,
       case when o.id is not null then jsonb_build_object('id', o.id, 'name', o.name) end as company
     from (
       select d.customer_id, k.role, true as is_primary, 0 as place
       from crm.deals d left join crm.deal_contacts k on k.deal_id = d.id and k.customer_id = d.customer_id where d.id = $1
       union all
       select k.customer_id, k.role, false, k.id
       from crm.deal_contacts k join crm.deals d on d.id = k.deal_id where k.deal_id = $1 and k.customer_id <> d.customer_id) p
     join platform.customers c on c.id = p.customer_id left join platform.companies o on o.id = c.company_id
     order by p.place`,
    [dealId],
  );
  if (contacts.length === 0) throw new NotFound('deal');
  return contacts;
}

/**
 * Makes a customer a contact of a deal, or changes the part that the contact has; without a role, the part stays. Who is in the deal already
 * with this role stays as they are.
 *
 * @throws NotFound, InvalidField when the deal has too many contacts
 */
export async function putDealContact(
  tx: Transaction,
  dealId: number,
  customerId: string,
  role: string | null | undefined,
): Promise<DealContact[]> {
  const deal = await lockDeal(tx, dealId);
  const others = await tx.query<{ customer_id: string }>(
    'select customer_id from crm.deal_contacts where deal_id = $1 and customer_id <> $2',
    [dealId, deal.customer_id],
  );
  const isNew = deal.customer_id !== customerId && !others.some(({ customer_id }) => customer_id === customerId);
  if (isNew && others.length + 1 >= dealContactsMax)
    throw new InvalidField([{ field: 'id', message: `must be a deal with fewer than ${dealContactsMax} contacts` }]);
  if (role !== undefined || isNew)
    await tx.query(
      `insert into crm.deal_contacts as k (deal_id, customer_id, role) values ($1, $2, $3)
       on conflict (deal_id, customer_id) do update set role = excluded.role where k.role is distinct from excluded.role`,
      [dealId, customerId, role ?? null],
    );
  return listDealContacts(tx, dealId);
}

/** Takes a contact out of a deal. Who is not in it stays so. @throws NotFound, PrimaryContact */
export async function removeDealContact(tx: Transaction, dealId: number, customerId: string): Promise<DealContact[]> {
  const deal = await lockDeal(tx, dealId);
  if (deal.customer_id === customerId) throw new PrimaryContact();
  await tx.query('delete from crm.deal_contacts where deal_id = $1 and customer_id = $2', [dealId, customerId]);
  return listDealContacts(tx, dealId);
}

/**
 * Makes a customer the primary contact of a deal: it is their deal from then on, with its history (the trigger follow_primary). The former one
 * stays a contact, unless they were erased. Everything else of the deal, such as its company, stays.
 *
 * @throws NotFound, VersionConflict, InvalidField when the deal has too many contacts
 */
export async function makePrimary(
  tx: Transaction,
  dealId: number,
  customerId: string,
  expectedVersion?: number,
): Promise<DealRecord> {
  const deal = await lockDeal(tx, dealId, expectedVersion);
  if (deal.customer_id !== customerId) {
    await putDealContact(tx, dealId, customerId, undefined);
    // Nobody adds an erased person again.
    await tx.query(
      `insert into crm.deal_contacts (deal_id, customer_id)
       select $1, c.id from platform.customers c where c.id = $2 and c.erased_at is null on conflict do nothing`,
      [dealId, deal.customer_id],
    );
    await tx.query('update crm.deals set customer_id = $2 where id = $1', [dealId, customerId]);
  }
  return getDealRecord(tx, dealId);
}
