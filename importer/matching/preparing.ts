import { type BlockReport, findPairs, type Pairs, rowsMax, secondOf } from './blocks.ts';
import { type Comparer, createComparer } from './comparison.ts';
import { countFrequencies, type Frequencies } from './frequencies.ts';
import { Groups } from './groups.ts';
import { findLinks, type RuleLinks } from './links.ts';
import type { PersonColumns, PersonTable } from './persontable.ts';
import { countTwins, createChance } from './rules.ts';
import { createScorer, estimateWeights, type Weights } from './weights.ts';

/** All that does not depend on settings and decisions: a what-if compares two ways of joining of one of these. */
export type Prepared = {
  table: PersonTable;
  columns: PersonColumns;
  frequencies: Frequencies;
  pairs: Pairs;
  /** By the place of the pair. */
  comparisons: Int32Array;
  compare: Comparer;
  weights: Weights;
  /** The logarithm of the odds that two rows are one person, to the base of 2. */
  score: (a: number, b: number, comparison: number) => number;
  /** How many other persons would agree with a row as well by chance. */
  chance: (a: number, b: number, comparison: number) => number;
  links: RuleLinks;
  blocks: BlockReport[];
};

export class TooManyRows extends Error {
  constructor(rows: number) {
    super(
      `${rows.toLocaleString('en')} rows are too many to compare at once: at most ${rowsMax.toLocaleString('en')}.`,
    );
    this.name = 'TooManyRows';
  }
}

/** Finds and compares the pairs of a table and estimates their weights. @throws TooManyRows */
export function prepare(table: PersonTable): Prepared {
  if (table.size > rowsMax) throw new TooManyRows(table.size);
  const columns = table.columns();
  const frequencies = countFrequencies(table, columns, groupByAddress(table, columns));
  const compare = createComparer(table, columns, frequencies);
  const pairs = findPairs(table, columns);
  const comparisons = new Int32Array(pairs.count);
  for (let row = 0; row < table.size; row++)
    for (let i = pairs.starts[row] as number; i < (pairs.starts[row + 1] as number); i++)
      comparisons[i] = compare(row, secondOf(pairs.codes[i] as number));
  const weights = estimateWeights(table, columns, frequencies, pairs, comparisons, compare);
  const score = createScorer(columns, frequencies, weights);
  const chance = createChance(table, columns, frequencies, weights, countTwins(comparisons, frequencies));
  const links = findLinks(table, columns, pairs, comparisons, { compare, score, chance });
  const blocks = pairs.reports;
  return { table, columns, frequencies, pairs, comparisons, compare, weights, score, chance, links, blocks };
}

/** Rows with one address as one person, roughly: only for counting how common values are. */
function groupByAddress(table: PersonTable, { addressStart, addressOf, isRole }: PersonColumns): Uint32Array {
  const groups = new Groups(table.size);
  const firstRow = new Int32Array(table.addresses.size).fill(-1);
  for (let row = 0; row < table.size; row++)
    for (let i = addressStart[row] as number; i < (addressStart[row + 1] as number); i++) {
      const address = addressOf[i] as number;
      if (isRole[address]) continue;
      if (firstRow[address] === -1) firstRow[address] = row;
      else groups.join(firstRow[address] as number, row);
    }
  return groups.all();
}
