import { blockOf, type Pairs, secondOf } from './blocks.ts';
import { type Comparer, type Field, fieldAt, fields, isSwapped, level, levelOf } from './comparison.ts';
import { type Frequencies, onePerson } from './frequencies.ts';
import type { PersonColumns, PersonTable } from './persontable.ts';
import { mix, none } from './texts.ts';

/*
 * The model of Fellegi and Sunter. For each field and level there are two shares: m, of the pairs that are one person, and u, of the pairs that are
 * two. The logarithm of m/u, to the base of 2, is the weight of the level; the sum over the fields and the prior is the logarithm of the odds.
 * u comes from pairs of any two rows. m comes from the pairs that blocks found, by expectation and maximisation, without any labelled pair. A block
 * on a field finds only pairs that agree in it, so its pairs say nothing about that field. The prior is the share of true pairs among all pairs
 * of rows: it falls with the number of rows, so that three times the rows do not make nine times the false pairs.
 */

export type Weights = {
  /** By field and level. */
  of: Record<Field, Float64Array>;
  m: Record<Field, Float64Array>;
  u: Record<Field, Float64Array>;
  /** The logarithm of the odds that any two rows are one person, to the base of 2. */
  prior: number;
};

const levels = 7;
const sampleRows = 600;
const sampledPairsMax = 250_000;
const rounds = 12;
/** What m is before anything is seen, and what counts as many pairs as this says. */
const startWeight = 40;
const start: Record<Field, number[]> = {
  //       unknown different alike weak slip form equal
  given: [0, 0.03, 0.01, 0.04, 0.1, 0.07, 0.75],
  family: [0, 0.04, 0.01, 0.02, 0.1, 0.03, 0.8],
  address: [0, 0.24, 0, 0.04, 0.1, 0.02, 0.6],
  phone: [0, 0.3, 0, 0, 0, 0, 0.7],
  city: [0, 0.17, 0, 0, 0.08, 0, 0.75],
  birth: [0, 0.04, 0.01, 0.03, 0.13, 0, 0.79],
  company: [0, 0.25, 0, 0, 0.05, 0, 0.7],
};

/** Estimates the weights. They depend on the rows, not on their order. */
export function estimateWeights(
  table: PersonTable,
  columns: PersonColumns,
  frequencies: Frequencies,
  pairs: Pairs,
  comparisons: Int32Array,
  compare: Comparer,
): Weights {
  const mixed = estimateU(table, columns, frequencies, compare);
  const first = estimateM(columns, pairs, comparisons, mixed);
  // The sample has true pairs too, and in a small list with many duplicates they are most of its pairs that agree.
  const sampled = first.matches / Math.max(1, (table.size * (table.size - 1)) / 2);
  const u = eachField((field) =>
    mixed[field].map((share, l) =>
      l === level.equal || share === 0 ? share : Math.max(share - sampled * (first.m[field][l] as number), share / 5),
    ),
  );
  const { m, matches } = estimateM(columns, pairs, comparisons, u);
  const persons = frequencies.persons / onePerson;
  const share = Math.min(0.5, Math.max(matches, 1) / Math.max(1, (persons * (persons - 1)) / 2));
  const of = eachField((field) => weigh(m[field], u[field]));
  return { of, m, u, prior: Math.log2(share / (1 - share)) };
}

function weigh(m: Float64Array, u: Float64Array): Float64Array {
  const weights = new Float64Array(levels);
  // A name that differs in a letter but is common is no agreement, whatever the estimate says; nothing weighs less than a clear difference.
  for (let l = 1; l < levels; l++)
    if ((u[l] as number) > 0) weights[l] = Math.log2((m[l] as number) / (u[l] as number));
  weights[level.alike] = Math.min(weights[level.alike] as number, 0);
  return weights;
}

/** The shares among pairs of two persons: of a sample of rows each with each, and where they are rare, from how common each value is. */
function estimateU(table: PersonTable, columns: PersonColumns, frequencies: Frequencies, compare: Comparer) {
  const chosen = pickRows(columns.content, Math.min(sampleRows, table.size));
  const counts = eachField(() => new Float64Array(levels));
  for (let i = 0; i < chosen.length; i++)
    for (let j = i + 1; j < chosen.length; j++) {
      const comparison = compare(chosen[i] as number, chosen[j] as number);
      for (const field of fields)
        counts[field][(comparison >> fieldAt[field]) & 7] =
          (counts[field][(comparison >> fieldAt[field]) & 7] as number) + 1;
    }
  const { names, cities, companies, phones, births, persons } = frequencies;
  const equal: Record<Field, number> = {
    given: shareOfEqual(names),
    family: shareOfEqual(names),
    address: onePerson / persons,
    phone: shareOfEqual(phones),
    city: shareOfEqual(cities),
    birth: shareOfEqual(births.values()),
    company: shareOfEqual(companies),
  };
  return eachField((field) => {
    const known = counts[field].reduce((sum, count, l) => (l === level.unknown ? sum : sum + count), 0);
    // In a sample that has true pairs too, the exact share of equal values is the better one.
    const u = counts[field].map((count, l) => (start[field][l] === 0 ? 0 : (count + 0.5) / (known + levels * 0.5)));
    u[level.equal] = Math.max(equal[field], onePerson / persons / 4);
    const rest = u.reduce((sum, share, l) => (l === level.equal ? sum : sum + share), 0);
    return u.map((share, l) => (l === level.equal ? share : (share / rest) * (1 - (u[level.equal] as number))));
  });
}

