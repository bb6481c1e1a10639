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
 * None of this depends on how rows score.
 *
 * What a person has answered counts more than a name, a number and an id, but an address is one customer's: a line that a person gives to
 * another one is held. So is a line that a person has said not to be the customer to whom its address or its id leads: nothing of it may be
 * written there.
 */

/** Of a row that is nobody's before a person looks: why, and what is held for it. */
const alone = {
  /** Its id is one customer's and its address another one's, or lines that a person calls one lead to several customers. */
  doubtful: 1,
  /** A person has said that it is not the customer to whom its address or its id leads. */
  denied: 2,
  /** A person has given it to one customer, and another one has its address. */
  contradicted: 3,
} as const;
const reasonOf = { 1: 'two-customers', 2: 'not-the-customer', 3: 'address-of-another' } as const;
type Alone = keyof typeof reasonOf;
/** Of a line that has changed and is one customer's, while a sure link leads to another one. */
const contested = 4;
/** Of the first row of a set of free ones that could be of two customers. */
const held = 5;

/** What a claim is worth beside another one, once a person has said that two rows are not one. */
const worth = { address: 1, id: 2, answer: 3, certain: 4 } as const;

export class Claims {
  /** Of each row: the number of its customer; 0: nobody's. */
  readonly #of: Uint32Array;
  readonly #marks: Uint8Array;
  readonly #columns: PersonColumns;
  /** Of each address: one more than the row of the customer who has it. */
  readonly #ownerRow: Uint32Array;
  readonly #isHeldForName: (row: number) => boolean;
  /** Rows that a person has given to one customer: nothing that leads to another one puts that in doubt. */
  readonly #settled = new Set<number>();
  /** Rows whose customer follows from an answer. */
  readonly #answered = new Set<number>();
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
    this.#columns = columns;
    this.#of = customer.slice();
    this.#marks = new Uint8Array(table.size);
    this.#parts = new Groups(table.size);
    this.#ownerRow = new Uint32Array(table.addresses.size);
    for (const row of owners)
      for (let i = addressStart[row] as number; i < (addressStart[row + 1] as number); i++)
        this.#ownerRow[addressOf[i] as number] = row + 1;

