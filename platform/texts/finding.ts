import { setImmediate as nextTurn } from 'node:timers/promises';
import { collectValues, type Parameter } from '../keyset.ts';
import type { Queryable } from '../log/query.ts';
import { type Excerpt, judge } from './excerpt.ts';
import { type TextQuery, writeTsquery } from './query.ts';

/*
 * Finds texts, the newest first. The indexes have the words of each day apart (see 0052_texts.sql), so that the search goes through the days
 * and ends when it has enough: a frequent word is found in the newest days, and a rare one costs a look at every day. A step looks at more
 * days than the one before. A search that finds too little for its time ends as well, and says how far back it has come; the next one goes
 * on from there. This is also what bounds the search of somebody who may read little of what is found.
 */

/** A kind of texts: a table and its index. The expressions of `body` and `at` are those of the index. */
export type TextSource = {
  kind: string;
  /** The table with its alias, and what decides who may read it. */
  from: string;
  id: string;
  at: string;
  body: string;
  where: (parameter: Parameter) => string[];
  /** Queries for the earliest and for the latest time of a text. Without the latter it is the present. */
  earliest: string;
  latest?: string;
};

/** Where a text is in the order of all texts: its time in UTC as PostgreSQL writes it, and its id. */
export type TextPlace = [time: string, id: string];

export type FoundText = { kind: string; id: string; at: Date; place: TextPlace; score: number; excerpt: () => Excerpt };

export type FoundTexts = {
  /** The newest first. */
  texts: FoundText[];
  /** Everything before this place is not searched yet; undefined: nothing is left. */
  until: TextPlace | undefined;
};

export type Stretch = {
  /** Only texts before this place. */
  before?: TextPlace;
  /** Only texts behind this place, or at it; with it, the search takes the time that it needs. */
  from?: TextPlace;
  textsMax: number;
  timeMs: number;
};

/** The time of a search, without that for reading what is shown of its texts. */
export const searchTimeMs = 75;

/** @param sources of different kinds; each is searched over a connection of its own. */
export async function findTexts(
  on: Queryable,
  sources: TextSource[],
  query: TextQuery,
  stretch: Stretch,
): Promise<FoundTexts> {
  const deadline = stretch.from ? Number.POSITIVE_INFINITY : performance.now() + stretch.timeMs;
  const walks = await Promise.all(sources.map((source) => walk(on, source, query, { ...stretch, deadline })));
  // What one kind has beyond the end of another one comes later, when that one has come as far.
  const until = walks
    .map((each) => each.until)
    .reduce((one, other) => (!one || (other && isBefore(one, other)) ? other : one));
  const texts = walks
    .flatMap((each) => each.texts)
    .filter(({ place }) => !until || !isBefore(place, until))
    .sort((one, other) => (isBefore(one.place, other.place) ? 1 : -1));
  const last = texts[stretch.textsMax - 1];
  return texts.length > stretch.textsMax && last
    ? { texts: texts.slice(0, stretch.textsMax), until: last.place }
    : { texts, until };
}

/** Whether a place is that of an older text. The texts of times and ids compare like the values. */
export const isBefore = ([oneTime, oneId]: TextPlace, [otherTime, otherId]: TextPlace): boolean =>
  oneTime < otherTime || (oneTime === otherTime && oneId < otherId);

/** A place before which the text at the given one still is. */
export const justAfter = ([time, id]: TextPlace): TextPlace => [time, `${id}~`];

const daysAtOnceMax = 16;
const groupsAtOnceMax = 32;
const rowsMin = 50;
const judgingMs = 25;

