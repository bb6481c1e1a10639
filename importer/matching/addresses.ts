import { type Comparer, level, levelOf } from './comparison.ts';
import { Groups } from './groups.ts';
import type { PersonColumns, PersonTable } from './persontable.ts';
import { clashes, isNever } from './rules.ts';
import { NumberList } from './texts.ts';

export type HeldReason =
  | 'role-mailbox'
  | 'clashing-names'
  | 'too-many-people'
  | 'several-claims'
  | 'external-id'
  | 'two-customers'
  | 'not-the-customer'
  | 'address-of-another';
/** Rows that share an address or an id and are not joined for it, or of which nobody knows whose they are: a person must look. */
export type Held = { rows: number[]; reason: HeldReason };

/** Pairs of rows that a rule joins, one after another: first row, second row. */
export type Links = NumberList<Uint32Array>;

/** What equal addresses or ids say, before it is known how many people a family may have. */
export type Sharing = {
  links: Links;
  held: Held[];
  /** Rows of an address that several people have: their links count if the people are no more than a family. */
  shared: { rows: number[]; people: number; links: number[]; reason: HeldReason }[];
};

/** Of one address at most this many different names are compared; more are no family. */
const profilesMax = 40;

/** Links the rows of each address that belong to one person, and holds the others. */
export function linkAddresses(table: PersonTable, columns: PersonColumns, compare: Comparer): Sharing {
  const { addressStart, addressOf, isRole } = columns;
  const sharing: Sharing = { links: new NumberList(Uint32Array), held: [], shared: [] };
  const decide = decideAddress(columns, compare, sharing);
  eachGroup(addressOf, addressStart, table.size, table.addresses.size, (address, rows, start, end) => {
    if (isRole[address]) sharing.held.push({ rows: [...rows.subarray(start, end)], reason: 'role-mailbox' });
    else decide(rows, start, end);
  });
  return sharing;
}

/** Links rows of one source with the same external id as those of one address, if their names do not clash. */
export function linkExternalIds(table: PersonTable, columns: PersonColumns, compare: Comparer): Sharing {
  const sharing: Sharing = { links: new NumberList(Uint32Array), held: [], shared: [] };
  const each = Uint32Array.from({ length: table.size + 1 }, (_, row) => row);
  const decide = decideAddress(columns, compare, sharing);
  eachGroup(columns.externalId, each, table.size, table.externalIds.size, (_, rows, start, end) =>
    decide(rows, start, end),
  );
  return {
    links: sharing.links,
    held: sharing.held.map(({ rows }) => ({ rows, reason: 'external-id' })),
    shared: sharing.shared.map((each) => ({ ...each, reason: 'external-id' })),
  };
}

/** Adds to `links` and `held` what a sharing says if a family has so many people. */
export function takeSharing(sharing: Sharing, familyMax: number, links: Links, held: Held[]): void {
  for (let i = 0; i < sharing.links.length; i++) links.push(sharing.links.values[i] as number);
  held.push(...sharing.held);
  for (const { rows, people, links: own, reason } of sharing.shared) {
    const isFamily = people <= familyMax;
    held.push({ rows, reason: isFamily || reason === 'external-id' ? reason : 'too-many-people' });
    if (isFamily) for (const row of own) links.push(row);
  }
}

/** Calls `take` with where the rows of each key are that several rows have. */
function eachGroup(
  keyOf: Uint32Array,
  start: Uint32Array,
  rows: number,
  keys: number,
  take: (key: number, rows: Uint32Array, start: number, end: number) => void,
) {
  const ends = new Uint32Array(keys + 1);
  for (let i = 0; i < keyOf.length; i++)
    ends[(keyOf[i] as number) + 1] = (ends[(keyOf[i] as number) + 1] as number) + 1;
  for (let key = 0; key < keys; key++) ends[key + 1] = (ends[key + 1] as number) + (ends[key] as number);
  const starts = ends.slice();
  const rowsOf = new Uint32Array(keyOf.length);
  for (let row = 0; row < rows; row++)
    for (let i = start[row] as number; i < (start[row + 1] as number); i++) {
      const key = keyOf[i] as number;
      const place = starts[key] as number;
      rowsOf[place] = row;
      starts[key] = place + 1;
    }
  for (let key = 1; key < keys; key++)
    if ((ends[key + 1] as number) - (ends[key] as number) > 1)
      take(key, rowsOf, ends[key] as number, ends[key + 1] as number);
}

