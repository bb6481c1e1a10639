import { formatNumber } from '@aether/ui/formats.ts';
import { Link } from '@tanstack/react-router';
import type { ReportFilters } from '../api/reports.ts';
import type { DealSearch } from '../deals/search.ts';

type DealsLinkProps = {
  count: number;
  /** What the deals are, for somebody who hears the link alone: `won in January`. */
  of: string;
  /** The filters of the report. */
  filters: ReportFilters;
  search: DealSearch;
};

/** A number of deals, which opens the list of exactly these. */
export function DealsLink({ count, of, filters: { pipeline, owner }, search }: DealsLinkProps) {
  if (count === 0) return <>0</>;
  const where: DealSearch = pipeline === undefined ? { everywhere: true } : { pipeline };
  return (
    <Link
      to="/deals"
      search={{ view: 'list', ...where, ...(owner !== undefined && { owner }), ...search }}
      aria-label={`${formatNumber(count)} deals: ${of}`}
    >
      {formatNumber(count)}
    </Link>
  );
}