/** Goes through the days of one kind of texts. */
async function walk(
  on: Queryable,
  source: TextSource,
  query: TextQuery,
  { before, from, textsMax, deadline }: Omit<Stretch, 'timeMs'> & { deadline: number },
): Promise<FoundTexts> {
  const bounds = await on.query<{ earliest: string | null; latest: string | null }>(
    `select platform.text_day((${source.earliest})) as earliest, platform.text_day((${source.latest ?? 'select now()'})) as latest`,
  );
  const [{ earliest, latest } = { earliest: null, latest: null }] = bounds;
  const texts: FoundText[] = [];
  if (earliest === null || latest === null) return { texts, until: undefined };
  const first = Math.max(Number.parseInt(earliest, 16), from ? dayOf(from[0]) : 0);
  let day = Math.min(Number.parseInt(latest, 16), before ? dayOf(before[0]) : lastDay);
  let place = before;
  for (let [days, groups] = [1, 4]; day >= first; ) {
    const looks: string[] = [];
    let next = day;
    for (; looks.length < groups && next >= first; next -= days)
      looks.push(writeTsquery(query, daysDown(next, Math.max(first, next - days + 1))));
    const startedAt = performance.now();
    const limit = Math.max(rowsMin, textsMax + 1 - texts.length);
    const rows = await look(on, source, looks, { place, from, limit });
    let judgingSince = performance.now();
    for (const { id, at, time, body } of rows) {
      const judged = judge(query, body);
      if (judged) texts.push({ kind: source.kind, id, at, place: [time, id], ...judged });
      // Long texts take long to read, and nobody else is answered meanwhile.
      if (performance.now() - judgingSince < judgingMs) continue;
      if (performance.now() > deadline) return { texts, until: [time, id] };
      await nextTurn();
      judgingSince = performance.now();
    }
    const last = rows[limit - 1];
    if (last) {
      place = [last.time, last.id];
      day = dayOf(last.time);
    } else {
      day = next;
      if (day < first) break;
      place = [beginOf(day + 1), ''];
    }
    // The next step takes about as long as this one.
    const isLate = 2 * performance.now() - startedAt > deadline;
    if (texts.length > textsMax || isLate) return { texts, until: place };
    // A step with many rows is no reason to look at more days.
    if (!last && days * 2 <= daysAtOnceMax) days *= 2;
    else if (!last && groups * 2 <= groupsAtOnceMax) groups *= 2;
  }
  return { texts, until: from };
}

type Row = { id: string; at: Date; time: string; body: string };

/**
 * Looks at groups of days, one after another, until it has enough rows. Each look is a scan of the index for the words of some days.
 *
 * @param looks the conditions, the newest first.
 */
function look(
  on: Queryable,
  source: TextSource,
  looks: string[],
  { place, from, limit }: { place: TextPlace | undefined; from: TextPlace | undefined; limit: number },
): Promise<Row[]> {
  const { values, parameter } = collectValues();
  const { id, at, body } = source;
  const key = `(${at}, ${id}::text collate "C")`;
  const keyOf = ([time, text]: TextPlace) =>
    `(${parameter(time, 'timestamp')} at time zone 'UTC', ${parameter(text, 'text')} collate "C")`;
  const asked = parameter(looks, 'text[]');
  const where = [
    `platform.text_terms(${body}, ${at}) @@ l.query::tsquery`,
    ...source.where(parameter),
    ...(place ? [`${key} < ${keyOf(place)}`] : []),
    ...(from ? [`${key} >= ${keyOf(from)}`] : []),
  ];
  const rows = parameter(limit);
  return on.query<Row>(
    `select f.* from unnest(${asked}) l (query) cross join lateral (
       select ${id}::text as id, ${at} as at, (${at} at time zone 'UTC')::text as time, ${body} as body
       from ${source.from}
       where ${where.join(' and ')}
       order by ${at} desc, ${id}::text collate "C" desc limit ${rows}) f
     limit ${rows}`,
    values,
  );
}

const lastDay = 65_535;
const dayMs = 86_400_000;
const firstMs = Date.UTC(2000, 0, 1);

/** The day of a time in UTC, as `platform.text_day` counts. */
function dayOf(time: string): number {
  const ms = Date.parse(`${time.slice(0, 10)}T00:00:00Z`);
  return Math.min(lastDay, Math.max(0, Math.floor((ms - firstMs) / dayMs)));
}

const beginOf = (day: number): string => new Date(firstMs + day * dayMs).toISOString().slice(0, 19).replace('T', ' ');

const daysDown = (from: number, to: number): string[] =>
  Array.from({ length: from - to + 1 }, (_, n) => (from - n).toString(16).padStart(4, '0'));
