/** An order of a list: an expression over a row, that is never null, and that an index has beside the id. */
export type Order = { tables: string; by: string; id: string };
export type Direction = 'asc' | 'desc';

/**
 * The part of a query that gives the rows behind the last one of the page before. The cursor is that row's id alone: what it is
 * sorted by may be personal, and must not stand in an address.
 *
 * @param after the parameter that holds the cursor, such as `$2`; null for the first page.
 */
export function keyset(
  { tables, by, id }: Order,
  direction: Direction,
  after: string,
): { where: string; orderBy: string } {
  const beyond = direction === 'asc' ? '>' : '<';
  return {
    where: `(${after} is null or (${by}, ${id}) ${beyond} ((select ${by} from ${tables} where ${id} = ${after}), ${after}))`,
    orderBy: `${by} ${direction}, ${id} ${direction}`,
  };
}

/** Collects the values of a query's parameters: `parameter(value)` is how the SQL names it. */
export function collectValues() {
  const values: unknown[] = [];
  return { values, parameter: (value: unknown, type = '') => `$${values.push(value)}${type && `::${type}`}` };
}

/** Anywhere in a word; one or two letters only at its beginning, because an index of trigrams cannot find them elsewhere. */
export function likePattern(word: string): string {
  const escaped = word.replace(/[\\%_]/g, '\\$&');
  return [...word].length < 3 ? `% ${escaped}%` : `%${escaped}%`;
}

/** Words of a search beyond this are not looked at. */
const wordsMax = 5;
export const wordsOf = (search: string) => search.toLowerCase().split(/\s+/).filter(Boolean).slice(0, wordsMax);
