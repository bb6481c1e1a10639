import { apostrophesSource, fold, unspacedSource } from '../folding.ts';

/*
 * The words of a text, as the search in texts knows them. `platform.text_words` makes the same of a text for the index, and a test compares
 * both. No language is guessed and no word is reduced to its stem: a text is folded (`fold`) and cut at everything that is no letter and no
 * digit; and each character of Han, kana and Hangul is a word of its own, because no spaces are written between theirs.
 */

/**
 * What separates words in a folded text: spaces, punctuation, symbols, pictures. The ranges are written out, because Node and PostgreSQL know
 * different versions of Unicode.
 */
const separators =
  String.raw`\u0000-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u037e\u0387` +
  String.raw`\u055a-\u055f\u0589\u058a\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u060c\u061b\u061f\u066a-\u066d\u06d4\u0964\u0965` +
  String.raw`\u0e3f\u0e4f\u0e5a\u0e5b\u2000-\u206f\u20a0-\u20cf\u2190-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030` +
  String.raw`\u303d-\u303f\u30fb\ue000-\uf8ff\ufe00-\ufe6f\ufff0-\uffff\u{1f000}-\u{1faff}\u{e0000}-\u{e0fff}`;
/** Signs that join the parts of an identifier, an address or a number. */
const joiners = String.raw`-_./@+:#&\u2010-\u2013`;

const run = `(?:(?!${unspacedSource})[^${separators}])+`;
const anyWord = new RegExp(`${unspacedSource}|${run}`, 'gu');
const anyJoiner = new RegExp(`[${joiners}]`, 'gu');
const isJoiner = new RegExp(`^[${joiners}]$`, 'u');
const isUnspacedWord = new RegExp(`^${unspacedSource}$`, 'u');
/** The digits behind letters, as in `ab1234`. */
const digitsBehind = /(?<=[a-z])[0-9]{3,}/g;

/** A longer word is known by its beginning, and what is written together and longer only by its parts. */
export const wordCharactersMax = 64;

/** A word of a text. `from` and `to` say where it is in the text, `begin` and `end` where it is in the folded text, in UTF-16 units. */
export type Word = { word: string; from: number; to: number; begin: number; end: number; isUnspaced: boolean };

/** What is also a word: `ab1234` for `AB-1234`, from the word with the number `first` to the word `last`; and `1234` for `AB1234`. */
export type Compound = { word: string; first: number; last: number };

export type Text = { folded: string; words: Word[]; compounds: Compound[] };

/** Reads the words of a text, in order. */
export function readWords(text: string): Text {
  const { folded, starts } = foldInPlaces(text);
  const words: Word[] = [];
  for (const { 0: word, index: begin } of folded.matchAll(anyWord)) {
    const end = begin + word.length;
    const from = starts[begin] as number;
    const to = Math.max(starts[end] as number, from + 1);
    words.push({ word: cut(word), from, to, begin, end, isUnspaced: isUnspacedWord.test(word) });
  }
  return { folded, words, compounds: compoundsOf(folded, words) };
}

/** Goes through the words once: a pattern for the whole text would look at a long word again from each of its characters. */
function compoundsOf(folded: string, words: Word[]): Compound[] {
  const compounds: Compound[] = [];
  const add = (word: string, first: number, last: number) => {
    if ([...word].length <= wordCharactersMax) compounds.push({ word, first, last });
  };
  const areJoined = (one: Word, next: Word | undefined) =>
    next !== undefined &&
    !(one.isUnspaced || next.isUnspaced) &&
    one.end + 1 === next.begin &&
    isJoiner.test(folded[one.end] as string);
  let first = 0;
  for (const [last, word] of words.entries()) {
    if (areJoined(word, words[last + 1])) continue;
    const whole = folded.slice(words[first]?.begin, word.end);
    if (first < last) add(whole.replace(anyJoiner, ''), first, last);
    first = last + 1;
  }
  for (const [n, { begin, end }] of words.entries())
    for (const [digits] of folded.slice(begin, end).matchAll(digitsBehind)) add(digits, n, n);
  return compounds;
}

/** The words by which the index finds a text, as `platform.text_words` gives them, each once. */
export function indexWords(text: string): string[] {
  const { words, compounds } = readWords(text);
  return [...new Set([...[...words, ...compounds].map(({ word }) => word), ...pairsOf(words)])];
}

/** Each two neighbours of Han, kana and Hangul, because a single character is in too many texts. */
function pairsOf(words: Word[]): string[] {
  return words.flatMap((word, n) => {
    const next = words[n + 1];
    return next && arePair(word, next) ? [word.word + next.word] : [];
  });
}

export const arePair = (one: Word, next: Word): boolean => one.isUnspaced && next.isUnspaced && one.end === next.begin;

const cut = (word: string): string =>
  word.length <= wordCharactersMax ? word : [...word].slice(0, wordCharactersMax).join('');

/**
 * A character with its marks, also those of narrow kana, or the parts of a syllable of Hangul, of each kind: they become one. So they do with
 * an apostrophe between them, because it is taken away.
 */
const within = String.raw`[\p{M}\uff9e\uff9f${apostrophesSource}]*`;
const anyCluster = new RegExp(
  String.raw`[\uac00-\ud7a3]?[${apostrophesSource}]*(?:[\u1100-\u11ff\u3131-\u318e\uffa0-\uffdc]${within})+|\P{M}${within}|\p{M}+`,
  'gsu',
);

/** Folds a text. `starts` says for each unit of the folded text where in the text it comes from, and at its end the length of the text. */
function foldInPlaces(text: string): { folded: string; starts: number[] } {
  const starts: number[] = [];
  let folded = '';
  for (const { 0: cluster, index } of text.matchAll(anyCluster)) {
    const made = cluster.length === 1 && cluster < '\u0080' ? foldAscii(cluster) : fold(cluster);
    for (let n = 0; n < made.length; n++) starts.push(index);
    folded += made;
  }
  starts.push(text.length);
  return { folded, starts };
}

const foldAscii = (character: string): string =>
  character === "'" || character === '`' ? '' : character.toLowerCase();
