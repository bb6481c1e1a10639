import { readTexts } from '../parts/words.ts';

export type PairState = 'open' | 'unsure' | 'merged' | 'different';
export type DuplicatesSearch = { state?: PairState; assigned?: string; source?: string; score?: string };

const states = ['open', 'unsure', 'merged', 'different'];
const sources = ['detected', 'import', 'verified_claim', 'unmerged', 'person'];

/** The filters of the queue in the page's URL; a pair's page keeps them, so that it knows which pair is next. */
export function readDuplicatesSearch(given: Record<string, unknown>): DuplicatesSearch {
  const { state, assigned, source, score } = readTexts(given, ['state', 'assigned', 'source', 'score']);
  return {
    ...(state && states.includes(state) && state !== 'open' && { state: state as PairState }),
    ...(assigned && { assigned }),
    ...(source && sources.includes(source) && { source }),
    ...(score && Number(score) > 0 && Number(score) <= 1 && { score }),
  };
}
