import { type Frequencies, onePerson } from './frequencies.ts';
import { editDistance, garbledMax, isGarbled, isSlip } from './likeness.ts';
import { ignoresDots, withoutDots, withoutTag } from './mailboxes.ts';
import { formsOfGivenName } from './nicknames.ts';
import type { PersonColumns, PersonTable } from './persontable.ts';
import { hasOthers, hasPlus, lettersApart, mix, none, type Texts } from './texts.ts';

/** How a field of two rows compares. The larger, the more alike; `unknown` where one of them has nothing to compare. */
export const level = {
  unknown: 0,
  different: 1,
  /** Names: a letter or two apart, but both are common: Daniel and Daniela. */
  alike: 2,
  /** Names: J and James, or nearly the same letters in another order. Addresses: one small domain. */
  weak: 3,
  /** Names, cities, addresses: one is a slip of the other one. Dates of birth: one part differs. */
  slip: 4,
  /** Names: Bob and Robert, Garcia and Garcia Lopez. Addresses: they differ in dots or in what follows a plus. */
  form: 5,
  equal: 6,
} as const;

/** The fields of a comparison, each with three bits in its number, and what they are called in a sentence. */
export const fields = ['given', 'family', 'address', 'phone', 'city', 'birth', 'company'] as const;
export type Field = (typeof fields)[number];
export const fieldAt = { given: 0, family: 3, address: 6, phone: 9, city: 12, birth: 15, company: 18 } as const;
const swappedBit = 1 << 21;
const generationBit = 1 << 22;

export const levelOf = (comparison: number, field: Field): number => (comparison >> fieldAt[field]) & 7;
/** The first name of one row is the last name of the other one. */
export const isSwapped = (comparison: number): boolean => (comparison & swappedBit) !== 0;
/** Senior and junior. */
export const isOtherGeneration = (comparison: number): boolean => (comparison & generationBit) !== 0;

/** Compares two rows of a table; makes a number of it that has the level of each field. */
export type Comparer = (a: number, b: number) => number;

