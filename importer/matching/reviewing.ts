import { firstOf, secondOf } from './blocks.ts';
import type { Clustered, Decision } from './clusters.ts';
import { type Field, fields, isOtherGeneration, isSwapped, level, levelOf } from './comparison.ts';
import { Groups } from './groups.ts';
import type { Prepared } from './preparing.ts';
import { clashes, isNever, type MatchSettings } from './rules.ts';
import { probabilityOf } from './weights.ts';

/** Two groups of rows that may be one person, shown by the two rows that speak most for it. */
export type Candidate = { rows: [number, number]; score: number; reasons: string[] };

/**
 * The candidates for a person to answer, those first whose answer settles most: probability × pairs of rows that it would join. Candidates
 * between groups that better ones would already have joined come last.
 */
export function listCandidates(
  prepared: Prepared,
  { groups, held }: Clustered,
  settings: MatchSettings,
  decisions: readonly Decision[],
  most: number,
): { candidates: Candidate[]; total: number } {
  const { pairs, comparisons, compare, score, columns } = prepared;
  const rows = prepared.table.size;
  const groupOf = groups.all();
  const sizes = new Uint32Array(rows);
  for (let row = 0; row < rows; row++) sizes[groupOf[row] as number] = (sizes[groupOf[row] as number] as number) + 1;
  const isAnswered = new Set(
    decisions
      .filter(({ answer }) => answer === 'different')
      .map(({ rows: [a, b] }) => keyOf(groupOf[a] as number, groupOf[b] as number)),
  );
  type Found = { a: number; b: number; odds: number; comparison: number; isHeld: boolean };
  const best = new Map<number, Found>();
  const offer = (a: number, b: number, comparison: number, isHeld: boolean) => {
    const x = groupOf[a] as number;
    const y = groupOf[b] as number;
    if (x === y) return;
    const odds = score(a, b, comparison) - (isNever(comparison) ? 4 : 0);
    if (!isHeld && probabilityOf(odds) < settings.reviewMin) return;
    const key = keyOf(x, y);
    if (isAnswered.has(key)) return;
    const known = best.get(key);
    if (known && !isBetter(a, b, odds, known)) {
      known.isHeld ||= isHeld;
      return;
    }
    best.set(key, { a, b, odds, comparison, isHeld: isHeld || (known?.isHeld ?? false) });
  };
  const contentOf = (a: number, b: number) => {
    const x = columns.content[a] as number;
    const y = columns.content[b] as number;
    return x < y ? [x, y] : [y, x];
  };
  const isBetter = (a: number, b: number, odds: number, known: Found): boolean => {
    if (odds !== known.odds) return odds > known.odds;
    const [x, y] = contentOf(a, b) as [number, number];
    const [s, t] = contentOf(known.a, known.b) as [number, number];
    return x < s || (x === s && y < t);
  };
  for (let i = 0; i < pairs.count; i++) {
    const code = pairs.codes[i] as number;
    offer(firstOf(code), secondOf(code), comparisons[i] as number, false);
  }
  // A held set is offered against its first row: an answer for each, not for each with each.
  for (const { rows: list, reason } of held)
    if (reason !== 'role-mailbox' && reason !== 'too-many-people')
      for (let i = 0; i < list.length; i++)
        for (let j = i + 1; j < list.length && j < i + 8; j++)
          offer(list[i] as number, list[j] as number, compare(list[i] as number, list[j] as number), true);

  const members = groups.members();
  const sampleOf = (row: number) => (members.get(groupOf[row] as number) ?? [row]).slice(0, sampledRows);
  /** The mean of the best pair and of all pairs across: one pair that agrees by chance is worth little if the others clash. */
  const weigh = (found: Found) => {
    const [left, right] = [sampleOf(found.a), sampleOf(found.b)];
    let sum = 0;
    for (const x of left)
      for (const y of right) {
        const comparison = compare(x, y);
        sum += score(x, y, comparison) - (isNever(comparison) || clashes(comparison) ? 4 : 0);
      }
    const odds = (found.odds + sum / (left.length * right.length)) / 2;
    const joins = (sizes[groupOf[found.a] as number] as number) * (sizes[groupOf[found.b] as number] as number);
    return {
      ...found,
      odds,
      gain: probabilityOf(odds) * joins,
      content: contentOf(found.a, found.b) as [number, number],
    };
  };
  const ranked = [...best.values()]
    .map(weigh)
    .sort((x, y) => y.gain - x.gain || y.odds - x.odds || x.content[0] - y.content[0] || x.content[1] - y.content[1]);
  const joined = new Groups(rows);
  const [first, later]: [typeof ranked, typeof ranked] = [[], []];
  for (const found of ranked) {
    const a = groupOf[found.a] as number;
    const b = groupOf[found.b] as number;
    if (joined.of(a) === joined.of(b)) later.push(found);
    else {
      first.push(found);
      if (probabilityOf(found.odds) >= 0.5) joined.join(a, b);
    }
  }
  const shown = [...first, ...later].slice(0, most);
  return {
    total: best.size,
    candidates: shown.map(({ a, b, odds, comparison }) => ({
      rows: a < b ? [a, b] : [b, a],
      score: Math.round(probabilityOf(odds) * 10_000) / 10_000,
      reasons: explain(comparison),
    })),
  };
}