/** The chance that two persons have the same value. */
function shareOfEqual(counts: Iterable<number>): number {
  let sum = 0;
  let squares = 0;
  let at = 0;
  for (const count of counts) {
    if (at++ === 0 && counts instanceof Uint32Array) continue; // the number of no text
    sum += count;
    squares += count * count;
  }
  return sum === 0 ? 0.01 : squares / sum / sum;
}

/** The rows with the smallest hashes: a sample that does not depend on the order of rows. */
function pickRows(content: Float64Array, count: number): number[] {
  const smallest = content.slice().sort()[count - 1] ?? 0;
  const chosen: number[] = [];
  for (let row = 0; row < content.length; row++) if ((content[row] as number) <= smallest) chosen.push(row);
  return chosen.sort((a, b) => (content[a] as number) - (content[b] as number)).slice(0, count);
}

function estimateM(columns: PersonColumns, pairs: Pairs, comparisons: Int32Array, u: Record<Field, Float64Array>) {
  const patterns = countPatterns(columns, pairs, comparisons);
  let m = eachField((field) => Float64Array.from(start[field]));
  const shares = pairs.blocks.map(() => 0.3);
  for (let round = 0; round < rounds; round++) {
    const sums = eachField((field) => Float64Array.from(start[field], (share) => share * startWeight));
    const expected = pairs.blocks.map(() => 0);
    const totals = pairs.blocks.map(() => 0);
    for (const { comparison, block, count } of patterns) {
      const skipped = (pairs.blocks[block] as Pairs['blocks'][number]).fields;
      let odds = (shares[block] as number) / (1 - (shares[block] as number));
      for (const field of fields) {
        const l = (comparison >> fieldAt[field]) & 7;
        if (l !== level.unknown && !skipped.includes(field)) odds *= (m[field][l] as number) / (u[field][l] as number);
      }
      const probability = odds / (1 + odds);
      totals[block] = (totals[block] as number) + count;
      expected[block] = (expected[block] as number) + count * probability;
      for (const field of fields) {
        const l = (comparison >> fieldAt[field]) & 7;
        if (l !== level.unknown && !skipped.includes(field))
          sums[field][l] = (sums[field][l] as number) + count * probability;
      }
    }
    for (let block = 0; block < shares.length; block++)
      shares[block] = Math.min(
        0.999,
        Math.max(0.0001, ((expected[block] as number) + 0.1) / ((totals[block] as number) + 1)),
      );
    m = eachField((field) => {
      const sum = sums[field].reduce((all, each) => all + each, 0);
      return sums[field].map((each) => each / sum);
    });
  }
  return { m, matches: pairs.found.reduce((sum, count, block) => sum + count * (shares[block] as number), 0) };
}

/** How often each comparison occurs among the pairs, of at most about 250,000 that are chosen by their content. */
function countPatterns({ content }: PersonColumns, pairs: Pairs, comparisons: Int32Array) {
  const every = Math.max(1, Math.ceil(pairs.count / sampledPairsMax));
  const counts = new Map<number, number>();
  for (let row = 0; row + 1 < pairs.starts.length; row++)
    for (let i = pairs.starts[row] as number; i < (pairs.starts[row + 1] as number); i++) {
      const code = pairs.codes[i] as number;
      if (every > 1) {
        const sum = (content[row] as number) + (content[secondOf(code)] as number);
        const high = Math.floor(sum / 2 ** 32);
        if ((mix(sum - high * 2 ** 32, high) >>> 0) % every !== 0) continue;
      }
      const key = (comparisons[i] as number) * 16 + blockOf(code);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([key, count]) => ({ comparison: Math.floor(key / 16), block: key % 16, count }));
}

function eachField<T>(make: (field: Field) => T): Record<Field, T> {
  return Object.fromEntries(fields.map((field) => [field, make(field)])) as Record<Field, T>;
}

/** How far the frequency of a name moves its weight, at most, in both directions. */
const nameTermMax = 4;

/** @returns a function that gives the logarithm of the odds that two rows are one person. */
export function createScorer(
  columns: PersonColumns,
  frequencies: Pick<Frequencies, 'names' | 'persons'>,
  weights: Pick<Weights, 'of' | 'u' | 'prior'>,
) {
  const { given, family } = columns;
  const { names, persons } = frequencies;
  const table = fields.map((field) => weights.of[field]);
  const shifts = fields.map((field) => fieldAt[field]);
  const usual = weights.u.given[level.equal] as number; // it is that of last names, too: both are counted together
  const term = (count: number) =>
    Math.max(-nameTermMax, Math.min(nameTermMax, Math.log2(usual / Math.max(count / persons, 1e-9))));
  return (a: number, b: number, comparison: number): number => {
    let sum = weights.prior;
    for (let i = 0; i < table.length; i++) {
      const column = table[i] as Float64Array;
      sum += column[(comparison >> (shifts[i] as number)) & 7] as number;
    }
    // Of exchanged names, which of them are equal is asked of the names: the levels do not say which comparison they come from.
    const isAcross = isSwapped(comparison);
    const [ga, fa] = [given[a] as number, family[a] as number];
    const givenIsEqual = isAcross ? ga === family[b] : levelOf(comparison, 'given') === level.equal;
    const familyIsEqual = isAcross ? fa === given[b] : levelOf(comparison, 'family') === level.equal;
    // Both terms are added up first: then the sum is exactly the same, whichever row comes first.
    return (
      sum +
      ((givenIsEqual && ga !== none ? term(names[ga] as number) : 0) +
        (familyIsEqual && fa !== none ? term(names[fa] as number) : 0))
    );
  };
}

/** The probability of odds whose logarithm is to the base of 2. */
export const probabilityOf = (logOdds: number): number => 1 / (1 + 2 ** -logOdds);
