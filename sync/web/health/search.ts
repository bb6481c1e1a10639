import type { Range } from '../api/health.ts';

export const ranges: { value: Range; label: string }[] = [
  { value: 'hour', label: 'Hour' },
  { value: 'day', label: 'Day' },
  { value: 'month', label: 'Month' },
];

export type HealthSearch = { range?: Exclude<Range, 'hour'> };

/** The search of the page's URL: the stretch of its charts, an hour unless it says otherwise. */
export function readHealthSearch(given: Record<string, unknown>): HealthSearch {
  return given.range === 'day' || given.range === 'month' ? { range: given.range } : {};
}
