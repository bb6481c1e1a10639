import { readSpanSearch, type SpanSearch } from '@aether/ui/reports/spans.ts';
import type { ReportFilters } from '../api/reports.ts';
import { readNumber, readText } from '../inputs/urlvalues.ts';

export type ReportSearch = SpanSearch & ReportFilters;

/** The search of the reports' URL; unknown values are left out. */
export const readReportSearch = (given: Record<string, unknown>): ReportSearch => ({
  ...readSpanSearch(given),
  pipeline: readNumber(given.pipeline),
  owner: readText(given.owner),
});
