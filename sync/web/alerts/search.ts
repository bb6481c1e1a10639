export type AlertSearch = { all?: true };

/** The search of the page's URL: only what is open, unless it says otherwise. */
export function readAlertSearch(given: Record<string, unknown>): AlertSearch {
  return given.all === true || given.all === 'true' ? { all: true } : {};
}