/** Of each group, so many rows are compared across. */
const sampledRows = 5;

const keyOf = (a: number, b: number): number => (a < b ? a * 2 ** 23 + b : b * 2 ** 23 + a);

const words: Record<Field, Partial<Record<number, string>>> = {
  given: {
    [level.equal]: 'the first name is the same',
    [level.form]: 'one first name is a form of the other',
    [level.slip]: 'the first names differ by a slip',
    [level.weak]: 'one first name is the initial of the other',
    [level.alike]: 'the first names are alike, but both are common names',
    [level.different]: 'the first names differ',
  },
  family: {
    [level.equal]: 'the last name is the same',
    [level.form]: 'the last names share a part',
    [level.slip]: 'the last names differ by a slip',
    [level.weak]: 'one last name is the initial of the other',
    [level.alike]: 'the last names are alike, but both are common names',
    [level.different]: 'the last names differ',
  },
  address: {
    [level.equal]: 'the e-mail address is the same',
    [level.form]: 'the e-mail addresses differ only in dots or after a plus',
    [level.slip]: 'the e-mail addresses differ by a slip',
    [level.weak]: 'the e-mail addresses have the same small domain',
    [level.different]: 'the e-mail addresses differ',
  },
  phone: { [level.equal]: 'the telephone number is the same', [level.different]: 'the telephone numbers differ' },
  city: {
    [level.equal]: 'the city is the same',
    [level.slip]: 'the cities differ by a slip',
    [level.different]: 'the cities differ',
  },
  birth: {
    [level.equal]: 'the date of birth is the same',
    [level.slip]: 'the dates of birth differ by a slip',
    [level.weak]: 'the dates of birth are about one or ten years apart',
    [level.different]: 'the dates of birth clash',
  },
  company: {
    [level.equal]: 'the company is the same',
    [level.slip]: 'the companies differ by a slip',
    [level.different]: 'the companies differ',
  },
};

/** What speaks for and against one person, in words, first what speaks for it. */
export function explain(comparison: number): string[] {
  const said = fields
    .map((field) => ({ level: levelOf(comparison, field), text: words[field][levelOf(comparison, field)] }))
    .filter((each): each is { level: number; text: string } => each.text !== undefined);
  const speaksFor = said.filter((each) => each.level > level.alike);
  const speaksAgainst = said.filter((each) => each.level <= level.alike);
  return [
    ...speaksFor.map((each) => each.text),
    ...(isSwapped(comparison) ? ['first and last name are exchanged'] : []),
    ...speaksAgainst.map((each) => each.text),
    ...(isOtherGeneration(comparison) ? ['one is senior, the other one junior'] : []),
  ];
}