/** @param frequencies how common the values of the table are, in the table or in a list that it is a part of */
export function createComparer(
  table: PersonTable,
  columns: PersonColumns,
  frequencies: Pick<Frequencies, 'names' | 'domains' | 'cities' | 'companies'>,
): Comparer {
  const { given, family, others, generation, city, company, birth } = columns;
  const { addressStart, addressOf, phoneStart, phoneOf, local, domain, isRole, isProvided } = columns;
  const { names, domains, cities, companies } = frequencies;
  const letters = table.texts.letters();
  const decoded = new Decoded(table.texts);
  const pairSlots = slotsFor(table.texts.size * pairsPerText);
  const textOf = (number: number) => decoded.textOf(number);
  const isAscii = (number: number) => ((letters[number] as number) & hasOthers) === 0;
  const givenCache = new PairCache(pairSlots);
  const familyCache = new PairCache(pairSlots);
  const cityCache = new PairCache(pairSlots);
  const companyCache = new PairCache(pairSlots);
  const domainCache = new PairCache(pairSlots);

  /** Whether two values are too common for one to be a slip of the other one. */
  const areBothCommon = (counts: Uint32Array, a: number, b: number): boolean => {
    const fewer = Math.min(counts[a] as number, counts[b] as number);
    return fewer >= 3 * onePerson && fewer * 50 > Math.max(counts[a] as number, counts[b] as number);
  };

  /** Of words without forms: one more than their length, up to 30. Others are 255. */
  const lengths = new Uint8Array(table.texts.size);
  const plainLength = (word: number): number => {
    const known = lengths[word] as number;
    if (known !== 0) return known - 1;
    const text = textOf(word);
    const isPlain = text.length > 1 && text.length < 30 && isAscii(word) && formsOfGivenName(text).length === 0;
    lengths[word] = isPlain ? text.length + 1 : 255;
    return (lengths[word] as number) - 1;
  };

  function compareWords(a: number, b: number, areGiven: boolean): number {
    if (a === none || b === none) return level.unknown;
    const longer = Math.max(plainLength(a), plainLength(b));
    if (longer < 30) {
      if (a === b) return level.equal;
      // Most names differ in so many letters that nothing else needs to be looked at.
      const apart = lettersApart(letters[a] as number, letters[b] as number);
      if (apart > 2 && apart > garbledMax(longer)) return level.different;
    }
    const cache = areGiven ? givenCache : familyCache;
    const known = cache.get(a, b);
    return known === -1 ? cache.set(a, b, compareNewWords(a, b, areGiven)) : known;
  }

  function compareNewWords(a: number, b: number, areGiven: boolean): number {
    const x = textOf(a);
    if (a === b) return x.length === 1 && x.charCodeAt(0) < 128 ? level.weak : level.equal;
    const y = textOf(b);
    if (x.length === 1 || y.length === 1) return x.charCodeAt(0) === y.charCodeAt(0) ? level.weak : level.different;
    if (isAscii(a) !== isAscii(b)) return level.unknown; // in another script: nothing is known
    const formsX = areGiven ? formsOfGivenName(x) : [];
    const formsY = areGiven ? formsOfGivenName(y) : [];
    if (formsX.length > 0 && formsY.length > 0) {
      if (formsX.some((form) => formsY.includes(form))) return level.form;
      return isSlip(x, y) ? level.alike : level.different;
    }
    if (!isSlip(x, y)) return isGarbled(x, y) && !areBothCommon(names, a, b) ? level.weak : level.different;
    return areBothCommon(names, a, b) ? level.alike : level.slip;
  }

  const isNearly = (a: number, b: number) => a !== none && b !== none && editDistance(textOf(a), textOf(b), 1) <= 1;
  const hasOther = (row: number, name: number) =>
    others[row] !== none && name !== none && ` ${textOf(others[row] as number)} `.includes(` ${textOf(name)} `);

  function compareNames(a: number, b: number): number {
    const ga = given[a] as number;
    const gb = given[b] as number;
    const fa = family[a] as number;
    const fb = family[b] as number;
    let g = compareWords(ga, gb, true);
    let f = compareWords(fa, fb, false);
    let swapped = 0;
    if (g === level.different || f === level.different || g === level.alike) {
      if ((g === level.different || g === level.alike) && (hasOther(a, gb) || hasOther(b, ga))) g = level.form;
      if (f === level.different && (hasOther(a, fb) || hasOther(b, fa))) f = level.form;
      // The first name of one is the last name of the other one, in both ways or as far as they are given.
      if (g === level.different || f === level.different) {
        const across = compareWords(ga, fb, true);
        const back = compareWords(fa, gb, true);
        const areNames = across >= level.slip && back >= level.slip;
        const isOneName =
          Math.min(across, back) === level.unknown &&
          (Math.max(across, back) === level.equal ||
            (Math.max(across, back) === level.slip && (isNearly(ga, fb) || isNearly(fa, gb))));
        if (areNames || isOneName) {
          // The better one first, so that it does not matter which row comes first. One name alone is taken for the family's, which is the safe guess.
          g = isOneName ? level.unknown : Math.max(across, back);
          f = isOneName ? Math.max(across, back) : Math.min(across, back);
          swapped = swappedBit;
        }
      }
    }
    const generations = generation[a] !== generation[b] && generation[a] !== none && generation[b] !== none;
    return g | (f << 3) | swapped | (generations ? generationBit : 0);
  }

  function compareAddresses(a: number, b: number): number {
    const startA = addressStart[a] as number;
    const endA = addressStart[a + 1] as number;
    const startB = addressStart[b] as number;
    const endB = addressStart[b + 1] as number;
    if (startA === endA || startB === endB) return level.unknown;
    // The mailbox of a role says nothing about a person: neither that two rows are one nor that they are two.
    let best: number = level.unknown;
    for (let i = startA; i < endA; i++)
      for (let j = startB; j < endB; j++) {
        const found = compareAddress(addressOf[i] as number, addressOf[j] as number);
        if (found > best) best = found;
      }
    return best;
  }

  function compareAddress(x: number, y: number): number {
    if (isRole[x] || isRole[y]) return level.unknown;
    if (x === y) return level.equal;
    const domainX = domain[x] as number;
    const domainY = domain[y] as number;
    const localX = local[x] as number;
    const localY = local[y] as number;
    const isSmall = !isProvided[x] && (domains[domainX] as number) <= 20 * onePerson;
    if (domainX !== domainY && localX !== localY) {
      // Two slips at once: only in long texts.
      if (isProvided[x] || isProvided[y] || lettersApart(letters[localX] as number, letters[localY] as number) > 2)
        return level.different;
      if (domainsApart(domainX, domainY) > 2 || areBothCommon(domains, domainX, domainY)) return level.different;
      const [lengthX, lengthY] = [textOf(domainX).length, textOf(domainY).length];
      if (Math.min(lengthX, lengthY) < 9 || Math.abs(lengthX - lengthY) > 1) return level.different;
      return isAddressSlip(textOf(localX), textOf(localY), false) ? level.slip : level.different;
    }
    if (domainX === domainY) {
      // Without a plus, what is equal but for its dots has the same letters.
      const isTagged = (((letters[localX] as number) | (letters[localY] as number)) & hasPlus) !== 0;
      if (!isTagged && lettersApart(letters[localX] as number, letters[localY] as number) > 2)
        return isSmall ? level.weak : level.different;
      const a = textOf(localX);
      const b = textOf(localY);
      if (withoutTag(a) === withoutTag(b)) return level.form;
      if (withoutDots(a) === withoutDots(b)) return ignoresDots(textOf(domainX)) ? level.form : level.slip;
      if (isAddressSlip(a, b, isSmall)) return level.slip;
      return isSmall ? level.weak : level.different;
    }
    if (isProvided[x] && isProvided[y]) return level.different;
    const apart = domainsApart(domainX, domainY);
    if (apart > 3) return level.different;
    const most = Math.min(textOf(domainX).length, textOf(domainY).length) >= 10 ? 3 : 2;
    return apart <= most && !areBothCommon(domains, domainX, domainY) ? level.slip : level.different;
  }

  /** The edits between two domains, up to 3; 4: more. */
  function domainsApart(x: number, y: number): number {
    if (lettersApart(letters[x] as number, letters[y] as number) > 3) return 4;
    const known = domainCache.get(x, y);
    return known === -1 ? domainCache.set(x, y, editDistance(textOf(x), textOf(y), 3)) : known;
  }

  function comparePhones(a: number, b: number): number {
    const startA = phoneStart[a] as number;
    const endA = phoneStart[a + 1] as number;
    const startB = phoneStart[b] as number;
    const endB = phoneStart[b + 1] as number;
    if (startA === endA || startB === endB) return level.unknown;
    for (let i = startA; i < endA; i++)
      for (let j = startB; j < endB; j++) if (phoneOf[i] === phoneOf[j]) return level.equal;
    return level.different;
  }

  function compareTexts(cache: PairCache, counts: Uint32Array, a: number, b: number): number {
    if (a === none || b === none) return level.unknown;
    if (a === b) return level.equal;
    const known = cache.get(a, b);
    if (known !== -1) return known;
    const isApart = lettersApart(letters[a] as number, letters[b] as number) > 2;
    const isOneSlip = !isApart && isSlip(textOf(a), textOf(b)) && !areBothCommon(counts, a, b);
    return cache.set(a, b, isOneSlip ? level.slip : level.different);
  }

  return (a, b) =>
    compareNames(a, b) |
    (compareAddresses(a, b) << fieldAt.address) |
    (comparePhones(a, b) << fieldAt.phone) |
    (compareTexts(cityCache, cities, city[a] as number, city[b] as number) << fieldAt.city) |
    (compareBirths(birth[a] as number, birth[b] as number) << fieldAt.birth) |
    (compareTexts(companyCache, companies, company[a] as number, company[b] as number) << fieldAt.company);
}