    const reasons = new Map<number, HeldReason>();
    for (const { rows, reason } of heldForNames)
      for (const row of rows) if (!reasons.has(row)) reasons.set(row, reason);
    // A line whose id a customer has is that one's, though others have its address.
    this.#isHeldForName = (row) => {
      const reason = reasons.get(row);
      return reason !== undefined && (reason === 'external-id' || columns.claimBy[row] !== claimBy.id);
    };
    const said = this.#listDenials(decisions);
    for (let row = 0; row < table.size; row++) if (!this.#isCertain(row)) this.#claim(row, said.get(row));
    for (const rows of decided) this.#follow(rows, new Set(rows.flatMap((row) => [...(said.get(row) ?? [])])));
    this.#tellApart(decisions, decided);
    this.#leaveAddresses();
  }

  /** A customer, or a line that was theirs before and has not changed: what is written already. */
  #isCertain = (row: number): boolean => {
    const { claimBy: by, customer } = this.#columns;
    return by[row] === claimBy.same || (by[row] === 0 && customer[row] !== 0);
  };

  /** The first address, by which a line is known and which its customer gets. */
  #addressAt(row: number): number {
    const { addressStart, addressOf } = this.#columns;
    return addressStart[row] === addressStart[row + 1] ? none : (addressOf[addressStart[row] as number] as number);
  }

  /** The customer who has the first address of a row. */
  #ownerOf(row: number): number {
    const owner = this.#ownerRow[this.#addressAt(row)] as number;
    return owner === 0 ? 0 : (this.#columns.customer[owner - 1] as number);
  }

  /** By row: the customers who it is not, as a person has said. */
  #listDenials(decisions: readonly Decision[]): Map<number, Set<number>> {
    const denials = new Map<number, Set<number>>();
    for (const { rows, answer } of decisions)
      if (answer === 'different')
        for (const [row, other] of [rows, [rows[1], rows[0]] as const])
          if (!this.#isCertain(row) && this.#isCertain(other))
            denials.set(row, (denials.get(row) ?? new Set()).add(this.#columns.customer[other] as number));
    return denials;
  }

  /** Gives a row to whom its id and its address lead. */
  #claim(row: number, denied: ReadonlySet<number> | undefined): void {
    const known = this.#columns.customer[row] as number;
    const owner = this.#ownerOf(row);
    if (denied?.has(owner) || (denied?.has(known) && owner === 0)) this.#leave(row, alone.denied);
    else if (denied?.has(known)) {
      this.#of[row] = this.#isHeldForName(row) ? 0 : owner;
      this.#answered.add(row);
    } else if (known !== 0 && owner !== 0 && owner !== known) this.#leave(row, alone.doubtful);
    else if (this.#isHeldForName(row)) this.#of[row] = 0;
    else if (known === 0) this.#of[row] = owner;
  }

  /** Gives rows that are one person, as somebody has said, to one customer. @param denied customers who that person is not */
  #follow(rows: readonly number[], denied: ReadonlySet<number>): void {
    const open = rows.filter((row) => !this.#isCertain(row));
    const claimsOf = (some: readonly number[]) => new Set(some.map(this.of).filter((claim) => claim !== 0));
    const certain = claimsOf(rows.filter(this.#isCertain));
    const byId = claimsOf(open.filter((row) => this.#columns.claimBy[row] === claimBy.id));
    const claims = certain.size > 0 ? certain : byId.size > 0 ? byId : claimsOf(open);
    const [claim = 0] = claims;
    const why = claims.size > 1 ? alone.doubtful : denied.has(claim) ? alone.denied : 0;
    if (why !== 0 || claim === 0) {
      const mark = Math.max(why, ...open.map((row) => this.#marks[row] as number));
      if (mark !== 0) for (const row of open) this.#leave(row, mark as Alone);
    } else
      for (const row of open) {
        const owner = this.#ownerOf(row);
        if (owner !== 0 && owner !== claim) this.#leave(row, alone.contradicted);
        else {
          this.#marks[row] = 0;
          this.#of[row] = claim;
          this.#answered.add(row);
          if (certain.size > 0) this.#settled.add(row);
        }
      }
  }

  /** Of two rows that are not one person, as somebody has said, and lead to one customer, that one stays who leads there better. */
  #tellApart(decisions: readonly Decision[], decided: readonly (readonly number[])[]): void {
    const personOf = new Map(decided.flatMap((rows) => rows.map((row) => [row, rows] as const)));
    const leaving = new Set<number>();
    for (const { rows, answer } of decisions) {
      if (answer !== 'different' || !this.areOne(...rows)) continue;
      const [one, other] = rows.map((row) => personOf.get(row) ?? [row]) as [readonly number[], readonly number[]];
      const [a, b] = [this.#worthOf(one), this.#worthOf(other)];
      if (a <= b && a < worth.certain) for (const row of one) leaving.add(row);
      if (b <= a && b < worth.certain) for (const row of other) leaving.add(row);
    }
    for (const row of leaving) this.#leave(row, alone.denied);
  }

  #worthOf(rows: readonly number[]): number {
    if (rows.some(this.#isCertain)) return rows.length === 1 ? worth.certain : worth.answer;
    if (rows.some((row) => this.#columns.claimBy[row] === claimBy.id)) return worth.id;
    return rows.some((row) => this.#answered.has(row)) && rows.length === 1 ? worth.answer : worth.address;
  }

  /** New lines with the address of a line of which nobody knows whose it is could be of either: nothing of it may reach one of them by these. */
  #leaveAddresses(): void {
    const why = new Map<number, Alone>();
    for (let row = 0; row < this.#of.length; row++)
      if (this.#isAlone(row) && this.#addressAt(row) !== none)
        why.set(this.#addressAt(row), Math.max(this.#marks[row] as Alone, why.get(this.#addressAt(row)) ?? 0) as Alone);
    if (why.size === 0) return;
    for (let row = 0; row < this.#of.length; row++) {
      const mark = why.get(this.#addressAt(row));
      if (mark !== undefined && this.#columns.customer[row] === 0 && !this.#answered.has(row) && !this.#isAlone(row))
        this.#leave(row, mark);
    }
  }

  #leave(row: number, mark: Alone): void {
    if (this.#isCertain(row)) return;
    this.#of[row] = 0;
    this.#marks[row] = mark;
    this.#answered.delete(row);
    this.#settled.delete(row);
  }

  of = (row: number): number => this.#of[row] as number;
  #isAlone = (row: number): boolean => this.#marks[row] !== 0 && (this.#marks[row] as number) < contested;
  /** Whether the customer of a row follows from what a person has answered. */
  isAnswered = (row: number): boolean => this.#answered.has(row);
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
    const isFree = (row: number) => this.#of[row] === 0 && !this.#isAlone(row);
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
    if (this.#isAlone(a) || this.#isAlone(b) || this.areOthers(a, b)) return false;
    return (this.#of[a] === 0) === (this.#of[b] === 0) || !(this.#isHeld(a) || this.#isHeld(b));
  }

  #isHeld(row: number): boolean {
    return this.#of[row] === 0 && this.#marks[this.#parts.of(row)] === held;
  }

  /** The rows of which nobody knows whose they are, by the reason. */
  held(): Held[] {
    const rows = new Map<HeldReason, number[]>();
    for (let row = 0; row < this.#of.length; row++) {
      const mark = this.#isAlone(row) ? (this.#marks[row] as Alone) : this.#isHeld(row) ? alone.doubtful : undefined;
      if (mark === undefined) continue;
      const list = rows.get(reasonOf[mark]);
      if (list) list.push(row);
      else rows.set(reasonOf[mark], [row]);
    }
    return [...rows].map(([reason, list]) => ({ rows: list, reason }));
  }

  /** Rows of which nobody knows whose they are, each with the customer who has its address: an answer releases it. */
  *questions(): Generator<readonly [number, number]> {
    for (let row = 0; row < this.#of.length; row++) {
      const owner = this.#isAlone(row) ? (this.#ownerRow[this.#addressAt(row)] as number) : 0;
      if (owner !== 0) yield [row, owner - 1];
    }
  }

  /** Rows that are one person, as somebody has said, without those that lead elsewhere and wait for a person. */
  parted(decided: readonly (readonly number[])[]): number[][] {
    return decided.flatMap((rows) => [...Map.groupBy(rows, this.of).values()].filter((part) => part.length > 1));
  }
}
