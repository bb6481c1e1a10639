import { type BelongingWrite, belongingsOf, type ChangedBelongings } from './belongings.ts';
import { isUuid } from './fields.ts';
import type { Connection } from './log/connection.ts';
import type { Statement } from './log/query.ts';
import type { InTransaction } from './log/transaction.ts';
import { requirePhone } from './phone.ts';
import type { Reads } from './reads.ts';

/** One telephone number of a customer: a row of platform.customer_phones. */
export type CustomerPhone = {
  id: string;
  /** As it was written. */
  phone: string;
  /** E.164, by which the customer is found. */
  phone_key: string;
  phone_extension: string | null;
  /** The one that `customer.phone` holds. */
  is_primary: boolean;
  added_at: Date;
  added_by_app: string;
  /** The user who added it; null if nobody was signed in or the user is deleted. */
  added_by: { id: string; name: string } | null;
};

const listStatement: Statement = {
  name: 'phones-of-customer',
  text: `select p.id, p.phone, p.phone_key, p.phone_extension, p.is_primary, p.created_at as added_at, p.added_by_app,
      case when u.id is not null then jsonb_build_object('id', u.id, 'name', u.name) end as added_by
    from platform.customer_phones p left join platform.users u on u.id = p.added_by
    where p.customer_id = (select coalesce(merged_into, id) from platform.customers where id = $1)
    order by p.is_primary desc, p.created_at, p.id`,
};
const add: Statement = {
  name: 'phone-add',
  text: 'select held, phone_id as id, version from platform.add_phone($1, $2, $3, $4, $5)',
};
const makePrimary: Statement = {
  name: 'phone-make-primary',
  text: 'select held, phone_id as id, version from platform.make_phone_primary($1, $2, $3)',
};
const remove: Statement = {
  name: 'phone-remove',
  text: 'select held, phone_id as id, version from platform.remove_phone($1, $2, $3)',
};
const restore: Statement = {
  name: 'phone-restore',
  text: 'select held, phone_id as id, version from platform.restore_phone($1, $2, $3)',
};

export type CustomerPhoneCalls = ReturnType<typeof customerPhoneCalls>;

/**
 * The calls of platformDb about the telephone numbers of a customer. Each change counts as a change of the customer: see belongingsOf.
 * Several customers may have the same number.
 *
 * @param phoneCountry how a number without + is read.
 */
export function customerPhoneCalls(
  connection: Connection,
  { phoneCountry, reads }: { phoneCountry?: string | undefined; reads: Reads },
) {
  const { list, change, changeOne } = belongingsOf<CustomerPhone>(connection, reads, 'telephone number', listStatement);

  async function listPhones(customerId: string, { tx }: InTransaction = {}): Promise<CustomerPhone[]> {
    return isUuid(customerId) ? list(customerId, { tx }) : [];
  }

  async function addPhone(customerId: string, phone: string, write: BelongingWrite = {}): Promise<ChangedPhones> {
    const { written, key, extension } = requirePhone(phone, { country: phoneCountry });
    return named(await change(add, customerId, [written, key, extension], write));
  }

  async function makePhonePrimary(
    customerId: string,
    phoneId: string,
    write: BelongingWrite = {},
  ): Promise<ChangedPhones> {
    return named(await changeOne(makePrimary, customerId, phoneId, write));
  }

  async function removePhone(customerId: string, phoneId: string, write: BelongingWrite = {}): Promise<ChangedPhones> {
    return named(await changeOne(remove, customerId, phoneId, write));
  }

  async function restorePhone(customerId: string, phoneId: string, write: BelongingWrite = {}): Promise<ChangedPhones> {
    return named(await changeOne(restore, customerId, phoneId, write));
  }

  return {
    /** All numbers of a customer, the primary one first, then the oldest. An unknown customer has none. */
    listPhones,
    /**
     * Adds a number. The first one is the primary one. A number that the customer has already stays as it is.
     *
     * @throws InvalidField, VersionConflict, CustomerErased, NotFound
     */
    addPhone,
    /**
     * Makes one of the customer's numbers the primary one. The former primary number stays as another number.
     *
     * @throws VersionConflict, CustomerErased, NotFound
     */
    makePhonePrimary,
    /**
     * Takes a number away from the customer.
     *
     * @throws PrimaryPhoneStays if it is the primary one of several, VersionConflict, CustomerErased, NotFound
     */
    removePhone,
    /**
     * Gives back a number that removePhone took away: as another number, or as the primary one if the customer has none.
     *
     * @throws VersionConflict, CustomerErased, NotFound
     */
    restorePhone,
  };
}

/** The numbers after a change. */
export type ChangedPhones = {
  /** The customer who has them; for a merged customer, the survivor. */
  customerId: string;
  /** The id of the number that the change was about. */
  phoneId: string;
  /** The version of the customer after the change. */
  version: number;
  phones: CustomerPhone[];
};

const named = ({ id, all, ...changed }: ChangedBelongings<CustomerPhone>): ChangedPhones => ({
  ...changed,
  phoneId: id,
  phones: all,
});
