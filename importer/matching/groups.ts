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

  /** The rows of each set that has several, in rising order. */
  members(): Map<number, number[]> {
    const members = new Map<number, number[]>();
    for (let row = 0; row < this.#parents.length; row++) {
      const set = this.of(row);
      if (set === row) continue;
      const list = members.get(set);
      if (list) list.push(row);
      else members.set(set, [set, row]);
    }
    return members;
  }
}
