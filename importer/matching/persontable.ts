import { keysOf, type Matchable } from './keys.ts';
import { isProvider, isRoleMailbox } from './mailboxes.ts';
import { mix, NumberList, none, Texts } from './texts.ts';

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

  readonly #given = new NumberList(Uint32Array);
  readonly #family = new NumberList(Uint32Array);
  readonly #others = new NumberList(Uint32Array);
  readonly #generation = new NumberList(Uint32Array);
  readonly #city = new NumberList(Uint32Array);
  readonly #company = new NumberList(Uint32Array);
  readonly #birth = new NumberList(Uint32Array);
  readonly #externalId = new NumberList(Uint32Array);
  readonly #customer = new NumberList(Uint32Array);
  readonly #isVerified = new NumberList(Uint8Array);
  readonly #content = new NumberList(Float64Array);
  /** Where the addresses of a row begin in `addressOf`; those of row r end where those of r + 1 begin. */
  readonly #addressStart = new NumberList(Uint32Array);
  readonly #addressOf = new NumberList(Uint32Array);
  readonly #phoneStart = new NumberList(Uint32Array);
  readonly #phoneOf = new NumberList(Uint32Array);
  /** By the number of an address. */
  readonly #local = new NumberList(Uint32Array);
  readonly #domain = new NumberList(Uint32Array);
  readonly #isRole = new NumberList(Uint8Array);
  readonly #isProvided = new NumberList(Uint8Array);

  constructor() {
    this.#addressStart.push(0);
    this.#phoneStart.push(0);
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
    this.#given.push(given);
    this.#family.push(family);
    this.#others.push(others);
    this.#generation.push(generation);
    this.#city.push(city);
    this.#company.push(company);
    this.#birth.push(keys.birth);
    this.#externalId.push(externalId);
    this.#customer.push(customer);
    this.#isVerified.push(hasVerifiedAddress ? 1 : 0);
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
    this.#content.push((content >>> 0) * 2 ** 21 + (mix(content, family ? texts.hashOf(family) : 7) >>> 11));
    this.#addressStart.push(this.#addressOf.length);
    this.#phoneStart.push(this.#phoneOf.length);
    return this.size++;
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
      given: this.#given.taken,
      family: this.#family.taken,
      others: this.#others.taken,
      generation: this.#generation.taken,
      city: this.#city.taken,
      company: this.#company.taken,
      birth: this.#birth.taken,
      externalId: this.#externalId.taken,
      customer: this.#customer.taken,
      isVerified: this.#isVerified.taken,
      content: this.#content.taken,
      addressStart: this.#addressStart.taken,
      addressOf: this.#addressOf.taken,
      phoneStart: this.#phoneStart.taken,
      phoneOf: this.#phoneOf.taken,
      local: this.#local.taken,
      domain: this.#domain.taken,
      isRole: this.#isRole.taken,
      isProvided: this.#isProvided.taken,
    };
  }
}

export type PersonColumns = ReturnType<PersonTable['columns']>;
