import { type Held, linkAddresses, linkExternalIds } from './addresses.ts';
import { firstOf, secondOf } from './blocks.ts';
import { isOtherGeneration, level, levelOf } from './comparison.ts';
import { Groups } from './groups.ts';
import type { Prepared } from './preparing.ts';
import { clashes, isNever, type MatchSettings, ruleOf } from './rules.ts';
import { NumberList } from './texts.ts';

/** What a person has said of two rows. */
export type Decision = { rows: readonly [number, number]; answer: 'same' | 'different' };

export type Clustered = { groups: Groups; held: Held[] };

/** Odds are compared in steps of half a bit: of two claims that are nearly as good, none wins. */
const stepsPerBit = 2;

/**
 * Makes groups of rows. Human decisions come first and are never overridden. Links by address, external id, telephone and name are sure: what they
 * connect is one group, unless two rows of it cannot be one person. All other links join the best pair of groups first, if the mean over
 * all pairs across is positive, no pair across is impossible, and no third group has an equal claim.
 */
export function cluster(prepared: Prepared, settings: MatchSettings, decisions: readonly Decision[]): Clustered {
  const { table, columns, pairs, comparisons, compare, score, chance } = prepared;
  const groups = new Groups(table.size);
  const different = new Differences(decisions);
  const isImpossible = (a: number, b: number): boolean => {
    if (different.has(a, b)) return true;
    const x = columns.customer[a];
    const y = columns.customer[b];
    if (x !== 0 && y !== 0 && x !== y) return true;
    return (
      columns.isVerified[a] === 1 && columns.isVerified[b] === 1 && levelOf(compare(a, b), 'address') !== level.equal
    );
  };

  const sure = new NumberList(Uint32Array);
  const soft = new NumberList(Uint32Array);
  const softScores = new NumberList(Float64Array);
  const softIsPlace = new NumberList(Uint8Array);
  const held: Held[] = [];
  const addLinks = ({ links, held: more }: { links: NumberList<Uint32Array>; held: Held[] }) => {
    for (const row of links.taken) sure.push(row);
    held.push(...more);
  };
  if (settings.rules.address) addLinks(linkAddresses(table, columns, compare, settings));
  if (settings.rules['external-id']) addLinks(linkExternalIds(table, columns, compare, settings));
  for (let i = 0; i < pairs.count; i++) {
    const comparison = comparisons[i] as number;
    const rule = ruleOf(comparison);
    if (rule === undefined || !settings.rules[rule]) continue;
    const a = firstOf(pairs.codes[i] as number);
    const b = secondOf(pairs.codes[i] as number);
    if (chance(a, b, comparison) > settings.chanceMax) continue;
    if (rule === 'phone-and-name') {
      sure.push(a);
      sure.push(b);
    } else {
      soft.push(a);
      soft.push(b);
      softScores.push(score(a, b, comparison));
      softIsPlace.push(rule === 'name-and-place' ? 1 : 0);
    }
  }

  for (const { rows, answer } of decisions) if (answer === 'same') groups.join(rows[0], rows[1]);
  const decided = groups.members();
  for (let i = 0; i < sure.length; i += 2) groups.join(sure.values[i] as number, sure.values[i + 1] as number);
  const broken = dissolveImpossible(groups, decided);
  for (let i = 0; i < sure.length; i += 2) {
    const a = sure.values[i] as number;
    const b = sure.values[i + 1] as number;
    if (!broken.has(a)) continue;
    soft.push(a);
    soft.push(b);
    softScores.push(score(a, b, compare(a, b)));
    softIsPlace.push(0);
  }
  joinBest(soft, softScores, softIsPlace);
  return { groups, held };

  /** Takes sure groups apart that have two rows which cannot be one person. @returns their rows */
  function dissolveImpossible(groups: Groups, decided: Map<number, number[]>): Set<number> {
    const broken = new Set<number>();
    for (const rows of groups.members().values()) {
      const kinds = distinct(rows);
      if (kinds.length <= settings.groupSizeMax && canBeOne(kinds)) continue;
      groups.dissolve(rows);
      for (const row of rows) broken.add(row);
    }
    for (const rows of decided.values()) for (const row of rows) groups.join(rows[0] as number, row);
    return broken;
  }

  function joinBest(
    links: NumberList<Uint32Array>,
    scores: NumberList<Float64Array>,
    isPlace: NumberList<Uint8Array>,
  ): void {
    const members = groups.members();
    const membersOf = (set: number) => members.get(set) ?? [set];
    const order = Array.from({ length: scores.length }, (_, i) => i);
    const stepOf = (i: number) => Math.round((scores.values[i] as number) * stepsPerBit);
    order.sort((a, b) => stepOf(b) - stepOf(a));
    for (let start = 0; start < order.length; ) {
      const step = stepOf(order[start] as number);
      let end = start + 1;
      while (end < order.length && stepOf(order[end] as number) === step) end++;
      // All links of a step at once: what they would connect is joined whole or not at all.
      const claims = new Claims();
      const byPlace = new Set<number>();
      for (let k = start; k < end; k++) {
        const i = order[k] as number;
        const a = groups.of(links.values[i * 2] as number);
        const b = groups.of(links.values[i * 2 + 1] as number);
        if (a === b) continue;
        claims.join(a, b);
        if (isPlace.values[i] === 1) byPlace.add(a).add(b);
      }
      for (const set of claims.sets()) {
        if (
          !mayJoin(
            set.map(membersOf),
            set.some((each) => byPlace.has(each)),
          )
        )
          continue;
        const all = set.flatMap(membersOf);
        for (const row of all) groups.join(all[0] as number, row);
        for (const each of set) members.delete(each);
        members.set(groups.of(all[0] as number), all);
      }
      start = end;
    }
  }

  function mayJoin(sets: number[][], isByPlace: boolean): boolean {
    const kinds = sets.map(distinct);
    const all = kinds.flat();
    if (all.length > settings.groupSizeMax || !canBeOne(all)) return false;
    let sum = 0;
    let count = 0;
    for (let x = 0; x < kinds.length; x++)
      for (let y = x + 1; y < kinds.length; y++)
        for (const a of kinds[x] as number[])
          for (const b of kinds[y] as number[]) {
            const comparison = compare(a, b);
            // A name and a place lead to one address: of a father and a son of one name, a row without address could be either.
            if (
              isByPlace &&
              levelOf(comparison, 'address') === level.different &&
              levelOf(comparison, 'birth') < level.slip
            )
              return false;
            sum += score(a, b, comparison);
            count++;
          }
    return sum / count > 0;
  }

  /** Whether no two of the rows are impossible to be one person. */
  function canBeOne(rows: number[]): boolean {
    for (let i = 0; i < rows.length; i++)
      for (let j = i + 1; j < rows.length; j++) {
        const a = rows[i] as number;
        const b = rows[j] as number;
        if (isImpossible(a, b)) return false;
        const comparison = compare(a, b);
        if (isNever(comparison) && (isOtherGeneration(comparison) || !areSlipsOfOne(a, b, rows, 'birth'))) return false;
        if (clashes(comparison) && (levelOf(comparison, 'given') === level.alike || !areSlipsOfOne(a, b, rows, 'name')))
          return false;
      }
    return true;
  }

  /** Whether two first names or dates of birth that clash are both slips of those of a third row in the group: Ran and Rnyan of Ryan. */
  function areSlipsOfOne(a: number, b: number, rows: number[], what: 'name' | 'birth'): boolean {
    const isSlipOf = (row: number, c: number): boolean => {
      const comparison = compare(row, c);
      if (clashes(comparison) || isNever(comparison)) return false;
      const given = levelOf(comparison, 'given');
      const family = levelOf(comparison, 'family');
      if (what === 'birth')
        return levelOf(comparison, 'birth') !== level.unknown && (given >= level.slip || family >= level.slip);
      return (
        (given === level.slip || given === level.equal) &&
        (family === level.slip || family === level.equal || family === level.unknown)
      );
    };
    return rows.some((c) => c !== a && c !== b && isSlipOf(a, c) && isSlipOf(b, c));
  }

  /** One row of each content: what is written alike compares alike. */
  function distinct(rows: number[]): number[] {
    if (rows.length < 3) return rows;
    return [...new Map(rows.map((row) => [columns.content[row], row])).values()];
  }
}

