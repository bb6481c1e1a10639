import type { Decision } from './claims.ts';
import { cluster } from './clusters.ts';
import { level, levelOf } from './comparison.ts';
import type { Groups } from './groups.ts';
import type { Prepared } from './preparing.ts';
import { reasonsOf, sayReason } from './reasons.ts';
import { type MatchSettings, type RuleName, ruleOf, standardSettings } from './rules.ts';

/** Pairs of rows that one way of joining puts together and the other one does not. */
export type Change = {
  pairs: number;
  /** Groups that gain or lose pairs. */
  groups: number;
  examples: { rows: [number, number]; rule: RuleName | null; reasons: string[] }[];
};

export type WhatIf = { gained: Change; lost: Change };

/**
 * What other settings would join and no longer join. Nothing is written, and nothing is compared again: both ways join the pairs that `prepare`
 * has found and compared.
 */
export function whatIf(
  prepared: Prepared,
  before: Partial<MatchSettings>,
  after: Partial<MatchSettings>,
  { decisions = [], examplesMax = 10 }: { decisions?: readonly Decision[]; examplesMax?: number } = {},
): WhatIf {
  const old = cluster(prepared, { ...standardSettings, ...before }, decisions).groups;
  const changed = cluster(prepared, { ...standardSettings, ...after }, decisions).groups;
  return {
    gained: difference(prepared, old, changed, examplesMax),
    lost: difference(prepared, changed, old, examplesMax),
  };
}

/** The pairs that are together in `to` and apart in `from`. */
function difference(prepared: Prepared, from: Groups, to: Groups, examplesMax: number): Change {
  const { columns } = prepared;
  let pairs = 0;
  const found: { content: number; parts: number[][] }[] = [];
  for (const rows of to.members()) {
    const parts = new Map<number, number[]>();
    for (const row of rows) {
      const part = parts.get(from.of(row));
      if (part) part.push(row);
      else parts.set(from.of(row), [row]);
    }
    if (parts.size < 2) continue;
    const kept = parts.values().reduce((sum, part) => sum + (part.length * (part.length - 1)) / 2, 0);
    pairs += (rows.length * (rows.length - 1)) / 2 - kept;
    const content = Math.min(...rows.map((row) => columns.content[row] as number));
    found.push({ content, parts: [...parts.values()] });
  }
  const examples = found
    .sort((a, b) => a.content - b.content)
    .slice(0, examplesMax)
    .map(({ parts }) => exampleOf(prepared, parts));
  return { pairs, groups: found.length, examples };
}

/** The two rows of different parts that speak most for one person. */
function exampleOf({ score, compare }: Prepared, parts: number[][]): Change['examples'][number] {
  let best: { rows: [number, number]; odds: number; comparison: number } | undefined;
  for (let x = 0; x < parts.length; x++)
    for (let y = x + 1; y < parts.length; y++)
      for (const a of (parts[x] as number[]).slice(0, 10))
        for (const b of (parts[y] as number[]).slice(0, 10)) {
          const comparison = compare(a, b);
          const odds = score(a, b, comparison);
          if (!best || odds > best.odds) best = { rows: a < b ? [a, b] : [b, a], odds, comparison };
        }
  const { rows, comparison } = best as NonNullable<typeof best>;
  const rule = levelOf(comparison, 'address') === level.equal ? 'address' : (ruleOf(comparison) ?? null);
  return { rows, rule, reasons: reasonsOf(comparison).map(sayReason) };
}
