/** Sets of rows that grow together. A set is known by its smallest row, so that the numbers do not depend on the order of joining. */
export class Groups {
  readonly #parents: Uint32Array;

  constructor(rows: number) {
    this.#parents = new Uint32Array(rows);
    for (let row = 0; row < rows; row++) this.#parents[row] = row;
  }

  /** The smallest row of the set. */
  of(row: number): number {
    const parents = this.#parents;
    let at = row;
    while (parents[at] !== at) {
      parents[at] = parents[parents[at] as number] as number;
      at = parents[at] as number;
    }
    return at;
  }

  join(a: number, b: number): void {
    const x = this.of(a);
    const y = this.of(b);
    if (x < y) this.#parents[y] = x;
    else this.#parents[x] = y;
  }

  /** Takes rows out of their sets again; they must be all rows of those sets. */
  dissolve(rows: Iterable<number>): void {
    for (const row of rows) this.#parents[row] = row;
  }

  /** The set of each row, in a new list. */
  all(): Uint32Array {
    return this.#parents.map((_, row) => this.of(row));
  }

  /** The rows of each set. It is a copy: later joins do not change it. */
  members(): Members {
    return new Members(this.all());
  }
}

/** The rows of sets, as three lists of numbers: millions of sets are no objects. */
export class Members {
  readonly #setOf: Uint32Array;
  /** Where the rows of a set end in `rows`, by the number of the set; they begin where those of the set before end. */
  readonly #ends: Uint32Array;
  readonly #rows: Uint32Array;
  /** How many sets have several rows. */
  readonly length: number;

  constructor(setOf: Uint32Array) {
    const ends = new Uint32Array(setOf.length + 1);
    for (let row = 0; row < setOf.length; row++)
      ends[setOf[row] as number] = (ends[setOf[row] as number] as number) + 1;
    let sum = 0;
    let several = 0;
    for (let set = 0; set < setOf.length; set++) {
      const size = ends[set] as number;
      if (size > 1) several++;
      ends[set] = sum;
      sum += size;
    }
    const rows = new Uint32Array(setOf.length);
    for (let row = 0; row < setOf.length; row++) {
      const set = setOf[row] as number;
      rows[ends[set] as number] = row;
      ends[set] = (ends[set] as number) + 1;
    }
    this.#setOf = setOf;
    this.#ends = ends;
    this.#rows = rows;
    this.length = several;
  }

  /** The number of all rows. */
  get rows(): number {
    return this.#setOf.length;
  }

  setOf(row: number): number {
    return this.#setOf[row] as number;
  }

  sizeOf(set: number): number {
    return (this.#ends[set] as number) - this.#startOf(set);
  }

  /** The rows of a set in rising order, at most the first `most`. */
  rowsOf(set: number, most = Number.POSITIVE_INFINITY): number[] {
    const start = this.#startOf(set);
    const rows: number[] = [];
    for (let i = start; i < (this.#ends[set] as number) && i < start + most; i++) rows.push(this.#rows[i] as number);
    return rows;
  }

  /** The sets of several rows, in the order of their first rows. */
  *[Symbol.iterator](): Generator<number[], undefined> {
    for (let set = 0; set < this.#setOf.length; set++) if (this.sizeOf(set) > 1) yield this.rowsOf(set);
  }

  #startOf(set: number): number {
    return set === 0 ? 0 : (this.#ends[set - 1] as number);
  }
}
