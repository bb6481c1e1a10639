import type { Held, HeldReason, Links } from './addresses.ts';
import { Groups } from './groups.ts';
import { claimBy, type PersonColumns, type PersonTable } from './persontable.ts';
import { none } from './texts.ts';

/** What a person has said of two rows. */
export type Decision = { rows: readonly [number, number]; answer: 'same' | 'different' };

/*
 * Whose rows are, before anything is compared: a customer's are the customer and the lines that were theirs before; a line that is known; and a
 * new line whose address a customer has, unless it is held for its name. All other rows are free. A free row becomes a customer's by a sure
 * link with one of that customer's rows; if it could be of two customers, it is held with the free rows that sure links connect it with.
 * None of this depends on how rows score, nor on lines that have nothing in common with those that are new or have changed: so it is the same
 * whether or not lines that have not changed are compared.
 */

/** Of a row whose id is one customer's and whose address is another one's; and of a new one with such an address. */
const doubtful = 1;
/** Of a line that has changed and is one customer's, while a sure link leads to another one. */
const contested = 2;
/** Of the first row of a set of free ones that could be of two customers. */
const held = 4;

export class Claims {
  /** Of each row: the number of its customer; 0: nobody's. */
  readonly #of: Uint32Array;
  readonly #marks: Uint8Array;
  readonly #isCertain: (row: number) => boolean;
  /** Rows that a person has given to one customer: nothing that leads to another one puts that in doubt. */
  readonly #settled = new Set<number>();
  /** Free rows that sure links connect. */
  readonly #parts: Groups;

