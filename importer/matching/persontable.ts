import { keysOf, type Matchable } from './keys.ts';
import { isProvider, isRoleMailbox } from './mailboxes.ts';
import { grow, mix, NumberList, none, Texts } from './texts.ts';

const startRows = 1 << 10;

/** What is known of a row beside the person. */
export type RowFacts = {
  /** Numbers from 1 for customers that exist already; two of them are never joined by a rule, only by a person. */
  customer?: number;
  /** The person has proved an address to be their own. */
  hasVerifiedAddress?: boolean;
  /** External ids are compared only within one source; from 1. */
  source?: number;
};

/**
 * Persons as columns of numbers: about 100 bytes a row with its texts, so that six million rows fit where as many objects do not. Rows are
 * numbered from 0 in the order of adding. Nothing that is found may depend on that order: ties are broken by `content`.
 */
export class PersonTable {
  /** Names, cities, companies, local parts and domains. */
  readonly texts = new Texts();
  readonly addresses = new Texts();
  readonly phones = new Texts();
  /** Each with the number of its source: ids mean something only within one. */
  readonly externalIds = new Texts();
  size = 0;

  /** By row; all have the same room. */
  #given = new Uint32Array(startRows);
  #family = new Uint32Array(startRows);
  #others = new Uint32Array(startRows);
  #generation = new Uint32Array(startRows);
  #city = new Uint32Array(startRows);
  #company = new Uint32Array(startRows);
  #birth = new Uint32Array(startRows);
  #externalId = new Uint32Array(startRows);
  #customer = new Uint32Array(startRows);
  #isVerified = new Uint8Array(startRows);
  #content = new Float64Array(startRows);
  /** Where the addresses of a row begin in `addressOf`; those of row r end where those of r + 1 begin. */
  #addressStart = new Uint32Array(startRows);
  #phoneStart = new Uint32Array(startRows);
  readonly #addressOf = new NumberList(Uint32Array);
  readonly #phoneOf = new NumberList(Uint32Array);
  /** By the number of an address. */
  readonly #local = new NumberList(Uint32Array);
  readonly #domain = new NumberList(Uint32Array);
  readonly #isRole = new NumberList(Uint8Array);
  readonly #isProvided = new NumberList(Uint8Array);

  constructor() {
    for (const list of [this.#local, this.#domain, this.#isRole, this.#isProvided]) list.push(none);
  }

  /** @returns the number of the row */
  add(person: Matchable, { customer = 0, hasVerifiedAddress = false, source = 1 }: RowFacts = {}): number {
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
    if (row + 1 >= this.#given.length) this.#grow();
    this.#given[row] = given;
    this.#family[row] = family;
    this.#others[row] = others;
    this.#generation[row] = generation;
    this.#city[row] = city;
    this.#company[row] = company;
    this.#externalId[row] = externalId;
    this.#customer[row] = customer;
    this.#birth[row] = keys.birth;
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

  #grow(): void {
    this.#given = grow(this.#given, Uint32Array);
    this.#family = grow(this.#family, Uint32Array);
    this.#others = grow(this.#others, Uint32Array);
    this.#generation = grow(this.#generation, Uint32Array);
    this.#city = grow(this.#city, Uint32Array);
    this.#company = grow(this.#company, Uint32Array);
    this.#birth = grow(this.#birth, Uint32Array);
    this.#externalId = grow(this.#externalId, Uint32Array);
    this.#customer = grow(this.#customer, Uint32Array);
    this.#isVerified = grow(this.#isVerified, Uint8Array);
    this.#content = grow(this.#content, Float64Array);
    this.#addressStart = grow(this.#addressStart, Uint32Array);
    this.#phoneStart = grow(this.#phoneStart, Uint32Array);
  }

  #addAddress(email: string): number {
    const number = this.addresses.numberOf(email);
    if (number === this.#local.length) {
      const at = email.lastIndexOf('@');
      const local = email.slice(0, at);
      const domain = email.slice(at + 1);
      this.#local.push(this.texts.numberOf(local));
      this.#domain.push(this.texts.numberOf(domain));
      this.#isRole.push(isRoleMailbox(local) ? 1 : 0);
      this.#isProvided.push(isProvider(domain) ? 1 : 0);
    }
    this.#addressOf.push(number);
    return number;
  }

  /** The columns, for reading; they are valid until the next row is added. */
  columns() {
    return {
      given: this.#given.subarray(0, this.size),
      family: this.#family.subarray(0, this.size),
      others: this.#others.subarray(0, this.size),
      generation: this.#generation.subarray(0, this.size),
      city: this.#city.subarray(0, this.size),
      company: this.#company.subarray(0, this.size),
      birth: this.#birth.subarray(0, this.size),
      externalId: this.#externalId.subarray(0, this.size),
      customer: this.#customer.subarray(0, this.size),
      isVerified: this.#isVerified.subarray(0, this.size),
      content: this.#content.subarray(0, this.size),
      addressStart: this.#addressStart.subarray(0, this.size + 1),
      phoneStart: this.#phoneStart.subarray(0, this.size + 1),
      addressOf: this.#addressOf.taken,
      phoneOf: this.#phoneOf.taken,
      local: this.#local.taken,
      domain: this.#domain.taken,
      isRole: this.#isRole.taken,
      isProvided: this.#isProvided.taken,
    };
  }
}

export type PersonColumns = ReturnType<PersonTable['columns']>;
