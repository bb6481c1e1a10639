import { isUuid } from '@aether/platform';
import { rowsOf, type Sql } from '../sql.ts';
import { NotAPerson, readWho, type Who } from './who.ts';

/** Everything that leads to one person, as platform.gather_person finds it. */
export type Person = {
  /** The customer and those that were merged into it; empty: no customer, only what was typed or imported. */
  customers: string[];
  /** In canonical form, without addresses that belong to another customer by now. */
  emails: string[];
  /** In E.164, without numbers that another customer has as well. */
  phones: string[];
  /** Conversations. */
  sessions: string[];
  /** Users of this house with one of the addresses: the person is staff as well. */
  users: string[];
  deals: number[];
};

/** A customer that WHO leads to; a merged one is its survivor. */
export type FoundCustomer = { id: string; name: string; email: string; erasedAt: Date | null };

/** What one table holds of the person. */
export type Held = { table: string; category: string; why: string; rows: number };

export type Found = {
  customers: FoundCustomer[];
  /** Undefined: several customers are meant, and the caller has to name one by its id. */
  person: Person | undefined;
  /** By table, in the order in which a person is told; tables without a row are left out. */
  held: Held[];
};

/** What is held about a person, by table, with why. @param client as privacy_app */
export async function findPerson(client: Sql, who: Who): Promise<Found> {
  const customers = await findCustomers(client, who);
  if (customers.length > 1) return { customers, person: undefined, held: [] };
  const person = await gatherPerson(client, who, customers);
  return { customers, person, held: await countHeld(client, person) };
}

/** The person that exactly one customer, or none, stands for. @throws SeveralPersons */
export async function requirePerson(client: Sql, who: Who): Promise<Person> {
  const customers = await findCustomers(client, who);
  if (customers.length > 1) throw new SeveralPersons(customers);
  return gatherPerson(client, who, customers);
}

/** The one customer that is meant. @throws SeveralPersons; NotAPerson when it is nobody */
export async function requireCustomer(client: Sql, text: string, country?: string): Promise<FoundCustomer> {
  const customers = await findCustomers(client, readWho(text, country));
  const [one] = customers;
  if (!one) throw new NotAPerson(`No customer is known by ${text}.`);
  if (customers.length > 1) throw new SeveralPersons(customers);
  return one;
}

/** The address or number belongs to several customers. */
export class SeveralPersons extends Error {
  readonly customers: FoundCustomer[];
  constructor(customers: FoundCustomer[]) {
    super(`Several customers are meant: name one by its id (${customers.map(({ id }) => id).join(', ')}).`);
    this.name = 'SeveralPersons';
    this.customers = customers;
  }
}

/** The customers that an address, a number or an id leads to; of a merged one its survivor. */
export async function findCustomers(client: Sql, { email, phone, id }: Who): Promise<FoundCustomer[]> {
  return rowsOf<FoundCustomer>(
    client,
    `select customer as id, name, email, erased_at as "erasedAt" from platform.find_persons($1, $2, $3)`,
    [email, phone, id],
  );
}

async function gatherPerson(client: Sql, { email, phone, id }: Who, customers: FoundCustomer[]): Promise<Person> {
  const typed = customers.length === 0;
  const [row] = await rowsOf<{ person: Person }>(client, 'select platform.gather_person($1, $2, $3, $4) as person', [
    customers.map(({ id }) => id),
    typed && email ? [email] : [],
    typed && phone ? [phone] : [],
    typed && id && isUuid(id) ? id : null,
  ]);
  return (row as { person: Person }).person;
}

export async function countHeld(client: Sql, person: Person): Promise<Held[]> {
  return rowsOf<Held>(
    client,
    `select relation as "table", category, why, held::float8 as rows from platform.count_held($1) where held > 0`,
    [person],
  );
}
