import type { App } from './environment.ts';
import { CustomerErased, NotFound, PersonErased, VersionConflict } from './errors.ts';
import { assignmentsFor, columnsOf, isUuid, nameNotOwned, nameTaken, parametersFor, requireEmail } from './fields.ts';
import type { Connection } from './log/connection.ts';
import { TransactionConflict } from './log/errors.ts';
import type { Queryable, Statement } from './log/query.ts';
import type { InTransaction, Write } from './log/transaction.ts';
import { coalesceReads, type Lookup, prepareLookup, runLookup, type ValuesOf } from './lookups.ts';
import { phoneColumns } from './phone.ts';
import type { Reads } from './reads.ts';

/** A row of platform.customers, but for the key of its address. */
export type Customer = {
  /** UUID, version 7. */
  id: string;
  /** In the form that people see; any spelling of it finds the customer. */
  email: string;
  name: string;
  /** As it was written. */
  phone: string | null;
  /** E.164, by which the customer is found; null without a phone. */
  phone_key: string | null;
  phone_extension: string | null;
  company_id: string | null;
  /** Counts the changes, from 1. */
  version: number;
  created_at: Date;
  updated_at: Date;
  created_by_app: App;
  /** Foundation's number for this customer; null until Foundation adopts it. */
  crm_id: number | null;
  account_tier: string | null;
  account_manager_id: string | null;
  /** Support's number for this customer; null until Support adopts it. */
  support_id: number | null;
  preferred_language: string | null;
  timezone: string | null;
  merged_into: string | null;
  erased_at: Date | null;
};

type SharedInput = { email: string; name: string; phone?: string | null; company_id?: string | null };
type OwnedInput = {
  crm_id?: number | null;
  account_tier?: string | null;
  account_manager_id?: string | null;
  support_id?: number | null;
  preferred_language?: string | null;
  timezone?: string | null;
};
/** The database refuses fields that another app owns: FieldNotOwned. */
export type NewCustomer = SharedInput & OwnedInput;
export type CustomerChange = Partial<NewCustomer>;

export const customerOwners: Record<string, App> = {
  crm_id: 'foundation',
  account_tier: 'foundation',
  account_manager_id: 'foundation',
  support_id: 'support',
  preferred_language: 'support',
  timezone: 'support',
};
const sharedColumns = ['email', 'email_key', 'name', 'phone', 'phone_key', 'phone_extension', 'company_id'];
const writableColumns = [...sharedColumns, ...Object.keys(customerOwners)];

const customerFields = [
  ...(['id', 'email', 'name', 'phone', 'phone_key', 'phone_extension', 'company_id', 'version'] as const),
  ...(['created_at', 'updated_at', 'created_by_app', 'crm_id', 'account_tier', 'account_manager_id'] as const),
  ...(['support_id', 'preferred_language', 'timezone', 'merged_into', 'erased_at'] as const),
] as const;
/** The columns of Customer, from the table or composite called `c`. */
export const customerColumns = customerFields.map((field) => `c.${field}`).join(', ');
/** The values of `customerColumns`. */
export type CustomerValues = ValuesOf<Customer, typeof customerFields>;

/** Of an array with more values, the first ones. A literal takes a tenth of the time of an object that is filled by names. */
export function toCustomer(values: readonly [...CustomerValues, ...unknown[]]): Customer {
  const [
    id,
    email,
    name,
    phone,
    phone_key,
    phone_extension,
    company_id,
    version,
    created_at,
    updated_at,
    created_by_app,
    crm_id,
    account_tier,
    account_manager_id,
    support_id,
    preferred_language,
    timezone,
    merged_into,
    erased_at,
  ] = values;
  return {
    id,
    email,
    name,
    phone,
    phone_key,
    phone_extension,
    company_id,
    version,
    created_at,
    updated_at,
    created_by_app,
    crm_id,
    account_tier,
    account_manager_id,
    support_id,
    preferred_language,
    timezone,
    merged_into,
    erased_at,
  };
}

