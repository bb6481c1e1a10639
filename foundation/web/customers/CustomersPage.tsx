import { CsvLink } from '@aether/ui/CsvLink.tsx';
import { formatNumber } from '@aether/ui/formats.ts';
import { useKeys } from '@aether/ui/Keys.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { lazyDialog, lazyPage } from '@aether/ui/parts/lazy.tsx';
import { RecordTable } from '@aether/ui/RecordTable.tsx';
import { ForChanges } from '@aether/ui/reading.tsx';
import { PageHead, useNarrow } from '@aether/ui/Shell.tsx';
import { useSelection } from '@aether/ui/useSelection.ts';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button } from '@mantine/core';
import { IconPlus, IconUsers } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { customersQuery, toQuery } from '../api/customers.ts';
import { customFieldsQuery } from '../api/settings.ts';
import { SearchInput } from '../inputs/SearchInput.tsx';
import { useListTrail } from '../record/trail.ts';
import { useMe } from '../shell/person.ts';
import { ColumnChooser } from '../views/ColumnChooser.tsx';
import { ViewBar } from '../views/ViewBar.tsx';
import { CustomerFilterMenu } from './CustomerFilterMenu.tsx';
import { defaultColumns, listColumns } from './columns.tsx';
import { isOutdated, outdatedIn } from './outdated.ts';
import { type CustomerSearch, sortingOf } from './search.ts';

/** Loaded when something is chosen. */
const CustomersBar = lazyPage(() => import('./CustomersBar.tsx'), 'CustomersBar', 'panel');
const ConditionBar = lazyPage(() => import('./ConditionBar.tsx'), 'ConditionBar', 'panel');
const ConditionsDialog = lazyDialog(() => import('./ConditionsDialog.tsx'), 'ConditionsDialog');
const OutdatedNotice = lazyPage(() => import('./OutdatedNotice.tsx'), 'OutdatedNotice', 'panel');
const NewCustomer = lazyDialog(() => import('./NewCustomer.tsx'), 'NewCustomer');

