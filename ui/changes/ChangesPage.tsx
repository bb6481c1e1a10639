import { Button, TextInput } from '@mantine/core';
import { IconHistory, IconLock } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { type MouseEvent, useRef } from 'react';
import { CsvLink } from '../CsvLink.tsx';
import { dayOf } from '../formats.ts';
import { useKeys } from '../Keys.tsx';
import { ErrorNotice, Nothing } from '../Notice.tsx';
import { Picker } from '../Picker.tsx';
import { daysOfSpan, type SpanName, spanLabels, spanNames } from '../reports/spans.ts';
import { PageHead } from '../Shell.tsx';
import { Waiting } from '../Waiting.tsx';
import { ActRow } from './ActRow.tsx';
import { type Change, changersQuery, changesQuery, filtersOf } from './calls.ts';
import classes from './changes.module.css';
import type { ChangesSearch } from './search.ts';
import { kindNames } from './words.ts';

type ChangesPageProps = {
  /** Only administrators see it. The server checks by itself. */
  isAdmin: boolean;
  /** The kinds of this app's settings. */
  kinds: readonly string[];
  placeOf: (change: Change) => string | undefined;
  search: ChangesSearch;
  onSearch: (search: ChangesSearch) => void;
  /** Goes to a page of this app. */
  go: (path: string) => void;
};

/** Who changed what in the settings of an app. J and K move through the acts, Enter opens the first setting of one. */
export function ChangesPage(props: ChangesPageProps) {
  if (!props.isAdmin)
    return (
      <Nothing icon={<IconLock size={28} />} title="For administrators">
        Ask one of them who changed a setting, or to make you one.
      </Nothing>
    );
  return (
    <>
      <PageHead title="Changes">
        <Filters {...props} />
      </PageHead>
      <ChangeList {...props} />
    </>
  );
}

function Filters({ kinds, search, onSearch }: ChangesPageProps) {
  const { data: changers } = useQuery(changersQuery);
  const { span, from, to, ...rest } = search;
  const isSpan = span !== undefined || from !== undefined;
  const today = dayOf(new Date());
  const days = isSpan ? daysOfSpan(search, 'year', today) : undefined;
  const pick = (given: { from?: string; to?: string }) => {
    const next = { from: days?.from ?? given.to ?? today, to: days?.to ?? today, ...given };
    // A day that is typed is unfinished for a while.
    if (next.from && next.to && next.from <= next.to) onSearch({ ...rest, ...next });
  };
  const without = (name: 'person' | 'kind', value: string | null): ChangesSearch => {
    const { [name]: _, key, ...others } = search;
    return {
      ...others,
      ...(name === 'person' && key !== undefined && { key }),
      ...(value !== null && { [name]: value }),
    };
  };
  return (
    <>
      <span className={classes.filters}>
        <Picker
          aria-label="Who changed it"
          w={170}
          clearable
          placeholder="Everybody"
          data={(changers?.people ?? []).map(({ id, name }) => ({ value: id, label: name }))}
          value={search.person ?? null}
          onChange={(person) => onSearch(without('person', person))}
        />
        <Picker
          aria-label="Kind of setting"
          w={160}
          clearable
          placeholder="All settings"
          data={kinds.map((kind) => ({ value: kind, label: kindNames[kind] ?? kind }))}
          value={search.kind ?? null}
          onChange={(kind) => onSearch(without('kind', kind))}
        />
        <Picker
          aria-label="Span of time"
          w={150}
          clearable
          placeholder="Any time"
          data={[
            ...spanNames.map((name) => ({ value: name as string, label: spanLabels[name] })),
            ...(from !== undefined ? [{ value: 'own', label: 'Own days' }] : []),
          ]}
          value={from !== undefined ? 'own' : (span ?? null)}
          onChange={(name) => onSearch(name === null || name === 'own' ? rest : { ...rest, span: name as SpanName })}
        />
        <TextInput
          type="date"
          aria-label="From"
          value={days?.from ?? ''}
          max={days?.to ?? today}
          onChange={(event) => pick({ from: event.currentTarget.value })}
        />
        <TextInput
          type="date"
          aria-label="To"
          value={days?.to ?? ''}
          min={days?.from}
          onChange={(event) => pick({ to: event.currentTarget.value })}
        />
      </span>
      <CsvLink path="/api/setting-changes.csv" filters={filtersOf(search)} />
    </>
  );
}

function ChangeList({ placeOf, search, onSearch, go }: ChangesPageProps) {
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(
    changesQuery(search),
  );
  const list = useRef<HTMLUListElement>(null);
  const acts = data?.pages.flatMap((page) => page.acts) ?? [];
  const isFiltered = Object.keys(search).length > 0;
  const step = (by: number) => {
    const rows = [...(list.current?.querySelectorAll<HTMLElement>('[data-act]') ?? [])];
    const place = rows.findIndex((row) => row.contains(document.activeElement));
    const row = rows[Math.min(Math.max(place + by, 0), rows.length - 1)];
    row?.focus();
    row?.scrollIntoView({ block: 'nearest' });
  };
  useKeys([
    { keys: 'j', label: 'Next change', group: 'Changes', run: () => step(1) },
    { keys: 'k', label: 'Change before', group: 'Changes', run: () => step(-1) },
    {
      keys: 'o',
      label: 'Open the setting that changed',
      group: 'Changes',
      run: () => document.activeElement?.closest('[data-act]')?.querySelector('a')?.click(),
    },
  ]);
  /** Links within the app change the page without loading it again. */
  const follow = (event: MouseEvent) => {
    const link = (event.target as Element).closest('a');
    const path = link?.getAttribute('href');
    if (!path || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(path);
  };
  return (
    <div className={classes.page}>
      <p className={classes.intro}>
        What was changed in the settings, by whom and from where; what was done at once is one entry. Secrets are never
        recorded.{' '}
        {search.key !== undefined && (
          <>
            Only one setting is shown.{' '}
            <Button variant="subtle" size="compact-xs" onClick={() => onSearch(allOfKind(search))}>
              Show all of its kind
            </Button>
          </>
        )}
      </p>
      {!data && !error && <Waiting lines={8} height={48} />}
      {error && !data && <ErrorNotice title="The changes could not be loaded" error={error} onRetry={refetch} />}
      {data && acts.length === 0 && (
        <Nothing
          icon={<IconHistory size={28} />}
          title={isFiltered ? 'No change is like that' : 'Nothing was changed yet'}
        >
          {isFiltered ? 'Choose another span, or take a filter away.' : 'The next change of a setting is listed here.'}
        </Nothing>
      )}
      {acts.length > 0 && (
        // biome-ignore lint/a11y/useKeyWithClickEvents: it only makes its links faster, which have keys of their own
        <ul ref={list} className={classes.acts} aria-label="Changes of settings" onClick={follow}>
          {acts.map((act) => (
            <ActRow key={act.id} act={act} placeOf={placeOf} />
          ))}
        </ul>
      )}
      {hasNextPage && (
        <Button variant="default" mt="md" loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
          Show more
        </Button>
      )}
    </div>
  );
}

const allOfKind = ({ key: _, ...search }: ChangesSearch): ChangesSearch => search;
