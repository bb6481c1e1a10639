import { AddressNumbers } from './addressnumbers.ts';
import { keysOf, type Matchable } from './keys.ts';
import { isProvider, isRoleMailbox } from './mailboxes.ts';
import { Column, grow, mix, NumberList, none, Texts } from './texts.ts';

const startRows = 1 << 10;

/** What is known of a row beside the person. */
export type RowFacts = {
  /** Numbers from 1 for customers that exist already; two of them are never joined by a rule, only by a person. Rows of one are one person. */
  customer?: number;
  /** The row is the customer as the database has it: nobody else has its addresses. Otherwise it is a line that was theirs before. */
  ownsAddresses?: boolean;
  /** The person has proved an address to be their own. */
  hasVerifiedAddress?: boolean;
  /** External ids are compared only within one source; from 1. */
  source?: number;
};

/**
 * Why a row is a customer's: it was imported as theirs and has not changed; it has changed, and its id says so; it has no id, and the address
 * by which it is known says so.
 */
export const claimBy = { same: 1, id: 2, address: 3 } as const;
export type ClaimBy = keyof typeof claimBy;

/**
 * Persons as columns of numbers: about 100 bytes a row with its texts, so that six million rows fit where as many objects do not. Rows are
 * numbered from 0 in the order of adding. Nothing that is found may depend on that order: ties are broken by `content`.
 */
export class PersonTable {
  /** Names, cities, companies, local parts and domains. */
  readonly texts = new Texts();
  readonly addresses = new AddressNumbers(this.texts);
  readonly phones = new Texts();
  /** Each with the number of its source: ids mean something only within one. */
  readonly externalIds = new Texts();
  size = 0;
  hasCustomers = false;

  /** By row. */
  readonly #given = new Column();
  readonly #family = new Column();
  readonly #others = new Column();
  readonly #generation = new Column();
  readonly #city = new Column();
  readonly #company = new Column();
  readonly #birth = new Column();
  readonly #externalId = new Column();
  readonly #customer = new Column();
  readonly #claimBy = new Column();
  readonly #owners = new NumberList(Uint32Array);
  #isVerified = new Uint8Array(startRows);
  #content = new Float64Array(startRows);
  /** Where the addresses of a row begin in `addressOf`; those of row r end where those of r + 1 begin. */
  #addressStart = new Uint32Array(startRows);
  #phoneStart = new Uint32Array(startRows);
  readonly #addressOf = new NumberList(Uint32Array);
  readonly #phoneOf = new NumberList(Uint32Array);
  /** By the number of an address. */
  readonly #isRole = new NumberList(Uint8Array);
  readonly #isProvided = new NumberList(Uint8Array);

