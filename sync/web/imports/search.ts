import { readTexts } from '../parts/words.ts';
import { type Outcome, outcomes } from './queries.ts';

export type MappingSearch = { files: string; job?: number };
/** The search of the page's URL: the ids of the files with commas between them, and the plan that is being made. */
export function readMappingSearch(given: Record<string, unknown>): MappingSearch {
  const { files = '' } = readTexts(given, ['files']);
  const job = Number(given.job);
  return {
    files: /^\d{1,15}(,\d{1,15}){0,19}$/.test(files) ? files : '',
    ...(Number.isSafeInteger(job) && job > 0 && { job }),
  };
}

export const shown = [...outcomes, 'conflicts', 'candidates', 'rules', 'unmapped', 'undo'] as const;
export type Shown = Outcome | 'conflicts' | 'candidates' | 'rules' | 'unmapped' | 'undo';
export type RunSearch = { show?: Shown };
/** The search of the page's URL: which lines of the run are shown. */
export function readRunSearch(given: Record<string, unknown>): RunSearch {
  return shown.includes(given.show as Shown) ? { show: given.show as Shown } : {};
}