/** The values of `customerColumns`, and the key that was asked for. */
type AskedRow = [...CustomerValues, asked: string];
const askedAt = customerFields.length;
const byEmail = prepareLookup(
  'customer-by-email',
  'text',
  `select ${customerColumns}, e.email_key as asked
   from platform.customer_emails e join platform.customers c on c.id = e.customer_id
   where e.email_key`,
  {
    rowMode: 'array',
    isInTurn: true,
    // Nearly every address that is asked for is somebody's primary one, which is in the customer's own row: half as many pages.
    ofMany: (isAsked) =>
      `select ${customerColumns}, c.email_key as asked from platform.customers c
       where c.merged_into is null and c.erased_at is null and c.email_key ${isAsked}
       union all
       select ${customerColumns}, e.email_key from platform.customer_emails e join platform.customers c on c.id = e.customer_id
       where not e.is_primary and e.email_key ${isAsked}`,
  },
);
const byId = prepareLookup(
  'customer-by-id',
  'uuid',
  `select ${customerColumns}, asked.id as asked
   from platform.customers asked join platform.customers c on c.id = coalesce(asked.merged_into, asked.id)
   where asked.id`,
  { rowMode: 'array', isInTurn: true },
);
const byNumber: Statement = {
  name: 'customer-by-number',
  text: `select ${customerColumns}
    from platform.customer_external_ids x
    join platform.customers asked on asked.id = x.customer_id
    join platform.customers c on c.id = coalesce(asked.merged_into, asked.id)
    where x.app = $1 and x.external_id = $2`,
};
const findOrCreate: Statement = {
  name: 'customer-find-or-create',
  text: `select ${customerColumns}, f.created from platform.find_or_create_customer($1, $2, $3) f, lateral (select (f.customer).*) c`,
};
/** The apps that number customers. Another app knows them by their id. */
const numberColumns: Record<App, 'crm_id' | 'support_id' | undefined> = { foundation: 'crm_id', support: 'support_id' };
/** Holds the row to the end of the transaction if it is at this version, for a change of something beside the row that must count as well. */
const holdVersion: Statement = {
  name: 'customer-hold-version',
  text: `select ${customerColumns} from platform.customers c
    where c.id = (select coalesce(merged_into, id) from platform.customers where id = $1) and c.version = $2 for no key update`,
};

const freeByKey: Statement = {
  name: 'customer-free-address',
  text: `select removed.address_id
    from platform.customer_emails e, platform.remove_address(e.customer_id, e.id) removed
    where e.customer_id = $1 and e.email_key = $2`,
};

export type CustomerCalls = ReturnType<typeof customerCalls>;

/**
 * The calls of platformDb about customers. Lookups without `tx` are coalesced; every write takes `tx`.
 *
 * @param phoneCountry how a phone without + is read.
 */
