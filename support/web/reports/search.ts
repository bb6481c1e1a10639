import { readSpanSearch, type SpanSearch } from '@aether/ui/reports/spans.ts';
import { type Outcome, outcomes, type ReportFilters } from '../api/reports.ts';

export type ReportSearch = SpanSearch & ReportFilters;

const readId = (value: unknown): string | undefined =>
  typeof value === 'string' && /^[0-9a-f-]{36}$/i.test(value) ? value : undefined;

/** The search of the reports' URL; unknown values are left out. */
export const readReportSearch = (given: Record<string, unknown>): ReportSearch => ({
  ...readSpanSearch(given),
  widget: readId(given.widget),
  agent: readId(given.agent),
});

export type ListSearch = ReportSearch & { unassigned?: true; outcome?: Outcome; score?: number; hour?: number };

/** That of the list of the conversations behind a number. */
export const readListSearch = (given: Record<string, unknown>): ListSearch => ({
  ...readReportSearch(given),
  unassigned: given.unassigned === true || given.unassigned === 'true' ? true : undefined,
  outcome: outcomes.find((each) => each === given.outcome),
  score: readWithin(given.score, 1, 5),
  hour: readWithin(given.hour, 0, 167),
});

function readWithin(value: unknown, least: number, most: number): number | undefined {
  const number = Number(value);
  return value !== undefined && value !== '' && Number.isInteger(number) && number >= least && number <= most
    ? number
    : undefined;
}
