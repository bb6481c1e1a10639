import { type Field, fields, level } from './comparison.ts';
import { type Frequencies, onePerson } from './frequencies.ts';
import type { PersonTable } from './persontable.ts';
import { prepare } from './preparing.ts';
import { standardWeights } from './standardmodel.ts';

/*
 * What a list of persons says about itself: how much each likeness weighs, and how common names, domains and companies are. With it a few
 * persons are compared as they would be in the whole list, without reading the list. A model is made of a sample, because the share of true
 * pairs, and that of each value, is the same in a sample as in the list.
 */

export type MatchModel = {
  /** How many persons the list has. */
  persons: number;
  /** The logarithm of the odds that any two of them are one person, to the base of 2. */
  prior: number;
  of: Record<Field, readonly number[]>;
  u: Record<Field, readonly number[]>;
  /** How many persons have a value; see wordOf. What fewer than two of the sample had is not in it. */
  words: Map<number, number>;
  /** How many persons have a value that is not in `words`. */
  rarest: number;
};

const kinds = { name: 0, domain: 1, company: 2 } as const;
type Kind = keyof typeof kinds;
const wordOf = (kind: Kind, hash: number): number => kinds[kind] * 2 ** 32 + (hash >>> 0);

/** Of a list this small, a model would say more about its size than about its people. */
export const modelledMin = 200;
/** Of a hundred persons, so many are in such a list twice. */
const standardRepeats = 0.02;

/**
 * Makes the model of a list.
 *
 * @param table all of the list, or a sample of it that does not depend on what the persons are
 * @param persons how many persons the list has
 */
export function makeModel(table: PersonTable, persons: number): MatchModel {
  const { frequencies, weights } = prepare(table);
  const scale = Math.max(1, (persons * onePerson) / frequencies.persons);
  const words = new Map<number, number>();
  const take = (kind: Kind, counts: Uint32Array) => {
    for (let number = 1; number < counts.length; number++)
      if ((counts[number] as number) >= 2 * onePerson)
        words.set(wordOf(kind, table.texts.hashOf(number)), ((counts[number] as number) / onePerson) * scale);
  };
  take('name', frequencies.names);
  take('domain', frequencies.domains);
  take('company', frequencies.companies);
  return {
    persons,
    prior: weights.prior,
    of: eachField((field) => [...weights.of[field]]),
    u: eachField((field) => [...weights.u[field]]),
    words,
    rarest: scale,
  };
}

/** The model of a list that is too small for one of its own: its likenesses weigh what they weigh in other lists. */
export function standardModel(persons: number): MatchModel {
  const counted = Math.max(persons, modelledMin);
  const share = (2 * standardRepeats) / counted;
  const { of, u } = standardWeights;
  // No name is known to be common or rare.
  const rarest = (u.family[level.equal] as number) * counted;
  return { persons: counted, prior: Math.log2(share / (1 - share)), of, u, words: new Map(), rarest };
}

/** A model as it is kept: numbers, and the words as three numbers each. */
export type KeptModel = { model: Omit<MatchModel, 'words'>; words: Uint8Array };

export function packModel({ words, ...model }: MatchModel): KeptModel {
  const packed = new Uint32Array(words.size * 3);
  let at = 0;
  for (const [word, persons] of words) {
    packed[at++] = Math.floor(word / 2 ** 32);
    packed[at++] = word % 2 ** 32;
    packed[at++] = Math.round(persons);
  }
  return { model, words: new Uint8Array(packed.buffer) };
}

export function unpackModel({ model, words: bytes }: KeptModel): MatchModel {
  const packed = new Uint32Array(bytes.slice().buffer);
  const words = new Map<number, number>();
  for (let at = 0; at + 2 < packed.length; at += 3)
    words.set((packed[at] as number) * 2 ** 32 + (packed[at + 1] as number), packed[at + 2] as number);
  return { ...model, words };
}

type Known = Pick<Frequencies, 'persons' | 'names' | 'cities' | 'companies' | 'domains'>;

/** How common the values of a small table are in the list of the model. */
export function frequenciesOf({ texts }: PersonTable, { words, rarest, persons }: MatchModel): Known {
  const count = (kind: Kind) => {
    const counts = new Uint32Array(texts.size);
    for (let number = 1; number < texts.size; number++)
      counts[number] = Math.round((words.get(wordOf(kind, texts.hashOf(number))) ?? rarest) * onePerson);
    return counts;
  };
  return {
    persons: persons * onePerson,
    names: count('name'),
    domains: count('domain'),
    companies: count('company'),
    cities: new Uint32Array(texts.size),
  };
}

const eachField = <T>(make: (field: Field) => T): Record<Field, T> =>
  Object.fromEntries(fields.map((field) => [field, make(field)])) as Record<Field, T>;
