import { arePair, readWords, type Text, type Word, wordCharactersMax } from './words.ts';

/*
 * What is searched in texts. Each part of a query must be in a text: a word, also as the beginning of a longer one (`refund` in `refunds`); a
 * "phrase in quotes", whose words follow each other as they are; an identifier such as AB-1234, in any way of joining its parts. A -part
 * must not be in it.
 */

/** One of the things that must, or must not, be in a text. */
export type Part = {
  words: string[];
  isExcluded: boolean;
  /** The last word may be the beginning of a longer one. */
  isBeginning: boolean;
  /** The words written together: `ab1234` for `AB-1234`. */
  joined?: string;
  /** An address: it must be in the text as it is, with its signs. */
  literal?: string;
  /** Words of the index that a text with the part has. */
  keys: string[];
};

export type TextQuery = { parts: Part[] };

export const queryCharactersMax = 200;
const partsMax = 12;
/** A shorter word is searched as a whole: it begins too many others. */
const beginningCharactersMin = 3;

/**
 * Reads what somebody searches.
 *
 * @returns the query, or `problem`: why it is none, as a sentence that goes on from the name of the field.
 */
export function readTextQuery(typed: string): TextQuery | { problem: string } {
  const parts = [...typed.replace(/[“”„]/g, '"').matchAll(/(-?)(?:"([^"]*)"?|([^\s"]+))/gu)].flatMap(
    ([, minus, quoted, plain]) => readPart(quoted ?? plain ?? '', minus === '-', quoted !== undefined) ?? [],
  );
  if (parts.length === 0) return { problem: 'needs a word: letters or digits' };
  if (parts.every(({ isExcluded }) => isExcluded))
    return { problem: 'needs a word that is in the text, beside those that are not' };
  if (parts.length > partsMax) return { problem: `may have at most ${partsMax} words and phrases` };
  return { parts };
}

function readPart(typed: string, isExcluded: boolean, isQuoted: boolean): Part | undefined {
  const { folded, words, compounds } = readWords(typed);
  const last = words.at(-1);
  if (!last) return undefined;
  const joined = isQuoted
    ? undefined
    : compounds.find(({ first, last: end }) => first === 0 && end === words.length - 1 && words.length > 1)?.word;
  const isBeginning = !isQuoted && !last.isUnspaced && [...last.word].length >= beginningCharactersMin;
  return {
    words: words.map(({ word }) => word),
    isExcluded,
    isBeginning,
    ...(joined !== undefined && { joined }),
    ...(joined !== undefined && /[@+]/.test(typed) && { literal: folded.slice(words[0]?.begin, last.end) }),
    keys: keysOf(words),
  };
}

/** Pairs of characters of Han, kana and Hangul, and the other words as they are. */
function keysOf(words: Word[]): string[] {
  const keys = words.flatMap((word, n) => {
    const [before, next] = [words[n - 1], words[n + 1]];
    if (next && arePair(word, next)) return [word.word + next.word];
    return before && arePair(before, word) ? [] : [word.word];
  });
  return [...new Set(keys)];
}

/**
 * The condition of a query for the index of texts, as a tsquery.
 *
 * @param days what a word in the index begins with, see `platform.text_day`: the texts of these days.
 */
export function writeTsquery({ parts }: TextQuery, days: string[]): string {
  const wanted = parts.filter(({ isExcluded }) => !isExcluded);
  return days.map((day) => `(${wanted.map((part) => writePart(part, day)).join(' & ')})`).join(' | ');
}

function writePart({ words, keys, joined, isBeginning }: Part, day: string): string {
  const quote = (word: string, isOpen: boolean) =>
    `'${day}${word.replace(/['\\]/g, '$&$&')}'${isOpen || [...word].length >= wordCharactersMax ? ':*' : ''}`;
  const lastWord = words.at(-1);
  const apart = keys.map((key) => quote(key, isBeginning && key === lastWord)).join(' & ');
  return joined === undefined ? `(${apart})` : `((${apart}) | ${quote(joined, isBeginning)})`;
}

/** Where a part is in a text: from the word with the number `first` to the word `last`. `isWhole`: not as the beginning of a longer word. */
export type Hit = { part: number; first: number; last: number; isWhole: boolean };

/** @returns where the parts of the query are in a text, in order; undefined if the text is not what is searched. */
export function findHits({ parts }: TextQuery, text: Text): Hit[] | undefined {
  const hits: Hit[] = [];
  for (const [number, part] of parts.entries()) {
    const found = findPart(part, text);
    if (part.isExcluded ? found.length > 0 : found.length === 0) return undefined;
    for (const hit of found) hits.push({ part: number, ...hit });
  }
  return hits.sort((one, other) => one.first - other.first || other.last - one.last);
}

function findPart({ words, isBeginning, joined, literal }: Part, text: Text): Omit<Hit, 'part'>[] {
  const hits: Omit<Hit, 'part'>[] = [];
  const compare = (word: string, asked: string, isOpen: boolean): 'whole' | 'beginning' | undefined =>
    word === asked ? 'whole' : isOpen && word.startsWith(asked) ? 'beginning' : undefined;
  for (let first = 0; first + words.length <= text.words.length; first++) {
    let isWhole = true;
    const isHere = words.every((asked, n) => {
      const found = compare((text.words[first + n] as Word).word, asked, isBeginning && n === words.length - 1);
      if (found === 'beginning') isWhole = false;
      return found !== undefined;
    });
    if (isHere && (literal === undefined || isLiteral(literal, text, first)))
      hits.push({ first, last: first + words.length - 1, isWhole });
  }
  const together = joined ?? (words.length === 1 ? words[0] : undefined);
  if (together === undefined || literal !== undefined) return hits;
  const others = [...text.compounds, ...(joined === undefined ? [] : text.words.map(wordAsCompound))];
  for (const { word, first, last } of others) {
    const found = compare(word, together, isBeginning);
    if (found && !hits.some((hit) => hit.first <= first && last <= hit.last))
      hits.push({ first, last, isWhole: found === 'whole' });
  }
  return hits;
}

const wordAsCompound = ({ word }: Word, n: number) => ({ word, first: n, last: n });

const isLiteral = (literal: string, { folded, words }: Text, first: number): boolean =>
  folded.startsWith(literal, words[first]?.begin);
