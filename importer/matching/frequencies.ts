import type { PersonColumns, PersonTable } from './persontable.ts';
import { mix, none } from './texts.ts';

/**
 * One person counts so much, divided among the rows that are known to be that person. 420 is divisible by all numbers up to 7, whole numbers have
 * the same sum in any order, and as many persons as there may be rows fit into 32 bits.
 */
export const onePerson = 420;

/** How many persons, in units of `onePerson`, have a name, a city and so on; by the numbers of the texts. */
export type Frequencies = {
  persons: number;
  names: Uint32Array;
  cities: Uint32Array;
  companies: Uint32Array;
  locals: Uint32Array;
  domains: Uint32Array;
  phones: Uint32Array;
  births: Map<number, number>;
  /** Persons whose names are in another script than the Latin one. */
  inOtherScripts: number;
  /** How many persons with an address have a whole name: see wholeNameSlot. */
  wholeNames: Uint32Array;
};

/** Where a whole name is counted; the order of first and last name does not count. Names that share a place look a little more common. */
export function wholeNameSlot(slots: number, given: number, family: number): number {
  return mix(Math.min(given, family), Math.max(given, family)) & (slots - 1);
}

/**
 * Counts how common each value is. Rows that are surely one person count as one person, so that a customer who is ten times in the list
 * does not make a rare name look common.
 *
 * @param groupOf the group of a row, by any number below the number of rows
 */
export function countFrequencies(table: PersonTable, columns: PersonColumns, groupOf: Uint32Array): Frequencies {
  const { given, family, others, city, company, birth, addressStart, addressOf, local, domain, phoneStart, phoneOf } =
    columns;
  const rows = table.size;
  const sizes = new Uint32Array(rows);
  for (let row = 0; row < rows; row++) sizes[groupOf[row] as number] = (sizes[groupOf[row] as number] as number) + 1;
  const size = table.texts.size;
  const names = new Uint32Array(size);
  const cities = new Uint32Array(size);
  const companies = new Uint32Array(size);
  const locals = new Uint32Array(size);
  const domains = new Uint32Array(size);
  const phones = new Uint32Array(table.phones.size);
  const births = new Map<number, number>();
  const wholeNames = new Uint32Array(2 ** Math.max(12, Math.ceil(Math.log2(rows + 1)) + 1));
  let inOtherScripts = 0;
  let persons = 0;
  for (let row = 0; row < rows; row++) {
    const share = Math.floor(onePerson / (sizes[groupOf[row] as number] as number)) || 1;
    persons += share;
    const g = given[row] as number;
    if (table.texts.isBeyondAscii(g) || table.texts.isBeyondAscii(family[row] as number)) inOtherScripts += share;
    if (g !== none && addressStart[row] !== addressStart[row + 1]) {
      const slot = wholeNameSlot(wholeNames.length, table.texts.hashOf(g), table.texts.hashOf(family[row] as number));
      wholeNames[slot] = (wholeNames[slot] as number) + share;
    }
    const f = family[row] as number;
    names[g] = (names[g] as number) + share;
    if (f !== g) names[f] = (names[f] as number) + share;
    if (others[row] !== none && others[row] !== g && others[row] !== f)
      names[others[row] as number] = (names[others[row] as number] as number) + share;
    cities[city[row] as number] = (cities[city[row] as number] as number) + share;
    companies[company[row] as number] = (companies[company[row] as number] as number) + share;
    const born = birth[row] as number;
    if (born !== 0) births.set(born, (births.get(born) ?? 0) + share);
    for (let i = addressStart[row] as number; i < (addressStart[row + 1] as number); i++) {
      locals[local[addressOf[i] as number] as number] =
        (locals[local[addressOf[i] as number] as number] as number) + share;
      domains[domain[addressOf[i] as number] as number] =
        (domains[domain[addressOf[i] as number] as number] as number) + share;
    }
    for (let i = phoneStart[row] as number; i < (phoneStart[row + 1] as number); i++)
      phones[phoneOf[i] as number] = (phones[phoneOf[i] as number] as number) + share;
  }
  return {
    inOtherScripts,
    wholeNames,
    persons: Math.max(persons, onePerson),
    names,
    cities,
    companies,
    locals,
    domains,
    phones,
    births,
  };
}
