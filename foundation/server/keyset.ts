/** An order of a list: an expression over a row, that is never null and that an index has beside the id, and the types of both. */
export type Order = { by: string; type: string; id: string; idType: string };
export type Direction = 'asc' | 'desc';
/** Where a page ended: what its last row was sorted by, and its id, as PostgreSQL writes them. */
export type Place = [by: string | null, id: string];
export type Placed<Row> = Row & { place: Place };

/**
 * The parts of a query that give the rows behind a place. The place holds the value, not the row alone: when the row changes
 * between two pages, the second still begins where the first ended.
 *
 * @returns `place`: a column that says where each row stands.
 */
export function keyset(
  { by, type, id, idType }: Order,
  direction: Direction,
  after: Place | undefined,
  parameter: Parameter,
): { where: string; orderBy: string; place: string } {
  const beyond = direction === 'asc' ? '>' : '<';
  return {
    where: after ? `(${by}, ${id}) ${beyond} (${parameter(after[0], type)}, ${parameter(after[1], idType)})` : 'true',
    orderBy: `${by} ${direction}, ${id} ${direction}`,
    place: `array[(${by})::text, ${id}::text] as place`,
  };
}

/** Collects the values of a query's parameters: `parameter(value)` is how the SQL names it. */
export function collectValues() {
  const values: unknown[] = [];
  return { values, parameter: (value: unknown, type = '') => `$${values.push(value)}${type && `::${type}`}` };
}
export type Parameter = ReturnType<typeof collectValues>['parameter'];

/** Anywhere in a word; one or two letters only at its beginning, because an index of trigrams cannot find them elsewhere. */
export function likePattern(word: string): string {
  const escaped = word.replace(/[\\%_]/g, '\\$&');
  return [...word].length < 3 ? `% ${escaped}%` : `%${escaped}%`;
}

/** The words of a search, each once, in lower case. */
export const wordsOf = (search: string) => [...new Set(search.toLowerCase().split(/\s+/).filter(Boolean))];
/** Of so many of them it is looked which is the rarest. */
export const comparedWordsMax = 5;

/**
 * The condition that a word stands in `searched`, or without its marks in a `name` beyond ASCII: Ozgur finds Özgür, and Özgür Ozgur. Each
 * part is an expression that an index has.
 *
 * @param pattern the parameter that holds `likePattern(word)`
 */
export function matchWord(searched: string, name: string, word: string, pattern: string): string {
  // PostgreSQL does not look where in a word a Σ stands, and writes σ where JavaScript writes ς.
  const patterns = word.includes('ς') ? [pattern, `replace(${pattern}, 'ς', 'σ')`] : [pattern];
  const conditions = patterns.flatMap((each) => [
    `${searched} like ${each}`,
    `(octet_length(${name}) <> char_length(${name}) and ' ' || platform.fold(${name}) like platform.fold(${each}))`,
    ...(/[^ -~]/.test(word) ? [`${searched} like platform.fold(${each})`] : []),
  ]);
  return `(${conditions.join(' or ')})`;
}
