import { readTexts } from '../parts/words.ts';

export type MergeSearch = { survivor?: string; loser?: string };

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The search of the page's URL: the customer that goes on, and the one that is merged into it. */
export function readMergeSearch(given: Record<string, unknown>): MergeSearch {
  const { survivor, loser } = readTexts(given, ['survivor', 'loser']);
  return { ...(survivor && uuid.test(survivor) && { survivor }), ...(loser && uuid.test(loser) && { loser }) };
}
