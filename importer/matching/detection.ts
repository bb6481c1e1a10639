import { type BlockName, listBlocks } from './blocks.ts';
import { createComparer } from './comparison.ts';
import type { Matchable } from './keys.ts';
import { frequenciesOf, type MatchModel } from './model.ts';
import { PersonTable } from './persontable.ts';
import { type Reason, reasonsOf } from './reasons.ts';
import { scoreOfPair } from './reviewing.ts';
import { createScorer } from './weights.ts';

/** A key that two persons share if a block of matching would compare them; one that more than `rowsMax` have is not looked at. */
export type BlockKey = { key: number; block: BlockName; rowsMax: number };

/** Somebody with very many addresses has very many keys: those are kept that say the most. */
const keysMax = 64;

/** The keys of each person: the same as in the blocks of an import. They say nothing readable about the person. */
export function blockKeysOf(persons: readonly Matchable[]): BlockKey[][] {
  const table = new PersonTable();
  for (const person of persons) table.add(person);
  const blocks = listBlocks(table, table.columns());
  return persons.map((_, row) => {
    const keys = new Map<number, BlockKey>();
    for (const [at, { name, rowsMax, keys: eachKey }] of blocks.entries())
      eachKey(row, (hash) => {
        const key = at * 2 ** 32 + (hash >>> 0);
        keys.set(key, { key, block: name, rowsMax });
      });
    return [...keys.values()].slice(0, keysMax);
  });
}

/** How likely two of these persons are one, and what speaks for and against it; as an import says it of its rows. */
export function comparePersons(
  model: MatchModel,
  persons: readonly Matchable[],
): (a: number, b: number) => { score: number; reasons: Reason[] } {
  const table = new PersonTable();
  for (const person of persons) table.add(person);
  const columns = table.columns();
  const frequencies = frequenciesOf(table, model);
  const compare = createComparer(table, columns, frequencies);
  const { of, u, prior } = model;
  const score = createScorer(columns, frequencies, { of: asWeights(of), u: asWeights(u), prior });
  return (a, b) => {
    const comparison = compare(a, b);
    return { score: scoreOfPair(score(a, b, comparison), comparison), reasons: reasonsOf(comparison) };
  };
}

const asWeights = <Name extends string>(lists: Record<Name, readonly number[]>): Record<Name, Float64Array> =>
  Object.fromEntries(
    Object.entries<readonly number[]>(lists).map(([name, list]) => [name, Float64Array.from(list)]),
  ) as Record<Name, Float64Array>;
