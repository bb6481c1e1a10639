import { type CustomerPart, isKnownBeginning, type Parameter } from '@aether/platform';

/*
 * Customers whose name or address begins with a word. They are together in that order, so an index gives the first of them in order,
 * however many there are. The index of words is asked only for the others with the word (platform.customer_words).
 */

export type Beginning = { of: CustomerPart; word: string };

/** @returns undefined if those who begin with the word are not together in this order, or if there is no such word. */
export function beginningIn(order: string, word: string | undefined): Beginning | undefined {
  if (order !== 'name' && order !== 'email') return undefined;
  return word !== undefined && isKnownBeginning(word) ? { of: order, word } : undefined;
}

/**
 * The conditions that a customer `c` begins with the word, and therefore matches it.
 *
 * @returns `isNear`: for the index of the order. `begins`: for the rows that are near. It is apart, because PostgreSQL believes that few
 *   rows fit it, and would sort all that are near. A few that begin with the word may be elsewhere in the order, such as a name with U+FFFF
 *   in it: the index of words finds them among the others.
 */
export function matchBeginning({ of, word }: Beginning, parameter: Parameter): { isNear: string; begins: string } {
  const from = parameter(word);
  if (of === 'name') {
    // No letter of any language sorts behind U+FFFF.
    const to = parameter(`${word}\uffff`);
    return {
      isNear: `c.name >= ${from} and c.name < ${to}`,
      begins: `starts_with(lower(c.name collate pg_c_utf8), ${from})`,
    };
  }
  const last = word.length - 1;
  const to = parameter(word.slice(0, last) + String.fromCharCode(word.charCodeAt(last) + 1));
  return { isNear: `c.email_key >= ${from} and c.email_key < ${to}`, begins: 'true' };
}
