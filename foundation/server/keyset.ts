/** An order of a list: an expression that is never null and has an index together with the id, and the types of both. */
export type Order = { by: string; type: string; id: string; idType: string };
export type Direction = 'asc' | 'desc';
/** The end of a page: the sort value and the id of its last row, as PostgreSQL writes them. */
export type Place = [by: string | null, id: string];
export type Placed<Row> = Row & { place: Place };

/**
 * The parts of a query for the rows after a place. The place holds the sort value and not only the row. If the row changes between two
 * pages, the second page still begins where the first ended.
 *
 * @returns `place`: a column with the place of each row.
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

/** Collects the values of a query's parameters: `parameter(value)` returns the placeholder for the SQL. */
export function collectValues() {
  const values: unknown[] = [];
  return { values, parameter: (value: unknown, type = '') => `$${values.push(value)}${type && `::${type}`}` };
}
export type Parameter = ReturnType<typeof collectValues>['parameter'];

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
