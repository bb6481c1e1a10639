import { type BelongingWrite, belongingsOf, type ChangedBelongings } from './belongings.ts';
import { type Customer, customerColumns } from './customers.ts';
import { NotFound, PersonErased } from './errors.ts';
import { isUuid, requireEmail } from './fields.ts';
import type { Connection } from './log/connection.ts';
import type { Statement } from './log/query.ts';
import type { InTransaction, Write } from './log/transaction.ts';
import type { Reads } from './reads.ts';

/** One address of a customer: a row of platform.customer_emails. */
export type Address = {
  id: string;
  /** In the form that people see. */
  email: string;
  is_primary: boolean;
  /** When it was proven that the customer has this address; null: somebody typed it. */
  verified_at: Date | null;
  /** The kind of proof: a host page signed a visitor's identity. */
  verified_by: 'signed_identity' | null;
  added_at: Date;
  added_by_app: string;
  /** The user who added it; null if nobody was signed in or the user is deleted. */
  added_by: { id: string; name: string } | null;
};

/** Another customer who may be the same person, and the reason to compare the two. */
export type ReviewCandidate = {
  id: string;
  /** verified_claim: one of the two proved an unverified address of the other. */
  reason: string;
  evidence: Record<string, unknown>;
  since: Date;
  /** The other customer, resolved through merges. */
  customer: { id: string; name: string; email: string };
};

const listStatement: Statement = {
  name: 'addresses-of-customer',
  text: `select e.id, e.email, e.is_primary, e.verified_at, e.verified_by, e.created_at as added_at, e.added_by_app,
      case when u.id is not null then jsonb_build_object('id', u.id, 'name', u.name) end as added_by
    from platform.customer_emails e left join platform.users u on u.id = e.added_by
    where e.customer_id = (select coalesce(merged_into, id) from platform.customers where id = $1)
    order by e.is_primary desc, e.created_at, e.id`,
};
const candidatesStatement: Statement = {
  name: 'review-candidates-of-customer',
  text: `select r.id, r.reason, r.evidence, r.created_at as since,
      jsonb_build_object('id', o.id, 'name', o.name, 'email', o.email) as customer
    from (
      select id, reason, evidence, created_at, other_id as other from platform.review_candidates
      where customer_id = $1 and state = 'open' and reason = 'verified_claim'
      union all
      select id, reason, evidence, created_at, customer_id from platform.review_candidates
      where other_id = $1 and state = 'open' and reason = 'verified_claim') r
    join platform.customers other on other.id = r.other
    join platform.customers o on o.id = coalesce(other.merged_into, other.id)
    where o.id <> $1 and o.erased_at is null
    order by r.created_at, r.id`,
};
const add: Statement = {
  name: 'address-add',
  text: 'select held, address_id as id, version from platform.add_address($1, $2, $3, $4)',
};
const makePrimary: Statement = {
  name: 'address-make-primary',
  text: 'select held, address_id as id, version from platform.make_address_primary($1, $2, $3)',
};
const remove: Statement = {
  name: 'address-remove',
  text: 'select held, address_id as id, version from platform.remove_address($1, $2, $3)',
};
const restore: Statement = {
  name: 'address-restore',
  text: 'select held, address_id as id, version from platform.restore_address($1, $2, $3)',
};
const prove: Statement = {
  name: 'address-prove',
  text: `select ${customerColumns}, p.created, p.taken_from
    from platform.prove_address($1, $2, $3) p, lateral (select (p.customer).*) c`,
};

export type AddressCalls = ReturnType<typeof addressCalls>;

