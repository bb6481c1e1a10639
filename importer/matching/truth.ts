/** How well groups fit the truth, counted in pairs of rows. */
export type Measure = {
  /** Pairs that are one person in truth. */
  pairs: number;
  /** Pairs that are in one group. */
  joinedPairs: number;
  /** Pairs that are both. */
  rightPairs: number;
  /** Of the pairs in one group, the share that is right; 1 without any. */
  precision: number;
  /** Of the true pairs, the share that is in one group; 1 without any. */
  recall: number;
  f1: number;
};

/** What the groups would be after a person has answered the first candidates with the truth. */
export type ReviewMeasure = Measure & { answered: number; same: number };

/**
 * Measures groups by a label of each row; rows with one label are one person, rows with an empty one are alone.
 *
 * @param groups rows of each group; a row that is in none is alone
 */
export function measureGroups(labels: readonly string[], groups: readonly (readonly number[])[]): Measure {
  return measure(labels, groupNumbers(labels.length, groups));
}

/** As measureGroups, after so many of the candidates have been answered with the truth: `same` joins the groups of both rows. */
export function measureReviews(
  labels: readonly string[],
  groups: readonly (readonly number[])[],
  candidates: readonly { rows: readonly [number, number] }[],
  counts: readonly number[],
): ReviewMeasure[] {
  const groupOf = groupNumbers(labels.length, groups);
  const parents = Uint32Array.from(groupOf, (_, group) => group);
  const rootOf = (group: number): number => {
    let at = group;
    while (parents[at] !== at) at = parents[at] as number;
    return at;
  };
  const measures: ReviewMeasure[] = [];
  let same = 0;
  const stops = [...new Set(counts.map((count) => Math.min(count, candidates.length)))].sort((a, b) => a - b);
  let next = 0;
  for (const answered of stops) {
    for (; next < answered; next++) {
      const [a, b] = (candidates[next] as { rows: readonly [number, number] }).rows;
      if (labels[a] === '' || labels[a] !== labels[b]) continue;
      same++;
      parents[rootOf(groupOf[a] as number)] = rootOf(groupOf[b] as number);
    }
    measures.push({ answered, same, ...measure(labels, groupOf.map(rootOf)) });
  }
  return measures;
}

function groupNumbers(rows: number, groups: readonly (readonly number[])[]): Uint32Array {
  const groupOf = Uint32Array.from({ length: rows }, (_, row) => row);
  for (const group of groups) for (const row of group) groupOf[row] = group[0] as number;
  return groupOf;
}

function measure(labels: readonly string[], groupOf: Uint32Array): Measure {
  const byLabel = new Map<string, number>();
  const byGroup = new Map<number, number>();
  const byBoth = new Map<string, number>();
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row] as string;
    const group = groupOf[row] as number;
    byGroup.set(group, (byGroup.get(group) ?? 0) + 1);
    if (label === '') continue;
    byLabel.set(label, (byLabel.get(label) ?? 0) + 1);
    const both = `${group} ${label}`;
    byBoth.set(both, (byBoth.get(both) ?? 0) + 1);
  }
  const pairsOf = (counts: Map<unknown, number>) =>
    counts.values().reduce((sum, count) => sum + (count * (count - 1)) / 2, 0);
  const [pairs, joinedPairs, rightPairs] = [pairsOf(byLabel), pairsOf(byGroup), pairsOf(byBoth)];
  const precision = joinedPairs === 0 ? 1 : rightPairs / joinedPairs;
  const recall = pairs === 0 ? 1 : rightPairs / pairs;
  const f1 = precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
  return { pairs, joinedPairs, rightPairs, precision, recall, f1 };
}