const dayMs = 86_400_000;
const dayOf = (date: number) =>
  Date.UTC(Math.floor(date / 10_000), (Math.floor(date / 100) % 100) - 1, date % 100) / dayMs;

/**
 * Two dates of birth, each as the number YYYYMMDD. `slip`: a day or a month is wrong, or both changed places, or one digit of the year is
 * wrong; at most a month apart. `weak`: about a year or ten years apart, as one more wrong digit makes it. `different`: all else, which is
 * never one person. A father and a son of one name are born farther apart, and nobody has a brother or sister of the same name.
 */
export function compareBirths(a: number, b: number): number {
  if (a === 0 || b === 0) return level.unknown;
  if (a === b) return level.equal;
  const [yearA, monthA, dayA] = [Math.floor(a / 10_000), Math.floor(a / 100) % 100, a % 100];
  const [yearB, monthB, dayB] = [Math.floor(b / 10_000), Math.floor(b / 100) % 100, b % 100];
  if (yearA === yearB && (monthA === monthB || dayA === dayB || (monthA === dayB && dayA === monthB)))
    return level.slip;
  if (monthA === monthB && dayA === dayB && editDistance(String(yearA), String(yearB), 1) <= 1) return level.slip;
  const apart = Math.abs(dayOf(a) - dayOf(b));
  if (apart <= 31) return level.slip;
  return apart <= 366 + 31 || Math.abs(apart - 3652) <= 400 ? level.weak : level.different;
}