export function customerCalls(
  connection: Connection<App>,
  { phoneCountry, reads }: { phoneCountry?: string | undefined; reads: Reads },
) {
  const lookUp = (lookup: Lookup) =>
    coalesceReads<string, Customer>(
      async (on, keys, tell) => {
        for (const row of await runLookup<AskedRow>(on, lookup, keys)) tell(row[askedAt], toCustomer(row));
      },
      reads,
      connection.lookupCounts,
    );
  const fetchOne = async (tx: Queryable, lookup: Lookup, key: string): Promise<Customer | null> => {
    const [row] = await runLookup<AskedRow>(tx, lookup, [key]);
    return row ? toCustomer(row) : null;
  };
  const [coalescedByEmail, coalescedById] = [lookUp(byEmail), lookUp(byId)];

  async function getCustomerByEmail(email: string, { tx }: InTransaction = {}): Promise<Customer | null> {
    const { key } = requireEmail(email);
    if (!tx) return await coalescedByEmail(key);
    return fetchOne(tx, byEmail, key);
  }

  async function getCustomerById(id: string, { tx }: InTransaction = {}): Promise<Customer | null> {
    if (!isUuid(id)) return null;
    const asked = id.toLowerCase();
    if (!tx) return await coalescedById(asked);
    return fetchOne(tx, byId, asked);
  }

  async function getCustomerByNumber(
    app: App,
    number: number | string,
    { tx }: InTransaction = {},
  ): Promise<Customer | null> {
    const [customer] = await (tx?.run ?? reads.find)<Customer>(byNumber, [app, String(number)]);
    return customer ?? null;
  }

  /** Names what the database does not: the fields that another app owns, or the number of this app that another customer has. */
  function nameRefused(error: unknown, change: OwnedInput): unknown {
    const by = numberColumns[connection.app];
    const named = nameNotOwned(error, connection.app, change, customerOwners);
    return by ? nameTaken(named, { by, value: change[by] }) : named;
  }

  async function createCustomer({ email, phone, ...rest }: NewCustomer, write: Write = {}): Promise<Customer> {
    const { key, address } = requireEmail(email);
    const { columns, values } = columnsOf(
      { ...rest, email: address, email_key: key, ...phoneColumns(phone, phoneCountry) },
      writableColumns,
    );
    return connection.within(write, async (tx) => {
      const [customer] = await tx
        .query<Customer>(
          `insert into platform.customers as c (${columns.join(', ')}) values (${parametersFor(columns, 1)}) returning ${customerColumns}`,
          values,
        )
        .catch((error) => {
          throw nameTaken(nameRefused(error, rest), { by: 'email', value: key });
        });
      return customer as Customer;
    });
  }

  async function findOrCreateCustomer(
    { email, name }: { email: string; name: string },
    write: Write = {},
  ): Promise<{ customer: Customer; created: boolean }> {
    const { key, address } = requireEmail(email);
    const known = write.tx ? null : await coalescedByEmail(key);
    if (known) return { customer: known, created: false };
    const find = async (on: Queryable) => {
      const [row] = await on.run<Customer & { created: boolean }>(findOrCreate, [key, address, name]);
      const { created, ...customer } = row as Customer & { created: boolean };
      if (customer.id === null) throw new PersonErased();
      return { customer, created };
    };
    return write.tx || !write.actor ? find(write.tx ?? connection) : connection.within(write, find);
  }

  async function updateCustomer(
    id: string,
    change: CustomerChange,
    write: Write & { expectedVersion?: number; formerAddress?: 'keep' | 'free' } = {},
  ): Promise<Customer> {
    if (!isUuid(id)) throw new NotFound('customer');
    const { email, phone, ...rest } = change;
    const canonical = email === undefined ? undefined : requireEmail(email);
    const { columns, values } = columnsOf(
      { ...rest, email: canonical?.address, email_key: canonical?.key, ...phoneColumns(phone, phoneCountry) },
      writableColumns,
    );
    return connection.within(write, async (tx) => {
      if (columns.length > 0) {
        const [updated] = await tx
          .query<Customer & { former_key: string }>(
            `update platform.customers c set ${assignmentsFor(columns, 3)}
             where c.id = (select coalesce(merged_into, id) from platform.customers where id = $1) and c.merged_into is null
               and c.version = coalesce($2, c.version)
             returning ${customerColumns}, old.email_key as former_key`,
            [id, write.expectedVersion ?? null, ...values],
          )
          .catch((error) => {
            throw nameRefused(error, rest);
          });
        if (updated) {
          const { former_key: formerKey, ...customer } = updated;
          const isFreed = write.formerAddress === 'free' && canonical !== undefined && canonical.key !== formerKey;
          return isFreed ? freeAddress(tx, customer.id, formerKey) : customer;
        }
      } else if (write.expectedVersion !== undefined) {
        const [held] = await tx.run<Customer>(holdVersion, [id, write.expectedVersion]);
        if (held) return held;
      }
      const current = await refuseChange(tx, id, write.expectedVersion);
      if (columns.length > 0 || write.expectedVersion !== undefined) throw new TransactionConflict(); // the customer was merged or changed between the two statements
      return current;
    });
  }

  async function adoptCustomer(id: string, write: Write = {}): Promise<Customer> {
    if (!isUuid(id)) throw new NotFound('customer');
    const column = numberColumns[connection.app];
    return connection.within(write, async (tx) => {
      if (!column) return refuseChange(tx, id);
      const [adopted] = await tx.query<Customer>(
        `update platform.customers c set ${column} = platform.next_customer_number($2)
         where c.id = (select coalesce(merged_into, id) from platform.customers where id = $1) and c.merged_into is null
           and c.${column} is null
         returning ${customerColumns}`,
        [id, connection.app],
      );
      if (adopted) return adopted;
      const current = await refuseChange(tx, id);
      if (current[column] === null) throw new TransactionConflict(); // the customer was merged between the two statements
      return current;
    });
  }

  return {
    /** The customer with this address, in any spelling, the primary one or another; null if nobody has it. @throws InvalidEmail */
    getCustomerByEmail,
    /** The customer of this id; null if there is none. The id of a merged customer finds the survivor. */
    getCustomerById,
    /**
     * The customer with the number that an app gave: crm_id for foundation, support_id for support. Null if there is none. Old numbers keep
     * working after a merge.
     */
    getCustomerByNumber,
    /** Makes a customer. @throws EmailTaken, InvalidEmail, InvalidField, FieldNotOwned */
    createCustomer,
    /**
     * Finds the customer of this address or makes it. Any number of callers at once, in any spelling, get the same customer.
     * An existing customer is returned as it is; `name` is for a new one.
     *
     * @throws PersonErased, which leaves `tx` usable; InvalidEmail, InvalidField; TransactionConflict only in a repeatable-read `tx`.
     */
    findOrCreateCustomer,
    /**
     * Changes the given fields and no others. A merged customer's id changes the survivor. With no field but an
     * `expectedVersion`, the customer is held at that version until `tx` ends.
     *
     * @param expectedVersion the change is refused if the customer has changed since this version was read.
     * @param formerAddress the fate of the primary address if `email` names another one: `keep` (the default) leaves it with the
     *   customer as another address; `free` takes it away, because it was a mistake, so that another customer can have it.
     * @throws VersionConflict, CustomerErased, NotFound, FieldNotOwned, EmailTaken, InvalidEmail, InvalidField, ReferenceNotFound
     */
    updateCustomer,
    /** Gives the customer a number of this app, if the app numbers customers and this customer has none. @throws NotFound, CustomerErased, TransactionConflict */
    adoptCustomer,
  };
}

/**
 * Finds the reason why a change found no customer. Without a reason it returns the customer as it is.
 *
 * @throws NotFound, CustomerErased, VersionConflict
 */
export async function refuseChange(tx: Queryable, id: string, expectedVersion?: number): Promise<Customer> {
  const [current] = await runLookup<AskedRow>(tx, byId, [id.toLowerCase()]);
  if (!current) throw new NotFound('customer');
  const customer = toCustomer(current);
  if (customer.erased_at) throw new CustomerErased();
  if (expectedVersion !== undefined && expectedVersion !== customer.version)
    throw new VersionConflict('customer', expectedVersion, customer.version);
  return customer;
}

/** Takes away an address that is no longer the primary one. @returns the customer afterwards */
async function freeAddress(tx: Queryable, customerId: string, key: string): Promise<Customer> {
  await tx.run(freeByKey, [customerId, key]);
  return refuseChange(tx, customerId);
}
