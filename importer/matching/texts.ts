/** The number of a text that is not there. */
export const none = 0;

const minSlots = 1 << 10;

/**
 * Numbers texts from 1, each once. Millions of them cost little more than their bytes, because they are in one buffer and not objects.
 * The numbers depend on the order of adding, the hashes only on the texts: what must not depend on the order of rows uses the hashes.
 */
export class Texts {
  #bytes = new Uint8Array(1 << 14);
  #used = 0;
  #starts = new Uint32Array(1 << 10);
  #hashes = new Int32Array(1 << 10);
  #slots = new Int32Array(minSlots);
  /** One more than the largest number. */
  size = 1;

  /** @returns the number of the text; `none` for an empty one. */
  numberOf(text: string): number {
    if (text === '') return none;
    const end = this.#append(text);
    const hash = hashBytes(this.#bytes, this.#used, end);
    const length = end - this.#used;
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (let found = this.#slots[slot] as number; found !== 0; found = this.#slots[slot] as number) {
      if (this.#hashes[found] === hash && this.#isSame(found, length)) return found;
      slot = (slot + 1) & mask;
    }
    const number = this.size++;
    this.#slots[slot] = number;
    if (number + 1 >= this.#starts.length) {
      this.#starts = grow(this.#starts, Uint32Array);
      this.#hashes = grow(this.#hashes, Int32Array);
    }
    this.#starts[number] = this.#used;
    this.#hashes[number] = hash;
    this.#used = end;
    this.#starts[number + 1] = end;
    if (this.size * 2 > this.#slots.length) this.#rehash();
    return number;
  }

  textOf(number: number): string {
    if (number === none) return '';
    const start = this.#starts[number] as number;
    return Buffer.from(this.#bytes.buffer, start, (this.#starts[number + 1] as number) - start).toString('utf8');
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

  /** @returns where the text ends, written behind the last one. */
  #append(text: string): number {
    while (this.#used + text.length * 3 > this.#bytes.length) this.#bytes = grow(this.#bytes, Uint8Array);
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 127)
        return this.#used + Buffer.from(this.#bytes.buffer, this.#used, text.length * 3).write(text, 'utf8');
      this.#bytes[this.#used + i] = code;
    }
    return this.#used + text.length;
  }

  #isSame(number: number, length: number): boolean {
    const start = this.#starts[number] as number;
    if ((this.#starts[number + 1] as number) - start !== length) return false;
    for (let i = 0; i < length; i++) if (this.#bytes[start + i] !== this.#bytes[this.#used + i]) return false;
    return true;
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let number = 1; number < this.size; number++) {
      let slot = (this.#hashes[number] as number) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = number;
    }
    this.#slots = slots;
  }
}

/** FNV-1a with a last mixing, as a signed number of 32 bits that is not 0. */
function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return mix(hash, 0) || 1;
}

/** Two hashes as one; the order counts. */
export function mix(a: number, b: number): number {
  let hash = Math.imul(a ^ (b + 0x9e3779b9 + (a << 6) + (a >>> 2)), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) | 0;
}

type Numbers = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

/** The same numbers with twice the room. */
export function grow<T extends Numbers>(numbers: T, kind: new (length: number) => T): T {
  const grown = new kind(numbers.length * 2);
  (grown as Uint8Array).set(numbers as Uint8Array);
  return grown;
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
