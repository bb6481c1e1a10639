/** One person of a list: a line of the file, and what it says. */
export type Listed = { line: number; who: string };

/** Why a line erases nobody. The next run tries it again. */
export type ListRefusal = 'unreadable' | 'unknown' | 'several' | 'held' | 'busy';

export const listRefusals: Record<ListRefusal, string> = {
  unreadable: 'It is no address, no telephone number and no id.',
  unknown: 'No customer is known by this.',
  several: 'Several customers are meant: name one by its id.',
  held: 'A legal hold keeps this customer.',
  busy: 'Somebody writes rows of this customer all the time.',
};

export const listedMax = 100_000;

/**
 * Reads a list: a person a line. Empty lines, and those that begin with #, are nobody. Pure.
 *
 * @throws NoList when it names nobody, or more than 100,000
 */
export function readList(text: string): Listed[] {
  const listed = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line, index) => ({ line: index + 1, who: line.trim() }))
    .filter(({ who }) => who !== '' && !who.startsWith('#'));
  if (listed.length === 0) throw new NoList('The list names nobody: it has one person a line.');
  if (listed.length > listedMax)
    throw new NoList(
      `The list names ${listed.length} people: at most ${listedMax} are one job. Divide it, and erase its parts.`,
    );
  return listed;
}

/** The text is no list of people for one job. */
export class NoList extends Error {
  override name = 'NoList';
}
