/*
 * The letters of a text as people type them when they look for it. Searches, pickers and chatbots compare folded texts. `platform.fold`
 * and `platform.search_text` in the database do the same, and a test compares both. This file imports nothing, so that browsers use it too.
 */

/** Accents, and the points of Arabic and Hebrew. */
const marks = /[\u0300-\u036f\u0591-\u05bd\u064b-\u0652]/g;
/** What folding takes away between letters, as the inside of a character class. */
export const apostrophesSource = "'’‘‛`´ʼʻʹ′＇";
const apostrophes = new RegExp(`[${apostrophesSource}]`, 'g');
const separators = /[-‐‑‒–—―−﹣－·・･]/g;
/** Characters of Han, kana and Hangul, with their marks of repetition and length: no spaces are written between their words. */
export const unspacedSource = String.raw`[\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u309f\u30a0-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\u{20000}-\u{3ffff}]`;
const unspaced = new RegExp(unspacedSource, 'u');
const beforeUnspaced = new RegExp(` *(${unspaced.source})`, 'gu');
const letters: Record<string, string> = {
  ...{ ø: 'o', ł: 'l', đ: 'd', ı: 'i', ħ: 'h', ŧ: 't', ς: 'σ' },
  ...{ ß: 'ss', æ: 'ae', œ: 'oe' },
};

/**
 * Lower case without accents and apostrophes, in characters of ordinary width: `O’Connor` → `oconnor`, `STRASSE` and `Straße` → `strasse`,
 * `ÜRÜN KIRIK` and `ürün kırık` → `urun kirik`. Folding again changes nothing.
 */
export function fold(text: string): string {
  return text
    .replace(apostrophes, '')
    .toLowerCase()
    .normalize('NFKD')
    .toLowerCase()
    .replace(marks, '')
    .replace(apostrophes, '')
    .replace(/[øłđıħŧςßæœ]/g, (letter) => letters[letter] as string)
    .normalize('NFC');
}

/** As `fold`, with a space for each hyphen, and with one before each character of Han, kana and Hangul, which becomes a word. */
export const foldWords = (text: string): string => fold(text).replace(separators, ' ').replace(beforeUnspaced, ' $1');

/** As `foldWords`, without hyphens. */
export const foldJoined = (text: string): string => fold(text).replace(separators, '').replace(beforeUnspaced, ' $1');

/** The words of a text, folded: runs of letters and digits, and each character of Han, kana and Hangul. */
export const foldedWordsOf = (text: string): string[] =>
  fold(text).match(new RegExp(`${unspaced.source}|(?:(?!${unspaced.source})[\\p{L}\\p{N}\\p{M}])+`, 'gu')) ?? [];

/** Whether the text has characters of a script that is written without spaces. */
export const hasUnspaced = (text: string): boolean => unspaced.test(text);

/** Stands between texts that are searched as one: no word of a search has a line's end, so none is found half in each. */
export const between = '\n ';

/** The words of a search, each once, in lower case. */
export const wordsOf = (search: string): string[] => [...new Set(search.toLowerCase().split(/\s+/).filter(Boolean))];

/**
 * The folded forms of a word, one of which must occur in a folded text; none if nothing of it is left. A hyphen at its end asks for nothing
 * more: `jean-p-` finds Jean P.
 */
export const formsOf = (word: string): string[] =>
  [...new Set([foldWords(word), foldJoined(word)].map((form) => form.trimEnd()))].filter((form) => form !== '');

/** Whether all words of `typed` occur in `text`, in any spelling: `oconnor` in `Mary O’Connor`, `太郎` in `田中太郎`. */
export function contains(text: string, typed: string): boolean {
  const searched = ` ${foldWords(text)}${between}${foldJoined(text)}`;
  return wordsOf(typed).every((word) => formsOf(word).some((form) => searched.includes(form)));
}
