import type { HeldReason } from './addresses.ts';
import type { BlockReport } from './blocks.ts';
import type { Decision } from './claims.ts';
import { cluster } from './clusters.ts';
import type { Members } from './groups.ts';
import type { Matchable } from './keys.ts';
import { PersonTable } from './persontable.ts';
import { type Prepared, prepare } from './preparing.ts';
import { listCandidates } from './reviewing.ts';
import { type MatchSettings, standardSettings } from './rules.ts';

export type MatchResult = {
  /** Rows that are one person, in rising order; only groups of several, in the order of their first rows. */
  groups: Members;
  /** Rows that share an address or an id and are not joined for it. */
  held: { rows: number[]; reason: HeldReason }[];
  /** Whether the customer of a row follows from a decision. */
  isAnswered: (row: number) => boolean;
  /** Two rows of different groups that may be one person, with the probability from 0 to 1 and what speaks for and against it. */
  review: { rows: [number, number]; score: number; reasons: string[] }[];
  /** How many candidates there are; `review` has at most `reviewsMax` of them. */
  reviewTotal: number;
  blocks: BlockReport[];
};

export type MatchOptions = {
  settings?: Partial<MatchSettings>;
  decisions?: readonly Decision[];
  /** How many candidates to describe, the most useful ones first. */
  reviewsMax?: number;
};

/**
 * Groups the rows of a table that are one person. Nothing depends on the order of rows: the same rows in another order give the same groups.
 *
 * @throws TooManyRows
 */
export function matchTable(table: PersonTable, options: MatchOptions = {}): MatchResult {
  return matchPrepared(prepare(table), options);
}

/** As matchTable, of what `prepare` made; it can be used again with other settings or decisions. */
export function matchPrepared(
  prepared: Prepared,
  { settings: given = {}, decisions = [], reviewsMax = 10_000 }: MatchOptions = {},
): MatchResult {
  const settings = { ...standardSettings, ...given };
  const clustered = cluster(prepared, settings, decisions);
  const { candidates, total } = listCandidates(prepared, clustered, settings, decisions, reviewsMax);
  const groups = clustered.groups.members();
  return {
    groups,
    held: clustered.held,
    isAnswered: clustered.claims?.isAnswered ?? (() => false),
    review: candidates,
    reviewTotal: total,
    blocks: prepared.blocks,
  };
}

/** What groupPersons gives: as MatchResult, by the lines of the persons. */
export type PersonGroups = {
  groups: number[][];
  held: { lines: number[]; reason: HeldReason }[];
  review: { lines: [number, number]; score: number; reasons: string[] }[];
  reviewTotal: number;
  blocks: BlockReport[];
};

/** Groups persons that are held in memory; for a whole file, add them to a PersonTable as they are read and call matchTable. */
export function groupPersons(
  persons: Iterable<Matchable & { line: number }>,
  {
    decisions = [],
    ...options
  }: Omit<MatchOptions, 'decisions'> & {
    decisions?: readonly { lines: readonly [number, number]; answer: Decision['answer'] }[];
  } = {},
): PersonGroups {
  const table = new PersonTable();
  const lines: number[] = [];
  const rowOf = new Map<number, number>();
  for (const person of persons) {
    rowOf.set(person.line, table.add(person));
    lines.push(person.line);
  }
  const known = decisions.flatMap(({ lines: [a, b], answer }) => {
    const rows = [rowOf.get(a), rowOf.get(b)];
    return rows[0] === undefined || rows[1] === undefined ? [] : [{ rows: rows as [number, number], answer }];
  });
  const { groups, held, review, reviewTotal, blocks } = matchTable(table, { ...options, decisions: known });
  const toLines = (rows: readonly number[]) => rows.map((row) => lines[row] as number);
  return {
    groups: Array.from(groups, toLines),
    held: held.map(({ rows, reason }) => ({ lines: toLines(rows), reason })),
    review: review.map(({ rows, ...each }) => ({ lines: toLines(rows) as [number, number], ...each })),
    reviewTotal,
    blocks,
  };
}