/** The calls of platformDb about the addresses of a customer. Each change counts as a change of the customer: see belongingsOf. */
export function addressCalls(connection: Connection, reads: Reads) {
  const { list, change, changeOne } = belongingsOf<Address>(
    connection,
    { ...reads, run: reads.find },
    'address',
    listStatement,
  );

  async function listAddresses(customerId: string, { tx }: InTransaction = {}): Promise<Address[]> {
    const addresses = isUuid(customerId) ? await list(customerId, { tx }) : [];
    if (addresses.length === 0) throw new NotFound('customer');
    return addresses;
  }

  async function listReviewCandidates(customerId: string, { tx }: InTransaction = {}): Promise<ReviewCandidate[]> {
    if (!isUuid(customerId)) return [];
    return (tx ?? reads).run<ReviewCandidate>(candidatesStatement, [customerId]);
  }

  async function addAddress(customerId: string, email: string, write: BelongingWrite = {}): Promise<ChangedAddresses> {
    const { key, address } = requireEmail(email);
    return named(await change(add, customerId, [address, key], write));
  }

  async function makeAddressPrimary(
    customerId: string,
    addressId: string,
    write: BelongingWrite = {},
  ): Promise<ChangedAddresses> {
    return named(await changeOne(makePrimary, customerId, addressId, write));
  }

  async function removeAddress(
    customerId: string,
    addressId: string,
    write: BelongingWrite = {},
  ): Promise<ChangedAddresses> {
    return named(await changeOne(remove, customerId, addressId, write));
  }

  async function restoreAddress(
    customerId: string,
    addressId: string,
    write: BelongingWrite = {},
  ): Promise<ChangedAddresses> {
    return named(await changeOne(restore, customerId, addressId, write));
  }

  async function proveAddress(
    { email, name }: { email: string; name: string },
    write: Write = {},
  ): Promise<{ customer: Customer; created: boolean; takenFrom: string | null }> {
    const { key, address } = requireEmail(email);
    return connection.within(write, async (tx) => {
      const [row] = await tx.run<Customer & { created: boolean; taken_from: string | null }>(prove, [
        key,
        address,
        name,
      ]);
      const { created, taken_from: takenFrom, ...customer } = row as NonNullable<typeof row>;
      if (customer.id === null) throw new PersonErased();
      return { customer, created, takenFrom };
    });
  }

  return {
    /** All addresses of a customer, the primary one first, then the oldest. @throws NotFound */
    listAddresses,
    /** The open review candidates that include this customer. */
    listReviewCandidates,
    /**
     * Adds an address, unverified. An address that the customer has already stays as it is.
     *
     * @throws EmailTaken, InvalidEmail, VersionConflict, CustomerErased, NotFound
     */
    addAddress,
    /**
     * Makes one of the customer's addresses the primary one. The former primary address stays as another address.
     *
     * @throws VersionConflict, CustomerErased, NotFound
     */
    makeAddressPrimary,
    /**
     * Takes an address away from the customer. Another customer can have it then.
     *
     * @throws PrimaryAddressStays, VersionConflict, CustomerErased, NotFound
     */
    removeAddress,
    /**
     * Gives back an address that removeAddress took away, with its former marks. It comes back as another address, not as the primary
     * one.
     *
     * @throws EmailTaken if another customer has it by now, VersionConflict, CustomerErased, NotFound
     */
    restoreAddress,
    /**
     * The customer of an address that was just proven, made if there is none; the address is verified from then on. The proof wins over an
     * unverified address that another customer has beside its primary one, and over an unverified primary one if the two names have no word
     * in common: the address goes to a new customer, `takenFrom` names the former one, and the two become a review candidate. Every other
     * address leads to its customer. A customer who loses the only address has `no-address-…@unknown.invalid`. Only Support may call this.
     *
     * @throws InvalidEmail, InvalidField, FieldNotOwned; TransactionConflict only in a repeatable-read `tx`
     */
    proveAddress,
  };
}

/** The addresses after a change. */
export type ChangedAddresses = {
  /** The customer who has them; for a merged customer, the survivor. */
  customerId: string;
  /** The id of the address that the change was about. */
  addressId: string;
  /** The version of the customer after the change. */
  version: number;
  addresses: Address[];
};

const named = ({ id, all, ...changed }: ChangedBelongings<Address>): ChangedAddresses => ({
  ...changed,
  addressId: id,
  addresses: all,
});
