import { formatNumber } from '@aether/ui/formats.ts';
import { Link } from '@tanstack/react-router';
import type { Asked } from '../api/reports.ts';
import type { ListSearch } from './search.ts';

type ChatsLinkProps = {
  count: number;
  /** What they are, for somebody who hears the link alone: `missed, Monday`. */
  of: string;
  asked: Asked;
  search: ListSearch;
};

/** A number of conversations, which opens the list of exactly these. */
export function ChatsLink({ count, of, asked: { zone: _, ...asked }, search }: ChatsLinkProps) {
  if (count === 0) return <>0</>;
  return (
    <Link
      to="/reports/conversations"
      search={{ ...asked, ...search }}
      aria-label={`${formatNumber(count)} conversations: ${of}`}
    >
      {formatNumber(count)}
    </Link>
  );
}
