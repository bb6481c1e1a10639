import { formatDay, formatMoment } from '@aether/ui/formats.ts';
import { Button } from '@mantine/core';
import { IconX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { lossReasonsQuery } from '../api/reports.ts';
import classes from './reportfilter.module.css';
import type { DealSearch } from './search.ts';

export const ofReports = ['closed_from', 'closed_before', 'expected_from', 'expected_to', 'reason', 'lacks'] as const;

const lackLabels: Record<string, string> = {
  owner: 'without an owner',
  expected: 'without an expected day',
  reason: 'without a loss reason',
};

/** What a number of a report had, in words, for the list of its deals; and a button that takes it away. */
export function ReportFilter({ search, onClear }: { search: DealSearch; onClear: () => void }) {
  const { data } = useQuery({ ...lossReasonsQuery, enabled: search.reason !== undefined });
  const parts = describe(
    search,
    data?.reasons.find(({ id }) => id === search.reason),
  );
  if (parts.length === 0) return null;
  return (
    <div className={classes.bar}>
      <span>Only deals {parts.join(', ')}.</span>
      <Button variant="default" size="compact-sm" mih={28} leftSection={<IconX size={14} />} onClick={onClear}>
        Take away
      </Button>
    </div>
  );
}

function describe(search: DealSearch, reason: { name: string } | undefined): string[] {
  const { closed_from: from, closed_before: before, expected_from: first, expected_to: last } = search;
  const closed =
    from && before
      ? `closed from ${formatMoment(from)} until ${formatMoment(before)}`
      : from
        ? `closed from ${formatMoment(from)}`
        : before && `closed before ${formatMoment(before)}`;
  const expected =
    first && last
      ? `expected from ${formatDay(first)} to ${formatDay(last)}`
      : first
        ? `expected from ${formatDay(first)}`
        : last && `expected up to ${formatDay(last)}`;
  return [
    closed,
    expected,
    search.reason !== undefined && `lost for ${reason ? `“${reason.name}”` : 'one reason'}`,
    ...(search.lacks?.split(',').map((lack) => lackLabels[lack]) ?? []),
  ].filter((part) => typeof part === 'string');
}
