import { formatAgo, formatDay, formatMoment, formatMoney } from '@aether/ui/formats.ts';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { type Column, RecordTable, type Sorting } from '@aether/ui/RecordTable.tsx';
import { useNarrow } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { IconCash } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { type DealFilters, type DealSort, dealsQuery } from '../api/deals.ts';
import type { ListedDeal } from '../api/records.ts';
import { useListTrail } from '../record/trail.ts';

const columns: Column<ListedDeal, DealSort>[] = [
  {
    key: 'name',
    label: 'Deal',
    track: 'minmax(200px, 2fr)',
    sort: 'name',
    narrow: 'title',
    render: ({ id, name }) => (
      <Link to="/deals/$id" params={{ id: String(id) }}>
        {name}
      </Link>
    ),
  },
  {
    key: 'amount',
    label: 'Amount',
    track: '120px',
    sort: 'amount',
    align: 'end',
    narrow: 'detail',
    render: ({ amount, currency }) => <span>{formatMoney(amount, currency)}</span>,
  },
  {
    key: 'stage',
    label: 'Stage',
    track: '130px',
    narrow: 'detail',
    render: ({ stage_name, status }) => (
      <Tag tone={status === 'won' ? 'good' : status === 'lost' ? 'bad' : 'accent'}>{stage_name}</Tag>
    ),
  },
  {
    key: 'customer',
    label: 'Customer',
    track: 'minmax(120px, 1fr)',
    render: ({ customer }) => <span>{customer.name}</span>,
  },
  {
    key: 'company',
    label: 'Company',
    track: 'minmax(120px, 1fr)',
    render: ({ company }) => <span>{company?.name}</span>,
  },
  { key: 'owner', label: 'Owner', track: 'minmax(110px, 0.8fr)', render: ({ owner }) => <span>{owner?.name}</span> },
  {
    key: 'close',
    label: 'Expected close',
    track: '130px',
    sort: 'close',
    render: ({ expected_close_on }) => <span>{expected_close_on && formatDay(expected_close_on)}</span>,
  },
  {
    key: 'updated',
    label: 'Changed',
    track: '110px',
    sort: 'updated',
    render: ({ updated_at }) => <span title={formatMoment(updated_at)}>{formatAgo(updated_at)}</span>,
  },
];

type DealTableProps = { filters: DealFilters; onChange: (sorting: Sorting<DealSort>) => void };

/** The deals as a list: open and closed, in any order. */
export function DealTable({ filters, onChange }: DealTableProps) {
  const isNarrow = useNarrow();
  const { data, error, isPending, isPlaceholderData, hasNextPage, fetchNextPage, refetch } = useInfiniteQuery(
    dealsQuery(filters),
  );
  const rows = data?.pages.flatMap(({ deals }) => deals) ?? [];
  const { create: _, ...search } = useSearch({ from: '/deals' });
  const place = useListTrail('deals', {
    search,
    filters,
    ids: rows.map(({ id }) => String(id)),
    more: hasNextPage
      ? () =>
          fetchNextPage().then((now) =>
            (now.data?.pages ?? []).flatMap(({ deals }) => deals.map(({ id }) => String(id))),
          )
      : undefined,
  });
  if (isPending) return <Waiting lines={10} />;
  if (error) return <ErrorNotice title="The deals could not be loaded" error={error} onRetry={refetch} />;
  if (rows.length === 0)
    return (
      <Nothing icon={<IconCash size={28} />} title="No deal is like that">
        Look for another word, or take a filter away.
      </Nothing>
    );
  return (
    <RecordTable
      label="Deals"
      columns={columns}
      rows={rows}
      keyOf={({ id }) => id}
      sorting={{ sort: filters.sort ?? 'created', dir: filters.dir ?? (filters.sort ? 'asc' : 'desc') }}
      onSort={onChange}
      hasMore={hasNextPage && !isPlaceholderData}
      onMore={fetchNextPage}
      isNarrow={isNarrow}
      place={place}
    />
  );
}
