import { rowsMax, secondOf } from './blocks.ts';
import type { Decision } from './claims.ts';
import type { Clustered } from './clusters.ts';
import { Groups } from './groups.ts';
import type { Prepared } from './preparing.ts';
import { reasonsOf, sayReason } from './reasons.ts';
import { clashes, isNever, type MatchSettings } from './rules.ts';
import { mix, NumberList } from './texts.ts';
import { probabilityOf } from './weights.ts';

/** Two groups of rows that may be one person, shown by the two rows that speak most for it. */
export type Candidate = { rows: [number, number]; score: number; reasons: string[] };

/**
 * The candidates for a person to answer, those first whose answer settles most: probability × pairs of rows that it would join. Candidates
 * between groups that better ones would already have joined come last.
 */
export function listCandidates(
  prepared: Prepared,
  { groups, held, claims }: Clustered,
  settings: MatchSettings,
  decisions: readonly Decision[],
  most: number,
): { candidates: Candidate[]; total: number } {
  const { pairs, comparisons, compare, score } = prepared;
  const members = groups.members();
  const best = new BestPairs(prepared.columns.content);
  for (const { rows, answer } of decisions)
    if (answer !== 'same') best.leaveOut(members.setOf(rows[0]), members.setOf(rows[1]));
  const oddsMin = Math.log2(settings.reviewMin / (1 - settings.reviewMin));
  const offer = (a: number, b: number, comparison: number, isHeld: boolean) => {
    const x = members.setOf(a);
    const y = members.setOf(b);
    if (x === y) return;
    const odds = oddsOfBest(score(a, b, comparison), comparison);
    if (isHeld || odds >= oddsMin) best.offer(x, y, a, b, odds);
  };
  for (let a = 0; a < prepared.table.size; a++)
    for (let i = pairs.starts[a] as number; i < (pairs.starts[a + 1] as number); i++)
      offer(a, secondOf(pairs.codes[i] as number), comparisons[i] as number, false);
  // A held set is offered against its next rows: an answer for each, not for each with each.
  for (const { rows: list, reason } of held)
    if (reason === 'clashing-names' || reason === 'several-claims' || reason === 'external-id')
      for (let i = 0; i < list.length; i++)
        for (let j = i + 1; j < list.length && j < i + 8; j++)
          offer(list[i] as number, list[j] as number, compare(list[i] as number, list[j] as number), true);
  if (claims) for (const [row, owner] of claims.questions()) offer(row, owner, compare(row, owner), true);

  const gains = new Float64Array(best.size);
  for (let at = 0; at < best.size; at++) {
    best.odds.values[at] = weigh(at);
    const joins = members.sizeOf(members.setOf(best.a(at))) * members.sizeOf(members.setOf(best.b(at)));
    gains[at] = probabilityOf(best.odds.values[at] as number) * joins;
  }
  return { total: best.shown, candidates: rank(most).map(describe) };

  /** The mean of the best pair and of all pairs across: one pair that agrees by chance is worth little if the others clash. */
  function weigh(at: number): number {
    const bestOdds = best.odds.values[at] as number;
    const left = members.rowsOf(members.setOf(best.a(at)), sampledRows);
    const right = members.rowsOf(members.setOf(best.b(at)), sampledRows);
    let sum = 0;
    for (const x of left)
      for (const y of right) {
        const comparison = compare(x, y);
        sum += oddsAcross(score(x, y, comparison), comparison);
      }
    return (bestOdds + sum / (left.length * right.length)) / 2;
  }

  /** The places of the first candidates. Only as many are put in order as it takes to show so many. */
  function rank(most: number): number[] {
    const inOrder = gains.slice().sort().reverse();
    for (let taken = Math.min(best.size, most * 2 + 100); ; taken = Math.min(best.size, taken * 4)) {
      const least = inOrder[taken - 1] ?? 0;
      const ranked: number[] = [];
      for (let at = 0; at < best.size; at++) if ((gains[at] as number) >= least && !best.isLeftOut(at)) ranked.push(at);
      ranked.sort(
        (x, y) =>
          (gains[y] as number) - (gains[x] as number) ||
          (best.odds.values[y] as number) - (best.odds.values[x] as number) ||
          best.compareContent(x, y),
      );
      const joined = new Groups(members.rows);
      const [first, later]: [number[], number[]] = [[], []];
      for (const at of ranked) {
        const a = members.setOf(best.a(at));
        const b = members.setOf(best.b(at));
        if (joined.of(a) === joined.of(b)) later.push(at);
        else {
          first.push(at);
          if (probabilityOf(best.odds.values[at] as number) >= 0.5) joined.join(a, b);
        }
      }
      if (first.length >= most || taken === best.size) return [...first, ...later].slice(0, most);
    }
  }

  function describe(at: number): Candidate {
    const [a, b] = [best.a(at), best.b(at)];
    return {
      rows: a < b ? [a, b] : [b, a],
      score: roundScore(probabilityOf(best.odds.values[at] as number)),
      reasons: reasonsOf(compare(a, b)).map(sayReason),
    };
  }
}

