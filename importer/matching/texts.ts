/** The number of a text that is not there. */
export const none = 0;

const dot = 0x2e;
const plus = 0x2b;
export const hasPlus = 1 << 30;
export const hasOthers = 1 << 31;
const classes = ~(hasPlus | hasOthers);

/** Of two texts by their `letters`: at least so many letters of one are not in the other one, and so at least so many edits lie between them. */
export function lettersApart(x: number, y: number): number {
  return Math.max(countBits(x & ~y & classes), countBits(y & ~x & classes));
}

function countBits(bits: number): number {
  let count = bits - ((bits >>> 1) & 0x55555555);
  count = (count & 0x33333333) + ((count >>> 2) & 0x33333333);
  return Math.imul((count + (count >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/**
 * Numbers texts from 1, each once. Millions of them cost little more than their bytes, because they are in one buffer and not objects.
 * The numbers depend on the order of adding, the hashes only on the texts: what must not depend on the order of rows uses the hashes.
 */
export class Texts {
  #bytes = new Uint8Array(1 << 14);
  #readable = Buffer.from(this.#bytes.buffer);
  #used = 0;
  #starts = new Uint32Array(1 << 10);
  #hashes = new Int32Array(1 << 10);
  #slots = new Slots();
  /** One more than the largest number. */
  size = 1;

  /** @returns the number of the text; `none` for an empty one. */
  numberOf(text: string): number {
    if (text === '') return none;
    const start = this.#used;
    while (start + text.length * 3 > this.#bytes.length) this.#bytes = grow(this.#bytes, Uint8Array);
    const bytes = this.#bytes;
    let end = start;
    let sum = hashStart;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 127) {
        end = start + this.#view().write(text, start, 'utf8');
        sum = hashStart;
        for (let at = start; at < end; at++) sum = Math.imul(sum ^ (bytes[at] as number), hashPrime);
        break;
      }
      bytes[end++] = code;
      sum = Math.imul(sum ^ code, hashPrime);
    }
    const hash = mix(sum, 0) || 1;
    this.#slots.makeRoom(this.size, this.#hashAt);
    let found = this.#slots.first(hash);
    while (found !== none && !(this.#hashes[found] === hash && this.#isSame(found, end - start)))
      found = this.#slots.next();
    if (found !== none) return found;
    const number = this.size++;
    this.#slots.take(number);
    if (number + 1 >= this.#starts.length) {
      this.#starts = grow(this.#starts, Uint32Array);
      this.#hashes = grow(this.#hashes, Int32Array);
    }
    this.#starts[number] = start;
    this.#hashes[number] = hash;
    this.#used = end;
    this.#starts[number + 1] = end;
    return number;
  }

  /** Gives back the memory that only `numberOf` needs; its next call builds it again. */
  rest(): void {
    this.#slots.clear();
  }

  textOf(number: number): string {
    if (number === none) return '';
    const start = this.#starts[number] as number;
    const end = this.#starts[number + 1] as number;
    return this.#view().toString(this.isBeyondAscii(number) ? 'utf8' : 'latin1', start, end);
  }

  /**
   * Which letters each text has, so that texts which are far apart are known without reading them: a bit for each of 30 classes of ASCII
   * characters without the dot, the bit `hasPlus`, and the bit `hasOthers` for characters beyond ASCII, which have no class.
   */
  letters(): Int32Array {
    const letters = new Int32Array(this.size);
    for (let number = 1; number < this.size; number++) {
      let mask = 0;
      const end = this.#starts[number + 1] as number;
      for (let i = this.#starts[number] as number; i < end; i++) {
        const byte = this.#bytes[i] as number;
        if (byte > 127) mask |= hasOthers;
        else if (byte === plus) mask |= hasPlus;
        else if (byte !== dot) mask |= 1 << ((byte & 31) % 30);
      }
      letters[number] = mask;
    }
    return letters;
  }

  isBeyondAscii(number: number): boolean {
    if (number === none) return false;
    const end = this.#starts[number + 1] as number;
    for (let i = this.#starts[number] as number; i < end; i++) if ((this.#bytes[i] as number) > 127) return true;
    return false;
  }

  /** A hash of the text, the same in every run; 0 for `none`. */
  hashOf(number: number): number {
    return number === none ? 0 : (this.#hashes[number] as number);
  }

  #view(): Buffer {
    if (this.#readable.buffer !== this.#bytes.buffer) this.#readable = Buffer.from(this.#bytes.buffer);
    return this.#readable;
  }

  /** Whether a text is that of so many bytes which was written behind the last one. */
  #isSame(number: number, length: number): boolean {
    const bytes = this.#bytes;
    const used = this.#used;
    const start = this.#starts[number] as number;
    if ((this.#starts[number + 1] as number) - start !== length) return false;
    for (let i = 0; i < length; i++) if (bytes[start + i] !== bytes[used + i]) return false;
    return true;
  }

  #hashAt = (number: number): number => this.#hashes[number] as number;
}

const minSlots = 1 << 10;

/** Where what is numbered from 1 is found by its hash: an open table, at most three quarters full. */
export class Slots {
  #numbers = new Int32Array(0);
  #at = 0;

  /** Makes room for one more than there are. @param size one more than the largest number @param hashAt the hash of a number */
  makeRoom(size: number, hashAt: (number: number) => number): void {
    if (size * 4 <= this.#numbers.length * 3) return;
    let length = minSlots;
    while (length * 3 < size * 4) length *= 2;
    this.#numbers = new Int32Array(length);
    for (let number = 1; number < size; number++) {
      let found = this.first(hashAt(number));
      while (found !== none) found = this.next();
      this.take(number);
    }
  }

  /** @returns the first number that may have this hash; `none`: there is none, and `take` gives the place away */
  first(hash: number): number {
    this.#at = hash & (this.#numbers.length - 1);
    return this.#numbers[this.#at] as number;
  }

  next(): number {
    this.#at = (this.#at + 1) & (this.#numbers.length - 1);
    return this.#numbers[this.#at] as number;
  }

  take(number: number): void {
    this.#numbers[this.#at] = number;
  }

  clear(): void {
    this.#numbers = new Int32Array(0);
  }
}

/** Of FNV-1a; a last mixing makes a signed number of 32 bits of it that is not 0. */
const hashStart = 0x811c9dc5;
const hashPrime = 0x01000193;

/** Two hashes as one; the order counts. */
export function mix(a: number, b: number): number {
  let hash = Math.imul(a ^ (b + 0x9e3779b9 + (a << 6) + (a >>> 2)), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) | 0;
}

type Numbers = Uint8Array | Int16Array | Uint32Array | Int32Array | Float64Array;

/** The same numbers with more room: twice, and for millions of them half as much again. */
export function grow<T extends Numbers>(numbers: T, kind: new (length: number) => T): T {
  const grown = new kind(grownLength(numbers.length));
  (grown as Uint8Array).set(numbers as Uint8Array);
  return grown;
}

const grownLength = (length: number): number => (length < 1 << 20 ? length * 2 : Math.ceil(length * 1.5));

/** A number for each row, 0 unless it is set. As long as none is set it costs no memory: nobody has touched what the system has promised. */
export class Column {
  values = new Uint32Array(1 << 10);
  #isUsed = false;

  set(row: number, value: number): void {
    if (row >= this.values.length) this.#grow();
    if (value === 0) return;
    this.#isUsed = true;
    this.values[row] = value;
  }

  #grow(): void {
    this.values = this.#isUsed ? grow(this.values, Uint32Array) : new Uint32Array(grownLength(this.values.length));
  }
}

/** A list of whole numbers that grows, up to 2³² or, as `Float64Array`, 2⁵³. */
export class NumberList<T extends Numbers> {
  values: T;
  length = 0;
  readonly #kind: new (
    length: number,
  ) => T;

  constructor(kind: new (length: number) => T) {
    this.#kind = kind;
    this.values = new kind(1 << 10);
  }

  push(value: number): void {
    if (this.length === this.values.length) this.values = grow(this.values, this.#kind);
    this.values[this.length++] = value;
  }

  /** Only what was pushed; no copy. */
  get taken(): T {
    return this.values.subarray(0, this.length) as T;
  }
}