/** All customers, as the URL says: searched, filtered, sorted, in the chosen columns. */
export function CustomersPage() {
  const me = useMe();
  const { columns: chosen, create, ...filters } = useSearch({ from: '/customers' });
  const navigate = useNavigate({ from: '/customers' });
  const change = (part: Partial<CustomerSearch>) =>
    void navigate({ search: (search) => ({ ...search, ...part }), replace: true });
  const { data, error, isPending, isPlaceholderData, hasNextPage, fetchNextPage, refetch } = useInfiniteQuery(
    customersQuery(filters),
  );
  const { data: custom } = useQuery(customFieldsQuery('customer'));
  const isNarrow = useNarrow();
  const all = listColumns(custom?.custom_fields ?? []);
  const shown = chosen?.split(',') ?? defaultColumns;
  const rows = useMemo(() => data?.pages.flatMap(({ customers }) => customers) ?? [], [data]);
  const ids = useMemo(() => rows.map(({ id }) => id), [rows]);
  const first = data?.pages[0];
  const total = first?.total_is_more ? undefined : first?.total;
  const place = useListTrail('customers', {
    search: { ...filters, columns: chosen },
    filters,
    ids,
    total,
    more: hasNextPage
      ? () =>
          fetchNextPage().then((now) =>
            (now.data?.pages ?? []).flatMap(({ customers }) => customers.map(({ id }) => id)),
          )
      : undefined,
  });
  const { sort: _sort, dir: _dir, ...kept } = filters;
  const selection = useSelection(JSON.stringify(kept), ids, total);
  const openDialog = () => change({ create: true });
  const [isFiltering, setFiltering] = useState(false);
  const outdated = outdatedIn(error);
  useKeys([
    { keys: 'f', label: 'Conditions of the list', group: 'Customers', run: () => setFiltering(true) },
    ...(me.isReader ? [] : [{ keys: 'c', label: 'New customer', group: 'Customers', run: openDialog }]),
  ]);
  return (
    <>
      <PageHead
        title="Customers"
        detail={
          first?.total !== undefined &&
          `${formatNumber(first.total)}${first.total_is_more ? '+' : ''}${filters.sort ? '' : ', newest first'}`
        }
      >
        <SearchInput
          label="Name, e-mail, phone, company"
          value={filters.search ?? ''}
          onChange={(search) => change({ search: search || undefined })}
        />
        <CustomerFilterMenu filters={filters} onChange={change} onConditions={() => setFiltering(true)} />
        {!isNarrow && (
          <ColumnChooser
            columns={all}
            shown={shown}
            defaults={defaultColumns}
            onChange={(columns) => change({ columns })}
          />
        )}
        <CsvLink path="/api/customers.csv" filters={toQuery(kept)} />
        <ForChanges>
          <Button leftSection={<IconPlus size={15} />} onClick={openDialog}>
            New customer
          </Button>
        </ForChanges>
      </PageHead>
      <ViewBar
        page="customers"
        search={{ ...filters, columns: chosen }}
        fixed={[
          { name: 'All', search: {} },
          { name: 'Mine', search: { manager: me.id } },
          { name: 'Without a manager', search: { no_manager: true } },
          { name: 'Recently changed', search: { sort: 'updated', dir: 'desc' } },
        ]}
      />
      {filters.where !== undefined && (
        <ConditionBar
          where={filters.where}
          outdated={outdated}
          onChange={(where) => change({ where })}
          onEdit={() => setFiltering(true)}
        />
      )}
      {isPending && <Waiting lines={12} />}
      {error && isOutdated(error) && (
        <OutdatedNotice
          page="customers"
          outdated={outdated}
          search={{ ...filters, columns: chosen }}
          onChange={change}
        />
      )}
      {error && !isOutdated(error) && (
        <ErrorNotice title="The customers could not be loaded" error={error} onRetry={refetch} />
      )}
      {data && rows.length === 0 && !isOutdated(error) && (
        <NoCustomers
          isFiltered={Object.values(filters).some(Boolean)}
          onCreate={me.isReader ? undefined : openDialog}
        />
      )}
      {rows.length > 0 && !isOutdated(error) && (
        <RecordTable
          label="Customers"
          columns={all.filter(({ key }) => shown.includes(key))}
          rows={rows}
          keyOf={({ id }) => id}
          nameOf={({ name }) => name}
          selection={selection}
          total={total}
          sorting={sortingOf(filters)}
          onSort={change}
          hasMore={hasNextPage && !isPlaceholderData}
          onMore={fetchNextPage}
          isNarrow={isNarrow}
          place={place}
        />
      )}
      {(selection.all || selection.keys.size > 0) && !isOutdated(error) && (
        <CustomersBar selection={selection} filters={filters} rows={rows} total={total} hasMore={hasNextPage} />
      )}
      {isFiltering && (
        <ConditionsDialog
          where={typeof filters.where === 'string' ? undefined : filters.where}
          onChange={(where) => change({ where })}
          onClose={() => setFiltering(false)}
        />
      )}
      {create && !me.isReader && <NewCustomer onClose={() => change({ create: undefined })} />}
    </>
  );
}

function NoCustomers({ isFiltered, onCreate }: { isFiltered: boolean; onCreate: (() => void) | undefined }) {
  if (isFiltered)
    return (
      <Nothing icon={<IconUsers size={28} />} title="No customer is like that">
        Look for another word, or take a filter away.
      </Nothing>
    );
  return (
    <Nothing
      icon={<IconUsers size={28} />}
      title="No customers yet"
      action={onCreate && <Button onClick={onCreate}>New customer</Button>}
    >
      {onCreate && 'Create the first one here. '}People who write to Support’s chat appear by themselves.
    </Nothing>
  );
}
