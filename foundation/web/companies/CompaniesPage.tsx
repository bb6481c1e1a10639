import { CsvLink } from '@aether/ui/CsvLink.tsx';
import { formatAgo, formatMoment, formatNumber } from '@aether/ui/formats.ts';
import { useKeys } from '@aether/ui/Keys.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { type Column, RecordTable } from '@aether/ui/RecordTable.tsx';
import { useMayChange } from '@aether/ui/reading.tsx';
import { PageHead, useNarrow } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button } from '@mantine/core';
import { IconBuilding, IconPlus } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { type CompanySort, companiesQuery } from '../api/companies.ts';
import type { ListedCompany } from '../api/records.ts';
import { SearchInput } from '../inputs/SearchInput.tsx';
import { useListTrail } from '../record/trail.ts';
import { useMe } from '../shell/person.ts';
import { ViewBar } from '../views/ViewBar.tsx';
import { CompanyFilterMenu } from './CompanyFilterMenu.tsx';
import { NewCompany } from './NewCompany.tsx';
import type { CompanySearch } from './search.ts';

const columns: Column<ListedCompany, CompanySort>[] = [
  {
    key: 'name',
    label: 'Name',
    track: 'minmax(200px, 2fr)',
    sort: 'name',
    narrow: 'title',
    render: ({ id, name }) => (
      <Link to="/companies/$id" params={{ id }}>
        {name}
      </Link>
    ),
  },
  {
    key: 'domain',
    label: 'Domain',
    track: 'minmax(160px, 1fr)',
    narrow: 'detail',
    render: ({ domain }) => <span>{domain}</span>,
  },
  {
    key: 'owner',
    label: 'Owner',
    track: 'minmax(140px, 1fr)',
    narrow: 'detail',
    render: ({ owner }) => <span>{owner?.name}</span>,
  },
  {
    key: 'customers',
    label: 'Customers',
    track: '110px',
    align: 'end',
    render: ({ customers }) => <span>{formatNumber(customers)}</span>,
  },
  {
    key: 'deals',
    label: 'Open deals',
    track: '110px',
    align: 'end',
    render: ({ open_deals }) => <span>{formatNumber(open_deals)}</span>,
  },
  {
    key: 'updated',
    label: 'Changed',
    track: '140px',
    sort: 'updated',
    render: ({ updated_at }) => <span title={formatMoment(updated_at)}>{formatAgo(updated_at)}</span>,
  },
];

/** All companies with the numbers of their customers and open deals. */
export function CompaniesPage() {
  const me = useMe();
  const { create, ...filters } = useSearch({ from: '/companies' });
  const navigate = useNavigate({ from: '/companies' });
  const change = (part: Partial<CompanySearch>) =>
    void navigate({ search: (search) => ({ ...search, ...part }), replace: true });
  const { sort: _sort, dir: _dir, ...kept } = filters;
  const isFiltered = Object.values(kept).some(Boolean);
  const isNarrow = useNarrow();
  const { data, error, isPending, isPlaceholderData, hasNextPage, fetchNextPage, refetch } = useInfiniteQuery(
    companiesQuery(filters),
  );
  const rows = data?.pages.flatMap(({ companies }) => companies) ?? [];
  const place = useListTrail('companies', {
    search: filters,
    filters,
    ids: rows.map(({ id }) => id),
    more: hasNextPage
      ? () =>
          fetchNextPage().then((now) =>
            (now.data?.pages ?? []).flatMap(({ companies }) => companies.map(({ id }) => id)),
          )
      : undefined,
  });
  const mayChange = useMayChange();
  useKeys(
    mayChange ? [{ keys: 'c', label: 'New company', group: 'Companies', run: () => change({ create: true }) }] : [],
  );
  return (
    <>
      <PageHead title="Companies">
        <SearchInput
          label="Search name, domain"
          value={filters.search ?? ''}
          onChange={(search) => change({ search: search || undefined })}
        />
        <CompanyFilterMenu filters={filters} onChange={change} />
        <CsvLink path="/api/companies.csv" filters={kept} />
        {mayChange && (
          <Button leftSection={<IconPlus size={15} />} onClick={() => change({ create: true })}>
            New company
          </Button>
        )}
      </PageHead>
      <ViewBar
        page="companies"
        search={filters}
        fixed={[
          { name: 'All', search: {} },
          { name: 'Mine', search: { owner: me.id } },
          { name: 'Without an owner', search: { no_owner: true } },
          { name: 'Recently changed', search: { sort: 'updated', dir: 'desc' } },
        ]}
      />
      {isPending && <Waiting lines={12} />}
      {error && <ErrorNotice title="The companies could not be loaded" error={error} onRetry={refetch} />}
      {data && rows.length === 0 && (
        <Nothing icon={<IconBuilding size={28} />} title={isFiltered ? 'No company is like that' : 'No companies yet'}>
          {isFiltered
            ? 'Look for another word, or take a filter away.'
            : mayChange && 'Press C to create the first one.'}
        </Nothing>
      )}
      {rows.length > 0 && (
        <RecordTable
          label="Companies"
          columns={columns}
          rows={rows}
          keyOf={({ id }) => id}
          sorting={{ sort: filters.sort ?? 'name', dir: filters.dir ?? 'asc' }}
          onSort={change}
          hasMore={hasNextPage && !isPlaceholderData}
          onMore={fetchNextPage}
          isNarrow={isNarrow}
          place={place}
        />
      )}
      {create && mayChange && <NewCompany onClose={() => change({ create: undefined })} />}
    </>
  );
}
