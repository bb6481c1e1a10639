import { kindOf } from '../../quality/findings.ts';

export type QualitySearch = { finding?: string };

/** The search of the page's URL: the finding whose rows are shown; the board otherwise. */
export function readQualitySearch(given: Record<string, unknown>): QualitySearch {
  return typeof given.finding === 'string' && kindOf(given.finding) ? { finding: given.finding } : {};
}
