/** Matches anywhere in a word; one or two letters match only at its beginning, because a trigram index cannot find them elsewhere. */
export function likePattern(word: string): string {
  const escaped = word.replace(/[\\%_]/g, '\\$&');
  return [...word].length < 3 ? `% ${escaped}%` : `%${escaped}%`;
}

/** The words of a search, each once, in lower case. */
export const wordsOf = (search: string) => [...new Set(search.toLowerCase().split(/\s+/).filter(Boolean))];
/** The rarest word is searched among this many. */
export const comparedWordsMax = 5;

/**
 * The condition that a word occurs in `searched`, or without its marks in a `name` beyond ASCII: Ozgur finds Özgür, and Özgür finds
 * Ozgur. Each part is an expression that has an index.
 *
 * @param pattern the parameter that holds `likePattern(word)`
 */
export function matchWord(searched: string, name: string, word: string, pattern: string): string {
  // PostgreSQL ignores the place of a Σ in a word and writes σ where JavaScript writes ς.
  const patterns = word.includes('ς') ? [pattern, `replace(${pattern}, 'ς', 'σ')`] : [pattern];
  const conditions = patterns.flatMap((each) => [
    `${searched} like ${each}`,
    `(octet_length(${name}) <> char_length(${name}) and ' ' || platform.fold(${name}) like platform.fold(${each}))`,
    ...(/[^ -~]/.test(word) ? [`${searched} like platform.fold(${each})`] : []),
  ]);
  return `(${conditions.join(' or ')})`;
}
