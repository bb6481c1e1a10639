import { type Links, linkAddresses, linkExternalIds, type Sharing } from './addresses.ts';
import { type Pairs, secondOf } from './blocks.ts';
import type { Comparer } from './comparison.ts';
import type { PersonColumns, PersonTable } from './persontable.ts';
import { type RuleName, ruleNames, ruleOf } from './rules.ts';
import { NumberList } from './texts.ts';

/** Odds are compared in steps of half a bit: of two claims that are nearly as good, none wins. */
const stepsPerBit = 2;
const stepMax = 2 ** 14;

/** What the rules say of the pairs of a table, whichever of them are on: a what-if only chooses among these. */
export type RuleLinks = {
  addresses: Sharing;
  externalIds: Sharing;
  /** Two rows a link, one after another. */
  rows: Links;
  /** Of each link: the number of the rule in `ruleNames`, by how many other persons it would hold by chance, and the step of its odds. */
  rules: NumberList<Uint8Array>;
  chances: NumberList<Float64Array>;
  steps: NumberList<Int16Array>;
};

export const stepOf = (odds: number): number => Math.max(-stepMax, Math.min(stepMax, Math.round(odds * stepsPerBit)));

type Judge = (a: number, b: number, comparison: number) => number;

/** Applies every rule to every pair. A pair that fewer than one other person would be by chance is kept; no setting asks for more. */
export function findLinks(
  table: PersonTable,
  columns: PersonColumns,
  pairs: Pairs,
  comparisons: Int32Array,
  { compare, score, chance }: { compare: Comparer; score: Judge; chance: Judge },
): RuleLinks {
  const links: RuleLinks = {
    addresses: linkAddresses(table, columns, compare),
    externalIds: linkExternalIds(table, columns, compare),
    rows: new NumberList(Uint32Array),
    rules: new NumberList(Uint8Array),
    chances: new NumberList(Float64Array),
    steps: new NumberList(Int16Array),
  };
  for (let a = 0; a < table.size; a++)
    for (let i = pairs.starts[a] as number; i < (pairs.starts[a + 1] as number); i++) {
      const comparison = comparisons[i] as number;
      const rule = ruleOf(comparison);
      if (rule === undefined) continue;
      const b = secondOf(pairs.codes[i] as number);
      const byChance = chance(a, b, comparison);
      if (byChance > 1) continue;
      links.rows.push(a);
      links.rows.push(b);
      links.rules.push(numberOf[rule]);
      links.chances.push(byChance);
      links.steps.push(stepOf(score(a, b, comparison)));
    }
  return links;
}

const numberOf = Object.fromEntries(ruleNames.map((rule, at) => [rule, at])) as Record<RuleName, number>;
