import { CsvLink } from '@aether/ui/CsvLink.tsx';
import { useKeys } from '@aether/ui/Keys.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { ForChanges } from '@aether/ui/reading.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, SegmentedControl } from '@mantine/core';
import { IconLayoutKanban, IconPlus, IconX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { companyQuery } from '../api/companies.ts';
import { pipelinesQuery } from '../api/pipelines.ts';
import { PersonPicker } from '../inputs/Picker.tsx';
import { SearchInput } from '../inputs/SearchInput.tsx';
import { useMe } from '../shell/person.ts';
import { ViewBar } from '../views/ViewBar.tsx';
import { Board } from './Board.tsx';
import { DealTable } from './DealTable.tsx';
import { NewDeal } from './NewDeal.tsx';
import { ofReports, ReportFilter } from './ReportFilter.tsx';
import type { DealSearch } from './search.ts';

/** The deals of a pipeline, on a board or as a list. */
export function DealsPage() {
  const me = useMe();
  const { create, view, everywhere, company, ...filters } = useSearch({ from: '/deals' });
  const isEverywhere = view === 'list' && (everywhere === true || company !== undefined);
  const navigate = useNavigate({ from: '/deals' });
  const change = (part: Partial<DealSearch>) =>
    void navigate({ search: (search) => ({ ...search, ...part }), replace: true });
  const { data, error, refetch } = useQuery(pipelinesQuery);
  const pipeline = data?.pipelines.find(({ id }) => id === filters.pipeline) ?? data?.pipelines[0];
  useKeys([
    ...(me.isReader ? [] : [{ keys: 'c', label: 'New deal', group: 'Deals', run: () => change({ create: true }) }]),
    { keys: 'v', label: 'Board or list', group: 'Deals', run: () => change({ view: view ? undefined : 'list' }) },
  ]);
  const { sort: _sort, dir: _dir, ...kept } = filters;
  if (error) return <ErrorNotice title="The pipelines could not be loaded" error={error} onRetry={refetch} />;
  if (!data) return <Waiting />;
  if (!pipeline) return <NoPipeline isAdmin={me.isAdmin} />;
  return (
    <>
      <PageHead title="Deals">
        {view === 'list' && company && (
          <OfCompany id={company} onClear={() => change({ company: undefined, status: undefined })} />
        )}
        {data.pipelines.length > 1 && !company && (
          <Picker
            aria-label="Pipeline"
            w={170}
            data={[
              ...(view === 'list' ? [{ value: 'all', label: 'All pipelines' }] : []),
              ...data.pipelines.map(({ id, name }) => ({ value: String(id), label: name })),
            ]}
            value={isEverywhere ? 'all' : String(pipeline.id)}
            onChange={(id) =>
              change(
                id === 'all'
                  ? { everywhere: true, pipeline: undefined, stage: undefined }
                  : { everywhere: undefined, pipeline: Number(id), stage: undefined },
              )
            }
          />
        )}
        <SearchInput
          label="Search deals"
          value={filters.search ?? ''}
          onChange={(search) => change({ search: search || undefined })}
        />
        <PersonPicker
          isFilter
          aria-label="Owner"
          placeholder="Any owner"
          w={160}
          value={filters.owner ?? null}
          onChange={(owner) => change({ owner: owner ?? undefined })}
        />
        <SegmentedControl
          aria-label="Board or list"
          data={[
            { value: 'board', label: 'Board' },
            { value: 'list', label: 'List' },
          ]}
          value={view ?? 'board'}
          onChange={(value) => change({ view: value === 'list' ? 'list' : undefined })}
        />
        <CsvLink
          path="/api/deals.csv"
          filters={{ ...kept, company_id: company, pipeline: isEverywhere ? undefined : pipeline.id }}
        />
        <ForChanges>
          <Button leftSection={<IconPlus size={15} />} onClick={() => change({ create: true })}>
            New deal
          </Button>
        </ForChanges>
      </PageHead>
      <ViewBar
        page="deals"
        search={{ ...filters, view, everywhere, company }}
        fixed={[
          { name: 'All', search: {} },
          { name: 'Mine', search: { owner: me.id } },
          { name: 'Closing soon', search: { view: 'list', status: 'open', sort: 'close', dir: 'asc' } },
          { name: 'Won', search: { view: 'list', status: 'won', sort: 'updated', dir: 'desc' } },
        ]}
      />
      {view === 'list' && (
        <ReportFilter
          search={filters}
          onClear={() => change(Object.fromEntries(ofReports.map((name) => [name, undefined])))}
        />
      )}
      {view === 'list' ? (
        <DealTable
          filters={{ ...filters, company_id: company, pipeline: isEverywhere ? undefined : pipeline.id }}
          onChange={change}
        />
      ) : (
        <Board pipelineId={pipeline.id} filters={{ owner: filters.owner, search: filters.search }} />
      )}
      {create && !me.isReader && <NewDeal pipelineId={pipeline.id} onClose={() => change({ create: undefined })} />}
    </>
  );
}

/** Says whose deals the list has, and takes that filter away. */
function OfCompany({ id, onClear }: { id: string; onClear: () => void }) {
  const { data } = useQuery(companyQuery(id));
  const name = data?.company.name ?? 'one company';
  return (
    <Button
      variant="light"
      rightSection={<IconX size={14} />}
      aria-label={`Only ${name}; show the deals of all companies`}
      onClick={onClear}
    >
      {name}
    </Button>
  );
}

function NoPipeline({ isAdmin }: { isAdmin: boolean }) {
  return (
    <Nothing
      icon={<IconLayoutKanban size={28} />}
      title="No pipeline yet"
      action={isAdmin && <Link to="/settings/pipelines">Create a pipeline</Link>}
    >
      Deals move along the stages of a pipeline.{!isAdmin && ' Ask an administrator to create one.'}
    </Nothing>
  );
}