/** Pairs that a person has called different. */
class Differences {
  readonly #of = new Map<number, Set<number>>();

  constructor(decisions: readonly Decision[]) {
    for (const { rows, answer } of decisions) {
      if (answer !== 'different') continue;
      for (const [a, b] of [rows, [rows[1], rows[0]] as const]) this.#of.set(a, (this.#of.get(a) ?? new Set()).add(b));
    }
  }

  has(a: number, b: number): boolean {
    return this.#of.get(a)?.has(b) ?? false;
  }
}

/** Groups of groups. */
class Claims {
  readonly #parents = new Map<number, number>();

  #of(set: number): number {
    let at = set;
    for (let parent = this.#parents.get(at); parent !== undefined && parent !== at; parent = this.#parents.get(at))
      at = parent;
    return at;
  }

  join(a: number, b: number): void {
    for (const each of [a, b]) if (!this.#parents.has(each)) this.#parents.set(each, each);
    this.#parents.set(this.#of(a), this.#of(b));
  }

  sets(): number[][] {
    const sets = new Map<number, number[]>();
    for (const each of this.#parents.keys()) {
      const root = this.#of(each);
      const set = sets.get(root);
      if (set) set.push(each);
      else sets.set(root, [each]);
    }
    return [...sets.values()];
  }
}
