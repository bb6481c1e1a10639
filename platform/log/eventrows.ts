/*
 * The rows of which every app sees the events, as the events' `data` and `previous` have them: all columns but the version, which the event has itself,
 * and `updated_at`. JSON has no times, so those of these rows are made from their text. platform/events.test.ts compares names and types with the
 * database, and with the types of what platformDb reads.
 */

/** Of an erased customer the values are gone from its events too: what says text may be null then. */
export type CustomerColumns = {
  id: string;
  email: string;
  name: string;
  phone: string | null;
  phone_key: string | null;
  phone_extension: string | null;
  company_id: string | null;
  created_at: Date;
  created_by_app: string;
  crm_id: number | null;
  account_tier: string | null;
  account_manager_id: string | null;
  support_id: number | null;
  preferred_language: string | null;
  timezone: string | null;
  merged_into: string | null;
  erased_at: Date | null;
};

export type CompanyColumns = {
  id: string;
  name: string;
  domain: string | null;
  owner_id: string | null;
  created_at: Date;
  created_by_app: string;
};

export type UserColumns = {
  id: string;
  email: string;
  name: string;
  role: 'admin' | 'steward' | 'user' | 'reader';
  foundation_user_id: number | null;
  support_user_id: number | null;
  created_at: Date;
  last_signed_in: Date | null;
  left_at: Date | null;
};

export type TierColumns = {
  id: number;
  key: string;
  label: string;
  colour: 'grey' | 'blue' | 'green' | 'orange' | 'red' | 'gold';
  position: number;
  is_retired: boolean;
  created_at: Date;
};

export type AddressColumns = {
  id: string;
  email: string;
  customer_id: string;
  verified_at: Date | null;
  verified_by: 'signed_identity' | null;
  created_at: Date;
  added_by_app: string;
  added_by: string | null;
};

export type PhoneColumns = {
  id: string;
  customer_id: string;
  phone: string;
  phone_key: string;
  phone_extension: string | null;
  created_at: Date;
  added_by_app: string;
  added_by: string | null;
};

/**
 * The columns of rows that are captured, by the first word of their events' types. An app adds its own by declaration merging:
 * `declare module '@aether/platform' { interface EventRows { invoice: { id: string; amount: number } } }`
 */
export interface EventRows {
  customer: CustomerColumns;
  company: CompanyColumns;
  user: UserColumns;
  tier: TierColumns;
  address: AddressColumns;
  phone: PhoneColumns;
}

/** The columns that name a row: they are in every event about it, whatever has changed. */
type NamingColumns = {
  customer: 'email' | 'name';
  company: 'name';
  user: 'name';
  tier: 'key' | 'label';
  address: 'customer_id' | 'email';
  phone: 'customer_id' | 'phone' | 'phone_key' | 'phone_extension';
};

/** The kinds of rows of which every app sees the events. */
export type SharedEntity = keyof NamingColumns;

/** `data` of an event of that type: all columns of a created row, what has changed of an updated one, nothing of a deleted one. */
export type DataOf<Entity extends SharedEntity, Verb extends string> = Verb extends 'created'
  ? EventRows[Entity]
  : Verb extends 'updated'
    ? Partial<EventRows[Entity]> & Pick<EventRows[Entity], NamingColumns[Entity] & keyof EventRows[Entity]>
    : Partial<EventRows[Entity]>;

/** The columns that are times. */
export const timeColumns: Readonly<Record<string, readonly string[]>> = {
  customer: ['created_at', 'erased_at'],
  company: ['created_at'],
  user: ['created_at', 'last_signed_in', 'left_at'],
  tier: ['created_at'],
  address: ['verified_at', 'created_at'],
  phone: ['created_at'],
};

const timesOfTypes = new Map<string, readonly string[]>();

/** The columns of an event of this type that are times. It is asked for each event, so that it remembers the types. */
export function timesOf(type: string): readonly string[] {
  const known = timesOfTypes.get(type);
  if (known) return known;
  const entity = type.slice(0, type.indexOf('.'));
  const columns = Object.hasOwn(timeColumns, entity) ? (timeColumns[entity] as readonly string[]) : [];
  timesOfTypes.set(type, columns);
  return columns;
}

/** Makes times from their texts, in place. */
export function reviveTimes(columns: readonly string[], values: Record<string, unknown>): void {
  for (const column of columns) {
    const value = values[column];
    if (typeof value === 'string') values[column] = new Date(value);
  }
}