const digitsOf = (text: string) => text.replace(/\D+/g, '');

/** Whether one local part may be a slip of the other one. Numbers tell people apart: ann1 and ann2, unless the domain is small. */
function isAddressSlip(a: string, b: string, isSmallDomain: boolean): boolean {
  const shorter = Math.min(a.length, b.length);
  // j.lee and k.lee are two people.
  if (shorter < 3 || (a[0] !== b[0] && (/^.[._-]/.test(a) || /^.[._-]/.test(b)))) return false;
  const most = shorter < 5 ? 1 : 2;
  if (editDistance(a, b, most) > most) return false;
  return digitsOf(a) === digitsOf(b) || (isSmallDomain && shorter >= 5);
}

/** Of a cache. A small table has small ones: to make five large ones takes longer than to compare some hundred persons. */
const slotsMax = 2 ** 16;
/** So many pairs of each text are remembered. */
const pairsPerText = 4;
/** A power of two. */
const slotsFor = (entries: number): number => Math.min(slotsMax, 2 ** Math.ceil(Math.log2(Math.max(1, entries))));

/** How pairs of texts compare, of those asked last: most names are compared again and again. */
class PairCache {
  readonly #slots: number;
  readonly #smaller: Uint32Array;
  readonly #larger: Uint32Array;
  readonly #levels: Int8Array;

  /** @param slots a power of two */
  constructor(slots: number) {
    this.#slots = slots;
    this.#smaller = new Uint32Array(slots);
    this.#larger = new Uint32Array(slots);
    this.#levels = new Int8Array(slots);
  }

  /** @returns -1 if it is not known */
  get(a: number, b: number): number {
    const smaller = a < b ? a : b;
    const larger = a < b ? b : a;
    const slot = mix(smaller, larger) & (this.#slots - 1);
    return this.#smaller[slot] === smaller && this.#larger[slot] === larger ? (this.#levels[slot] as number) : -1;
  }

  set(a: number, b: number, found: number): number {
    const smaller = a < b ? a : b;
    const larger = a < b ? b : a;
    const slot = mix(smaller, larger) & (this.#slots - 1);
    this.#smaller[slot] = smaller;
    this.#larger[slot] = larger;
    this.#levels[slot] = found;
    return found;
  }
}

/** Texts as strings, those asked last: to keep all would take more memory than the table. */
class Decoded {
  readonly #texts: Texts;
  readonly #numbers: Uint32Array;
  readonly #strings: string[];

  constructor(texts: Texts) {
    this.#texts = texts;
    this.#numbers = new Uint32Array(slotsFor(texts.size));
    this.#strings = new Array(this.#numbers.length).fill('');
  }

  textOf(number: number): string {
    const slot = number & (this.#numbers.length - 1);
    if (this.#numbers[slot] !== number) {
      this.#numbers[slot] = number;
      this.#strings[slot] = this.#texts.textOf(number);
    }
    return this.#strings[slot] as string;
  }
}