/** What no rule may join counts less; the logarithm of the odds, to the base of 2. */
const oddsOfBest = (odds: number, comparison: number) => odds - (isNever(comparison) ? 4 : 0);
const oddsAcross = (odds: number, comparison: number) => odds - (isNever(comparison) || clashes(comparison) ? 4 : 0);

/** The probability of two rows that are each a group alone, as a list shows it. */
export const scoreOfPair = (odds: number, comparison: number): number =>
  roundScore(probabilityOf((oddsOfBest(odds, comparison) + oddsAcross(odds, comparison)) / 2));

const roundScore = (probability: number) => Math.round(probability * 10_000) / 10_000;

/** The best pair of rows between two groups, for each two groups that have one: a table of numbers, because there may be millions. */
class BestPairs {
  size = 0;
  /** The logarithm of the odds, by the place of the pair. */
  readonly odds = new NumberList(Float64Array);
  readonly #content: Float64Array;
  /** The two groups as one number. */
  readonly #keys = new NumberList(Float64Array);
  readonly #rows = new NumberList(Uint32Array);
  readonly #leftOut = new Set<number>();
  /** By the hash of the key: the place and 1; 0: free. */
  #slots = new Int32Array(1 << 12);

  constructor(content: Float64Array) {
    this.#content = content;
  }

  /** How many pairs are not left out. */
  get shown(): number {
    let left = 0;
    for (let at = 0; at < this.size && this.#leftOut.size > 0; at++) if (this.isLeftOut(at)) left++;
    return this.size - left;
  }

  a = (at: number): number => this.#rows.values[at * 2] as number;
  b = (at: number): number => this.#rows.values[at * 2 + 1] as number;

  /** Somebody has answered for these two groups. */
  leaveOut(x: number, y: number): void {
    this.#leftOut.add(keyOf(x, y));
  }

  isLeftOut(at: number): boolean {
    return this.#leftOut.size > 0 && this.#leftOut.has(this.#keys.values[at] as number);
  }

  offer(x: number, y: number, a: number, b: number, odds: number): void {
    const key = keyOf(x, y);
    const slot = this.#slotOf(key);
    const at = (this.#slots[slot] as number) - 1;
    if (at >= 0) {
      if (!this.#isBetter(a, b, odds, at)) return;
      this.#rows.values[at * 2] = a;
      this.#rows.values[at * 2 + 1] = b;
      this.odds.values[at] = odds;
      return;
    }
    this.#slots[slot] = ++this.size;
    this.#keys.push(key);
    this.#rows.push(a);
    this.#rows.push(b);
    this.odds.push(odds);
    if (this.size * 2 > this.#slots.length) {
      this.#slots = new Int32Array(this.#slots.length * 2);
      for (let place = 0; place < this.size; place++)
        this.#slots[this.#slotOf(this.#keys.values[place] as number)] = place + 1;
    }
  }

  /** An order that does not depend on the order of rows. */
  compareContent(x: number, y: number): number {
    const [s, t] = this.#contentOf(this.a(x), this.b(x));
    const [u, v] = this.#contentOf(this.a(y), this.b(y));
    return s - u || t - v;
  }

  #isBetter(a: number, b: number, odds: number, at: number): boolean {
    if (odds !== this.odds.values[at]) return odds > (this.odds.values[at] as number);
    const [s, t] = this.#contentOf(a, b);
    const [u, v] = this.#contentOf(this.a(at), this.b(at));
    return s < u || (s === u && t < v);
  }

  #contentOf(a: number, b: number): [number, number] {
    const x = this.#content[a] as number;
    const y = this.#content[b] as number;
    return x < y ? [x, y] : [y, x];
  }

  #slotOf(key: number): number {
    const high = Math.floor(key / rowsMax);
    const mask = this.#slots.length - 1;
    let slot = mix(high, key - high * rowsMax) & mask;
    for (let found = this.#slots[slot] as number; found !== 0; found = this.#slots[slot] as number) {
      if (this.#keys.values[found - 1] === key) return slot;
      slot = (slot + 1) & mask;
    }
    return slot;
  }
}

/** Of each group, so many rows are compared across. */
const sampledRows = 5;

const keyOf = (a: number, b: number): number => (a < b ? a * 2 ** 23 + b : b * 2 ** 23 + a);