function decideAddress(columns: PersonColumns, compare: Comparer, { links, held, shared }: Sharing) {
  const { given, family, others, generation, birth } = columns;
  const profileOf = (row: number) => `${given[row]} ${family[row]} ${others[row]} ${generation[row]} ${birth[row]}`;

  return (rowsOf: Uint32Array, start: number, end: number): void => {
    if (end - start === 2) {
      const [a, b] = [rowsOf[start] as number, rowsOf[start + 1] as number];
      const comparison = compare(a, b);
      if (clashes(comparison) || isNever(comparison)) held.push({ rows: [a, b], reason: 'clashing-names' });
      else {
        links.push(a);
        links.push(b);
      }
      return;
    }
    // Rows that are written alike are one; the first of them stands for all.
    const rows = [...rowsOf.subarray(start, end)];
    const profiles = new Map<string, number[]>();
    for (const row of rows) {
      const profile = profileOf(row);
      const same = profiles.get(profile);
      if (same) same.push(row);
      else profiles.set(profile, [row]);
    }
    const members = [...profiles.values()];
    if (members.length > profilesMax) {
      held.push({ rows, reason: 'too-many-people' });
      return;
    }
    const joined = joinProfiles(
      members.map(([row]) => row as number),
      compare,
    );
    const found: number[] = [];
    for (const set of joined.sets) {
      const all = set.flatMap((at) => members[at] as number[]);
      for (let i = 1; i < all.length; i++) found.push(all[0] as number, all[i] as number);
    }
    // Rows that nobody claims alone, each name for itself.
    for (const at of joined.left) {
      const all = members[at] as number[];
      for (let i = 1; i < all.length; i++)
        if (given[all[0] as number] !== 0) found.push(all[0] as number, all[i] as number);
    }
    if (joined.sets.length + joined.left.length > 1) {
      const reason = joined.left.length > 0 && joined.people > 1 ? 'several-claims' : 'clashing-names';
      shared.push({ rows, people: joined.people, links: found, reason });
    } else for (const row of found) links.push(row);
  };
}

/**
 * Puts together the profiles of one address that are one person. If no two of them clash, they all are. Otherwise those with names that
 * agree are one person each; a profile that could be that of several people, such as one with a family name alone, is left.
 */
function joinProfiles(rows: number[], compare: Comparer): { sets: number[][]; left: number[]; people: number } {
  const count = rows.length;
  const groups = new Groups(count);
  const clash: [number, number][] = [];
  for (let i = 0; i < count; i++)
    for (let j = i + 1; j < count; j++) {
      const comparison = compare(rows[i] as number, rows[j] as number);
      if (clashes(comparison) || isNever(comparison)) clash.push([i, j]);
    }
  const everything = rows.map((_, at) => at);
  if (clash.length === 0) return { sets: [everything], left: [], people: 1 };
  const doClash = new Set(clash.map(([i, j]) => i * count + j));
  for (let i = 0; i < count; i++)
    for (let j = i + 1; j < count; j++) {
      const comparison = compare(rows[i] as number, rows[j] as number);
      if (levelOf(comparison, 'given') >= level.slip && !doClash.has(i * count + j)) groups.join(i, j);
    }
  const sets = new Map<number, number[]>();
  for (const at of everything) sets.set(groups.of(at), [...(sets.get(groups.of(at)) ?? []), at]);
  const good: number[][] = [];
  const left: number[] = [];
  for (const set of sets.values()) {
    const hasClash = set.some((i) => set.some((j) => i < j && doClash.has(i * count + j)));
    const named = set.some((at) => set.length > 1 || isNamed(rows[at] as number));
    if (hasClash || !named) left.push(...set);
    else good.push(set);
  }
  return { sets: good, left, people: good.length + (good.length === 0 ? left.length : 0) };

  function isNamed(row: number): boolean {
    return levelOf(compare(row, row), 'given') === level.equal;
  }
}