  constructor(
    table: PersonTable,
    columns: PersonColumns,
    heldForNames: readonly Held[],
    decisions: readonly Decision[],
    decided: readonly (readonly number[])[],
  ) {
    const { customer, owners, addressStart, addressOf } = columns;
    this.#of = customer.slice();
    this.#marks = new Uint8Array(table.size);
    this.#parts = new Groups(table.size);
    this.#isCertain = (row) =>
      columns.claimBy[row] === claimBy.same || (columns.claimBy[row] === 0 && customer[row] !== 0);
    const ownerOf = new Uint32Array(table.addresses.size);
    for (const row of owners)
      for (let i = addressStart[row] as number; i < (addressStart[row + 1] as number); i++)
        ownerOf[addressOf[i] as number] = customer[row] as number;
    const addressAt = (row: number): number =>
      addressStart[row] === addressStart[row + 1] ? none : (addressOf[addressStart[row] as number] as number);

    const reasons = new Map<number, HeldReason>();
    for (const { rows, reason } of heldForNames)
      for (const row of rows) if (!reasons.has(row)) reasons.set(row, reason);
    // A line whose id a customer has is that one's, though others have its address.
    const isHeld = (row: number): boolean => {
      const reason = reasons.get(row);
      return reason !== undefined && (reason === 'external-id' || columns.claimBy[row] !== claimBy.id);
    };
    const split = new Set<number>();
    for (let row = 0; row < table.size; row++) {
      if (this.#isCertain(row)) continue;
      const known = customer[row] as number;
      const owner = ownerOf[addressAt(row)] as number;
      if (known !== 0 && owner !== 0 && owner !== known) {
        split.add(addressAt(row));
        this.#marks[row] = doubtful;
        this.#of[row] = 0;
      } else if (isHeld(row)) this.#of[row] = 0;
      else if (known === 0) this.#of[row] = owner;
    }
    for (let row = 0; split.size > 0 && row < table.size; row++)
      if (customer[row] === 0 && split.has(addressAt(row))) {
        this.#marks[row] = doubtful;
        this.#of[row] = 0;
      }
    this.#follow(decisions, decided);
  }

  /** What a person has said of a row counts more than its id and its address. */
  #follow(decisions: readonly Decision[], decided: readonly (readonly number[])[]): void {
    for (const rows of decided) {
      const certain = new Set(rows.filter(this.#isCertain).map(this.of));
      const claims = certain.size > 0 ? certain : new Set(rows.map(this.of).filter((claim) => claim !== 0));
      const [claim = 0] = claims.size === 1 ? claims : [];
      for (const row of rows) {
        this.#marks[row] = 0;
        if (!this.#isCertain(row)) this.#of[row] = claim;
        if (certain.size === 1) this.#settled.add(row);
      }
    }
    for (const { rows, answer } of decisions)
      if (answer === 'different' && this.areOne(...rows))
        for (const row of rows) if (!this.#isCertain(row)) this.#of[row] = 0;
  }

  of = (row: number): number => this.#of[row] as number;
  isDoubtful = (row: number): boolean => this.#marks[row] === doubtful;
  areOne = (a: number, b: number): boolean => this.#of[a] === this.#of[b] && this.#of[a] !== 0;
  areOthers = (a: number, b: number): boolean => this.#of[a] !== this.#of[b] && this.#of[a] !== 0 && this.#of[b] !== 0;

  /** Puts rows together that are one customer's. */
  join(groups: Groups): void {
    const firsts = new Map<number, number>();
    for (let row = 0; row < this.#of.length; row++) {
      const claim = this.of(row);
      if (claim === 0) continue;
      const first = firsts.get(claim);
      if (first === undefined) firsts.set(claim, row);
      else groups.join(first, row);
    }
  }

  /** The customer's rows among these, and the free ones by what sure links connect; undefined: none of the rows is a customer's. */
  partsOf(rows: readonly number[]): { own: number[]; free: number[][] } | undefined {
    const own = rows.filter((row) => this.of(row) !== 0);
    if (own.length === 0) return undefined;
    const free = Map.groupBy(
      rows.filter((row) => this.of(row) === 0),
      (row) => this.#parts.of(row),
    );
    return { own, free: [...free.values()] };
  }

  /** Finds which free rows could be of two customers. @param decided rows that are one because a person has said so */
  weigh(sure: Links, decided: readonly (readonly number[])[], areDifferent: (a: number, b: number) => boolean): void {
    const links = sure.taken;
    const isFree = (row: number) => this.#of[row] === 0 && this.#marks[row] !== doubtful;
    for (const rows of decided)
      for (const row of rows) if (isFree(row) && isFree(rows[0] as number)) this.#parts.join(rows[0] as number, row);
    for (let i = 0; i < links.length; i += 2) {
      const a = links[i] as number;
      const b = links[i + 1] as number;
      if (isFree(a) && isFree(b)) this.#parts.join(a, b);
      else if (this.areOthers(a, b))
        for (const row of [a, b]) if (!this.#isCertain(row) && !this.#settled.has(row)) this.#marks[row] = contested;
    }
    const customers = new Map<number, number>();
    for (let i = 0; i < links.length; i += 2) {
      const a = links[i] as number;
      const b = links[i + 1] as number;
      if (isFree(a) === isFree(b) || areDifferent(a, b)) continue;
      const [part, other] = isFree(a) ? [this.#parts.of(a), b] : [this.#parts.of(b), a];
      const claim = this.of(other);
      if (this.#marks[other] !== 0 || (customers.get(part) ?? claim) !== claim) this.#marks[part] = held;
      else customers.set(part, claim);
    }
  }

  /** Whether a link may join two rows. */
  mayLink(a: number, b: number): boolean {
    if (this.isDoubtful(a) || this.isDoubtful(b) || this.areOthers(a, b)) return false;
    return (this.#of[a] === 0) === (this.#of[b] === 0) || !(this.#isHeld(a) || this.#isHeld(b));
  }

  #isHeld(row: number): boolean {
    return this.#of[row] === 0 && this.#marks[this.#parts.of(row)] === held;
  }

  /** The rows that could be of two customers. */
  held(): Held[] {
    const rows: number[] = [];
    for (let row = 0; row < this.#of.length; row++) if (this.isDoubtful(row) || this.#isHeld(row)) rows.push(row);
    return rows.length === 0 ? [] : [{ rows, reason: 'two-customers' }];
  }
}
