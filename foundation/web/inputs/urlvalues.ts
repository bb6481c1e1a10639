/** A value of a URL's search as text, also if the router made a number of it; undefined if there is none. */
export function readText(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'number' ? String(value) : undefined;
}

export function readNumber(value: unknown): number | undefined {
  const number = Number(value);
  return value !== undefined && value !== '' && Number.isSafeInteger(number) ? number : undefined;
}

export function readFlag(value: unknown): true | undefined {
  return value === true || value === 'true' ? true : undefined;
}

export function readOneOf<Word extends string>(value: unknown, words: readonly Word[]): Word | undefined {
  return words.find((word) => word === value);
}

/** The search of a saved view as a page has it: an object is one again. */
export const readSavedSearch = (query: string): Record<string, unknown> =>
  Object.fromEntries(
    [...new URLSearchParams(query)].map(([name, value]) => {
      if (!value.startsWith('{')) return [name, value];
      try {
        return [name, JSON.parse(value)];
      } catch {
        return [name, value];
      }
    }),
  );

/** The search without unset values, so that two searches with the same meaning have the same URL. */
export function writeSearch(search: Record<string, unknown>): string {
  const entries = Object.entries(search).filter(([, value]) => value !== undefined && value !== '');
  entries.sort(([one], [other]) => (one < other ? -1 : 1));
  return new URLSearchParams(
    entries.map(([name, value]) => [name, typeof value === 'object' ? JSON.stringify(value) : String(value)]),
  ).toString();
}
