import { mentionsPlaces, type Named, somebody } from '../mentions.ts';
import { findHits, type Hit, type TextQuery } from './query.ts';
import { readWords, type Text, type Word } from './words.ts';

/**
 * A piece of a text. `marks` are the places of what was searched, in UTF-16 units of `text`, in order and apart. `starts_inside` and
 * `ends_inside` say whether the text has more before and behind it.
 */
export type Excerpt = {
  text: string;
  marks: { from: number; to: number }[];
  starts_inside: boolean;
  ends_inside: boolean;
};

export type Judged = {
  /** How well the text fits: more is better. Texts that differ little have the same. */
  score: number;
  excerpt: () => Excerpt;
};

const excerptCharactersMax = 260;
/** So much of an excerpt comes before the first mark. */
const beforeCharacters = 60;

/**
 * Looks at a text that the index has found.
 *
 * @returns undefined if the text is not what is searched: the index knows no phrases and no excluded words.
 */
export function judge(query: TextQuery, body: string): Judged | undefined {
  const text = readWords(body);
  const hits = findHits(query, text);
  if (!hits) return undefined;
  const near = findNearest(query, hits);
  return { score: scoreOf(query, hits, near), excerpt: () => cutExcerpt(body, text, hits, near) };
}

/**
 * Parts side by side count most, then words that are not the beginnings of longer ones, then how often they occur. The steps are coarse, so
 * that of texts that are about alike the newest comes first.
 */
function scoreOf({ parts }: TextQuery, hits: Hit[], near: Hit[]): number {
  const wanted = parts.filter(({ isExcluded }) => !isExcluded);
  const wordsWanted = wanted.reduce((count, { words }) => count + words.length, 0);
  const span = Math.max(...near.map(({ last }) => last)) - Math.min(...near.map(({ first }) => first)) + 1;
  const closeness = Math.min(1, wordsWanted / Math.max(span, wordsWanted));
  const whole = new Set(hits.filter(({ isWhole }) => isWhole).map(({ part }) => part)).size / wanted.length;
  const often = hits.length >= 3 * wanted.length ? 1 : 0;
  return Math.round(closeness * 4) * 4 + Math.round(whole * 2) * 2 + often;
}

/** The narrowest stretch of the text with a hit of each part. */
function findNearest({ parts }: TextQuery, hits: Hit[]): Hit[] {
  const wanted = parts.filter(({ isExcluded }) => !isExcluded).length;
  const latest = new Map<number, Hit>();
  let nearest: Hit[] = [];
  let width = Number.POSITIVE_INFINITY;
  for (const hit of hits) {
    latest.set(hit.part, hit);
    if (latest.size < wanted) continue;
    const stretch = [...latest.values()];
    const wide = Math.max(...stretch.map(({ last }) => last)) - Math.min(...stretch.map(({ first }) => first));
    if (wide < width) {
      width = wide;
      nearest = stretch;
    }
  }
  return nearest;
}

function cutExcerpt(body: string, { words }: Text, hits: Hit[], near: Hit[]): Excerpt {
  const wordAt = (n: number) => words[n] as Word;
  let [from, to] = [0, body.length];
  if (body.length > excerptCharactersMax) {
    const first = wordAt(Math.min(...near.map((hit) => hit.first))).from;
    const earliest = Math.min(first - beforeCharacters, body.length - excerptCharactersMax);
    if (earliest > 0) from = words.find((word) => word.from >= earliest)?.from ?? first;
    const latest = from + excerptCharactersMax;
    if (latest < body.length)
      to = words.findLast((word) => word.to <= latest && word.to > first)?.to ?? cutAt(body, latest);
  }
  for (const mention of mentionsPlaces(body)) {
    if (mention.from < from && from < mention.to) from = mention.from;
    if (mention.from < to && to < mention.to) to = mention.to;
  }
  const marks: Excerpt['marks'] = [];
  for (const hit of hits) {
    const [begin, end] = [Math.max(wordAt(hit.first).from, from) - from, Math.min(wordAt(hit.last).to, to) - from];
    if (begin >= end) continue;
    const before = marks.at(-1);
    if (before && begin <= before.to) before.to = Math.max(before.to, end);
    else marks.push({ from: begin, to: end });
  }
  return { text: body.slice(from, to), marks, starts_inside: from > 0, ends_inside: to < body.length };
}

/** Never within a character of two units. */
const cutAt = (text: string, at: number): number => (/[\ud800-\udbff]/.test(text[at - 1] ?? '') ? at - 1 : at);

/** The excerpt with the names of the people whom it mentions. A mark within a mention marks the name. Pure. */
export function nameInExcerpt(excerpt: Excerpt, people: readonly Named[]): Excerpt {
  const places = mentionsPlaces(excerpt.text);
  if (places.length === 0) return excerpt;
  let text = '';
  let at = 0;
  const moved = places.map(({ from, to, id }) => {
    text += excerpt.text.slice(at, from);
    const begin = text.length;
    text += `@${people.find((each) => each.id === id)?.name ?? somebody}`;
    at = to;
    return { from, to, begin, end: text.length };
  });
  text += excerpt.text.slice(at);
  const move = (place: number, side: 'begin' | 'end'): number => {
    const last = moved.findLast(({ from }) => from < place);
    if (!last) return place;
    return place < last.to ? last[side] : last.end + place - last.to;
  };
  const marks: Excerpt['marks'] = [];
  for (const mark of excerpt.marks) {
    const [from, to] = [move(mark.from, 'begin'), move(mark.to, 'end')];
    const before = marks.at(-1);
    if (before && from < before.to) before.to = Math.max(before.to, to);
    else marks.push({ from, to });
  }
  return { ...excerpt, text, marks };
}