  constructor() {
    for (const list of [this.#isRole, this.#isProvided]) list.push(none);
  }

  /** @returns the number of the row */
  add(
    person: Matchable,
    { customer = 0, hasVerifiedAddress = false, source = 1, ownsAddresses = false }: RowFacts = {},
  ): number {
    const keys = keysOf(person);
    const { texts } = this;
    const given = texts.numberOf(keys.given);
    const family = texts.numberOf(keys.family);
    const others = texts.numberOf(keys.others);
    const generation = texts.numberOf(keys.generation);
    const city = texts.numberOf(keys.city);
    const company = texts.numberOf(keys.company);
    const externalId = this.externalIds.numberOf(keys.externalId && `${source}:${keys.externalId}`);
    const row = this.size;
    if (row + 1 >= this.#content.length) this.#grow();
    this.#given.set(row, given);
    this.#family.set(row, family);
    this.#others.set(row, others);
    this.#generation.set(row, generation);
    this.#city.set(row, city);
    this.#company.set(row, company);
    this.#externalId.set(row, externalId);
    this.#customer.set(row, customer);
    this.#claimBy.set(row, 0);
    if (customer !== 0) this.hasCustomers = true;
    if (ownsAddresses) this.#owners.push(row);
    this.#birth.set(row, keys.birth);
    this.#isVerified[row] = hasVerifiedAddress ? 1 : 0;
    let content = mix(texts.hashOf(given), texts.hashOf(family));
    content = mix(mix(content, texts.hashOf(others)), texts.hashOf(generation));
    content = mix(mix(content, texts.hashOf(city)), mix(texts.hashOf(company), this.externalIds.hashOf(externalId)));
    content = mix(mix(content, keys.birth), customer);
    for (const email of keys.emails) content = mix(content, this.addresses.hashOf(this.#addAddress(email)));
    for (const phone of keys.phones) {
      const number = this.phones.numberOf(phone);
      this.#phoneOf.push(number);
      content = mix(content, this.phones.hashOf(number));
    }
    this.#content[row] = (content >>> 0) * 2 ** 21 + (mix(content, family ? texts.hashOf(family) : 7) >>> 11);
    this.#addressStart[row + 1] = this.#addressOf.length;
    this.#phoneStart[row + 1] = this.#phoneOf.length;
    return this.size++;
  }

  /** Says of a row that was added whose it is, before anything is compared. */
  claim(row: number, customer: number, by: ClaimBy): void {
    this.hasCustomers = true;
    this.#customer.set(row, customer);
    this.#claimBy.set(row, claimBy[by]);
    // What is written alike and is of two customers is not alike.
    const content = this.#content[row] as number;
    const high = Math.floor(content / 2 ** 21);
    this.#content[row] = (mix(high, customer) >>> 0) * 2 ** 21 + (content - high * 2 ** 21);
  }

  #grow(): void {
    this.#isVerified = grow(this.#isVerified, Uint8Array);
    this.#content = grow(this.#content, Float64Array);
    this.#addressStart = grow(this.#addressStart, Uint32Array);
    this.#phoneStart = grow(this.#phoneStart, Uint32Array);
  }

  #addAddress(email: string): number {
    const at = email.lastIndexOf('@');
    const local = email.slice(0, at);
    const domain = email.slice(at + 1);
    const number = this.addresses.numberOf(local, domain);
    if (number === this.#isRole.length) {
      this.#isRole.push(isRoleMailbox(local) ? 1 : 0);
      this.#isProvided.push(isProvider(domain) ? 1 : 0);
    }
    this.#addressOf.push(number);
    return number;
  }

  /** The columns, for reading; they are valid until the next row is added. What only adding needs is given back. */
  columns() {
    for (const numbers of [this.texts, this.addresses, this.phones, this.externalIds]) numbers.rest();
    return {
      given: this.#given.values.subarray(0, this.size),
      family: this.#family.values.subarray(0, this.size),
      others: this.#others.values.subarray(0, this.size),
      generation: this.#generation.values.subarray(0, this.size),
      city: this.#city.values.subarray(0, this.size),
      company: this.#company.values.subarray(0, this.size),
      birth: this.#birth.values.subarray(0, this.size),
      externalId: this.#externalId.values.subarray(0, this.size),
      customer: this.#customer.values.subarray(0, this.size),
      /** As in `claimBy`; 0: nobody has said whose the row is, or it is no line of a plan. */
      claimBy: this.#claimBy.values.subarray(0, this.size),
      /** The rows of customers as the database has them. */
      owners: this.#owners.taken,
      isVerified: this.#isVerified.subarray(0, this.size),
      content: this.#content.subarray(0, this.size),
      addressStart: this.#addressStart.subarray(0, this.size + 1),
      phoneStart: this.#phoneStart.subarray(0, this.size + 1),
      addressOf: this.#addressOf.taken,
      phoneOf: this.#phoneOf.taken,
      local: this.addresses.local,
      domain: this.addresses.domain,
      isRole: this.#isRole.taken,
      isProvided: this.#isProvided.taken,
    };
  }
}

export type PersonColumns = ReturnType<PersonTable['columns']>;
