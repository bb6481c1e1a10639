import { type Held, takeSharing } from './addresses.ts';
import { Claims, type Decision } from './claims.ts';
import { isOtherGeneration, level, levelOf } from './comparison.ts';
import { Groups } from './groups.ts';
import { stepOf } from './links.ts';
import type { Prepared } from './preparing.ts';
import { clashes, isNever, isOneName, type MatchSettings, ruleNames } from './rules.ts';
import { NumberList } from './texts.ts';

export type Clustered = {
  groups: Groups;
  held: Held[];
  /** Whose the rows are that customers have; undefined: the table has no customers. */
  claims: Claims | undefined;
};

/**
 * Makes groups of rows. Human decisions come first and are never overridden; then what is known to be one customer's. Links by address, external
 * id, telephone and name are sure: what they connect is one group, unless two rows of it cannot be one person, or they lead to two customers. All
 * other links join the best pair of groups first, if the mean over all pairs across is positive, no pair across is impossible, and no third group
 * has an equal claim.
 */
export function cluster(prepared: Prepared, settings: MatchSettings, decisions: readonly Decision[]): Clustered {
  const { table, columns, compare, score, links } = prepared;
  const groups = new Groups(table.size);
  const different = new Differences(decisions);
  const isImpossible = (a: number, b: number): boolean => {
    if (different.has(a, b) || claims?.areOthers(a, b)) return true;
    return (
      columns.isVerified[a] === 1 && columns.isVerified[b] === 1 && levelOf(compare(a, b), 'address') !== level.equal
    );
  };

  const sure = new NumberList(Uint32Array);
  const soft = new NumberList(Uint32Array);
  const softSteps = new NumberList(Int16Array);
  const softIsPlace = new NumberList(Uint8Array);
  const held: Held[] = [];
  if (settings.rules.address) takeSharing(links.addresses, settings.familyMax, sure, held);
  if (settings.rules['external-id']) takeSharing(links.externalIds, settings.familyMax, sure, held);
  const persons = listPersons(table.size, decisions);
  const decidedRows = new Set(persons.flat());
  const claims = table.hasCustomers ? new Claims(table, columns, held, decisions, persons) : undefined;
  const decided = claims?.parted(persons) ?? persons;
  for (const rows of decided) for (const row of rows) groups.join(rows[0] as number, row);
  const isOn = ruleNames.map((rule) => settings.rules[rule]);
  const phoneAndName = ruleNames.indexOf('phone-and-name');
  const nameAndPlace = ruleNames.indexOf('name-and-place');
  for (let i = 0; i < links.rules.length; i++) {
    const rule = links.rules.values[i] as number;
    if (!isOn[rule] || (links.chances.values[i] as number) > settings.chanceMax) continue;
    const a = links.rows.values[i * 2] as number;
    const b = links.rows.values[i * 2 + 1] as number;
    if (rule === phoneAndName) {
      sure.push(a);
      sure.push(b);
    } else {
      soft.push(a);
      soft.push(b);
      softSteps.push(links.steps.values[i] as number);
      softIsPlace.push(rule === nameAndPlace ? 1 : 0);
    }
  }

  claims?.weigh(sure, decided, (a, b) => different.has(a, b));
  claims?.join(groups);
  const mayLink = (a: number, b: number) => claims === undefined || (claims.mayLink(a, b) && !different.has(a, b));
  for (let i = 0; i < sure.length; i += 2) {
    const a = sure.values[i] as number;
    const b = sure.values[i + 1] as number;
    if (mayLink(a, b)) groups.join(a, b);
  }
  const broken = dissolveImpossible(groups, decided);
  for (let i = 0; broken.size > 0 && i < sure.length; i += 2) {
    const a = sure.values[i] as number;
    const b = sure.values[i + 1] as number;
    if (!broken.has(a)) continue;
    soft.push(a);
    soft.push(b);
    softSteps.push(stepOf(score(a, b, compare(a, b))));
    softIsPlace.push(0);
  }
  joinBest();
  // Whose a row is comes before whether its name clashes: that does not hold a row whose id is a customer's.
  return { groups, held: [...(claims?.held() ?? []), ...held.filter(isOpen)], claims };

  /** What holds rows is a doubt whether they are one person. There is none if a person has said it of them, and they are in one group. */
  function isOpen({ rows }: Held): boolean {
    if (decidedRows.size === 0 || !rows.some((row) => decidedRows.has(row))) return true;
    return rows.some((row) => groups.of(row) !== groups.of(rows[0] as number));
  }

  /** Takes sure groups apart that have two rows which cannot be one person. @returns their rows */
  function dissolveImpossible(groups: Groups, decided: number[][]): Set<number> {
    const broken = new Set<number>();
    for (const rows of groups.members()) {
      const parts = claims?.partsOf(rows);
      if (parts?.free.length === 0) continue;
      // The rule that joined two rows has compared them.
      if (rows.length === 2 && !isImpossible(rows[0] as number, rows[1] as number)) continue;
      const kinds = distinct(rows);
      if (kinds.length <= settings.groupSizeMax && canBeOne(kinds)) continue;
      groups.dissolve(rows);
      for (const row of parts ? joinFitting(parts) : rows) broken.add(row);
    }
    for (const rows of decided) for (const row of rows) groups.join(rows[0] as number, row);
    return broken;
  }

  /** Joins a customer's rows, and with them what may be the customer. @returns the rows of free parts that cannot be one person themselves */
  function joinFitting({ own, free }: { own: number[]; free: number[][] }): number[] {
    const joinAll = (rows: number[]) => {
      for (const row of rows) groups.join(rows[0] as number, row);
    };
    const fits = (rows: number[]) => {
      const kinds = distinct(rows);
      return kinds.length <= settings.groupSizeMax && canBeOne(kinds);
    };
    joinAll(own);
    const whole = free.filter(fits);
    for (const part of whole) joinAll(part);
    const fitting = [...own, ...whole.filter((part) => fits([...own, ...part])).flat()];
    if (fits(fitting)) joinAll(fitting);
    return free.filter((part) => !whole.includes(part)).flat();
  }

  function joinBest(): void {
    const before = groups.members();
    const joined = new Map<number, number[]>();
    const membersOf = (set: number) => joined.get(set) ?? before.rowsOf(set);
    const order = orderBySteps(softSteps.taken);
    const stepAt = (place: number) => softSteps.values[order[place] as number] as number;
    for (let start = 0; start < order.length; ) {
      const step = stepAt(start);
      let end = start + 1;
      while (end < order.length && stepAt(end) === step) end++;
      // All links of a step at once: what they would connect is joined whole or not at all.
      const claimants = new Claimants();
      const byPlace = new Set<number>();
      for (let k = start; k < end; k++) {
        const i = order[k] as number;
        const a = groups.of(soft.values[i * 2] as number);
        const b = groups.of(soft.values[i * 2 + 1] as number);
        if (a === b || !mayLink(soft.values[i * 2] as number, soft.values[i * 2 + 1] as number)) continue;
        claimants.join(a, b);
        if (softIsPlace.values[i] === 1) byPlace.add(a).add(b);
      }
      for (const set of claimants.sets()) {
        if (
          !mayJoin(
            set.map(membersOf),
            set.some((each) => byPlace.has(each)),
          )
        )
          continue;
        const all = set.flatMap(membersOf);
        for (const row of all) groups.join(all[0] as number, row);
        for (const each of set) joined.delete(each);
        joined.set(groups.of(all[0] as number), all);
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
        if (claims?.areOne(a, b)) continue;
        const comparison = compare(a, b);
        if (isNever(comparison) && (isOtherGeneration(comparison) || !areSlipsOfOne(a, b, rows, 'birth'))) return false;
        if (clashes(comparison) && (isKnownAs(a, b, rows) || isKnownAs(b, a, rows))) continue;
        if (clashes(comparison) && (levelOf(comparison, 'given') === level.alike || !areSlipsOfOne(a, b, rows, 'name')))
          return false;
      }
    return true;
  }

  /** Whether the customer of a row has, or had, the name of another row as well. */
  function isKnownAs(row: number, other: number, rows: number[]): boolean {
    return rows.some((c) => c !== row && claims?.areOne(c, row) && isOneName(compare(c, other)));
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

/** The rows that are one person, as somebody has said. */
function listPersons(rows: number, decisions: readonly Decision[]): number[][] {
  const groups = new Groups(decisions.length === 0 ? 0 : rows);
  for (const { rows, answer } of decisions) if (answer === 'same') groups.join(rows[0], rows[1]);
  return [...groups.members()];
}

/** The places of steps, the highest step first, and those of one step in their order. */
function orderBySteps(steps: Int16Array): Uint32Array {
  const starts = new Uint32Array(2 ** 16 + 1);
  const placeOf = (step: number) => 2 ** 15 - step;
  for (let i = 0; i < steps.length; i++) {
    const place = placeOf(steps[i] as number) + 1;
    starts[place] = (starts[place] as number) + 1;
  }
  for (let place = 1; place < starts.length; place++)
    starts[place] = (starts[place] as number) + (starts[place - 1] as number);
  const order = new Uint32Array(steps.length);
  for (let i = 0; i < steps.length; i++) {
    const place = placeOf(steps[i] as number);
    order[starts[place] as number] = i;
    starts[place] = (starts[place] as number) + 1;
  }
  return order;
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
class Claimants {
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
