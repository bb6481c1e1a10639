import { mix, NumberList, none, Slots, type Texts } from './texts.ts';

/**
 * Numbers addresses from 1, each once. An address is the numbers of its two parts, so that its text is stored once: most local parts are the
 * address of one person, and would be stored twice.
 */
export class AddressNumbers {
  readonly #texts: Texts;
  readonly #locals = new NumberList(Uint32Array);
  readonly #domains = new NumberList(Uint32Array);
  #slots = new Slots();

  /** @param texts numbers the parts */
  constructor(texts: Texts) {
    this.#texts = texts;
    for (const list of [this.#locals, this.#domains]) list.push(none);
  }

  /** One more than the largest number. */
  get size(): number {
    return this.#locals.length;
  }

  /** @returns the number of the address; a new one is `size` before the call. */
  numberOf(local: string, domain: string): number {
    const [l, d] = [this.#texts.numberOf(local), this.#texts.numberOf(domain)];
    this.#slots.makeRoom(this.size, this.#hashAt);
    let found = this.#slots.first(this.#hashOfParts(l, d));
    while (found !== none && (this.#locals.values[found] !== l || this.#domains.values[found] !== d))
      found = this.#slots.next();
    if (found !== none) return found;
    const number = this.size;
    this.#locals.push(l);
    this.#domains.push(d);
    this.#slots.take(number);
    return number;
  }

  /** As `Texts.hashOf`: it depends on the address only. */
  hashOf(number: number): number {
    return number === none ? 0 : this.#hashAt(number);
  }

  /** As `Texts.rest`. */
  rest(): void {
    this.#slots.clear();
  }

  /** By the number of an address: the numbers of its parts. */
  get local(): Uint32Array {
    return this.#locals.taken;
  }
  get domain(): Uint32Array {
    return this.#domains.taken;
  }

  #hashAt = (number: number): number =>
    this.#hashOfParts(this.#locals.values[number] as number, this.#domains.values[number] as number);

  #hashOfParts(local: number, domain: number): number {
    return mix(this.#texts.hashOf(local), this.#texts.hashOf(domain)) || 1;
  }
}
