/*
 * Mentions of people of staff in a text. A text holds `<@id of a user>`, so that a mention outlives a change of the name and two people may
 * share one; screens show the name. `platform.mentions_in` reads them in the database.
 */

export type Named = { id: string; name: string };

const mention = /<@([^<>\s]{1,255})>/g;

/** The ids of the users whom a text mentions, each once. Pure. */
export const mentionsIn = (words: string): string[] => [
  ...new Set([...words.matchAll(mention)].map(([, id]) => id as string)),
];

/** Where a text mentions whom, in UTF-16 units, in order. Pure. */
export const mentionsPlaces = (words: string): { from: number; to: number; id: string }[] =>
  words.includes('<@')
    ? [...words.matchAll(mention)].map(({ index, 0: whole, 1: id }) => ({
        from: index,
        to: index + whole.length,
        id: id as string,
      }))
    : [];

/** A piece of a text: words, or a mention. */
export type Piece = { words: string } | { mention: string };

/** A text in pieces, in order. Pure. */
export function piecesOf(words: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const found of words.matchAll(mention)) {
    if (found.index > at) pieces.push({ words: words.slice(at, found.index) });
    pieces.push({ mention: found[1] as string });
    at = found.index + found[0].length;
  }
  if (at < words.length) pieces.push({ words: words.slice(at) });
  return pieces;
}

/** Somebody who is no user of this house any more, or of whom the reader is not told. */
export const somebody = 'somebody';

/** A text with something else in the place of mentions. @param rename undefined: this one stays. Pure. */
export const renameMentions = (words: string, rename: (id: string) => string | undefined): string =>
  words.includes('<@') ? words.replace(mention, (whole, id) => rename(id) ?? whole) : words;

/** A text with names in the place of ids: `@Maya Okafor`. Pure. */
export const nameMentions = (words: string, people: readonly Named[] = []): string =>
  renameMentions(words, (id) => `@${people.find((each) => each.id === id)?.name ?? somebody}`);
