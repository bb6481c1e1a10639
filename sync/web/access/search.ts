export type AccessSearch = { find?: string; login?: string };

/** The search of the page's URL: the words that a table or column must have, and one login alone. */
export function readAccessSearch(given: Record<string, unknown>): AccessSearch {
  return {
    ...(typeof given.find === 'string' && given.find !== '' && { find: given.find }),
    ...(typeof given.login === 'string' && given.login !== '' && { login: given.login }),
  };
}
