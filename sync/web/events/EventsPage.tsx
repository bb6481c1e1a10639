import { CsvLink } from '@aether/ui/CsvLink.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, NativeSelect } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { type ComponentProps, useEffect } from 'react';
import { type LoggedEvent, logChoicesQuery, logQuery } from '../api/operations.ts';
import { FilterField } from '../parts/FilterField.tsx';
import classes from '../parts/parts.module.css';
import { without } from '../parts/words.ts';
import { When } from '../times/When.tsx';
import type { EventsSearch } from './search.ts';
import { Why } from './Why.tsx';

const route = getRouteApi('/events');

const stretches = [
  { value: '', label: 'Any time' },
  { value: '1', label: 'The last hour' },
  { value: '24', label: 'The last day' },
  { value: '168', label: 'The last week' },
];
const hourMs = 3_600_000;

/** The log, the newest event first, by customer, row, type, app, person and time. */
export function EventsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetching, isFetchingNextPage } = useInfiniteQuery(
    logQuery(search),
  );
  const { data: choices } = useQuery(logChoicesQuery);
  const events = data?.pages.flatMap((page) => page.events);
  // A search of something rare goes on by itself, stretch by stretch, until the first page of events is found.
  const isSearching = events?.length === 0 && hasNextPage && !error;
  useEffect(() => {
    if (isSearching && !isFetching) void fetchNextPage();
  }, [isSearching, isFetching, fetchNextPage]);
  const last = data?.pages.at(-1);
  const customer = data?.pages[0]?.customer ?? undefined;
  const change = (next: { [Name in keyof EventsSearch]: string | undefined }) =>
    void navigate({ to: '/events', search: without({ ...search, ...next }), replace: true });
  const field = (label: string, name: keyof EventsSearch, placeholder?: string) => (
    <FilterField
      label={label}
      value={search[name]}
      {...(placeholder && { placeholder })}
      onChange={(value) => change({ [name]: value })}
    />
  );
  const pick = (label: string, name: keyof EventsSearch, data: ComponentProps<typeof Picker>['data'] = []) => (
    <Picker
      label={label}
      size="xs"
      placeholder="Any"
      clearable
      data={data}
      value={search[name] ?? null}
      text={search[name]}
      onChange={(value) => change({ [name]: value ?? undefined })}
    />
  );
  return (
    <>
      <PageHead title="Events" />
      <div className={classes.page}>
        <div className={classes.bar}>
          {field('Customer', 'customer', 'Its id')}
          {field('Address', 'address', 'ada@example.com')}
          {pick('Type', 'type', choices?.types)}
          {pick('App', 'app', choices?.apps)}
          {pick(
            'Person',
            'actor',
            choices?.people.map(({ id, name }) => ({ value: id, label: name })),
          )}
          {field('Key', 'key')}
          <NativeSelect
            label="Time"
            size="xs"
            data={
              search.since || search.until ? [...stretches, { value: 'given', label: 'As in the address' }] : stretches
            }
            value={search.since || search.until ? 'given' : ''}
            onChange={({ currentTarget: { value } }) =>
              change({
                until: undefined,
                since: value === '' ? undefined : new Date(Date.now() - Number(value) * hourMs).toISOString(),
              })
            }
          />
          <Button variant="default" onClick={() => void refetch()} loading={isFetching && !isFetchingNextPage}>
            Look again
          </Button>
          <div className={classes.end}>
            <CsvLink path="/api/log.csv" filters={search} />
          </div>
        </div>
        {customer && <Why customer={customer} />}
        {error && <ErrorNotice title="The log could not be searched" error={error} onRetry={refetch} />}
        {!events && !error && <Waiting />}
        {events?.length === 0 && !hasNextPage && (
          <Nothing title="No event fits">
            Nothing in the log fits these filters. Events are kept for as long as the worker is told to.
          </Nothing>
        )}
        {events && events.length > 0 && (
          <ul className={classes.list} aria-label="Events">
            {events.map((event) => (
              <EventItem key={event.position} event={event} />
            ))}
          </ul>
        )}
        {isSearching && <Waiting />}
        {hasNextPage && (
          <Button variant="default" onClick={() => void fetchNextPage()} loading={isFetchingNextPage}>
            {last && last.events.length === 0 ? `Search on before ${last.next_cursor}` : 'Show more'}
          </Button>
        )}
      </div>
    </>
  );
}

function EventItem({ event }: { event: LoggedEvent }) {
  const changed = Object.keys(event.previous);
  return (
    <li className={classes.item}>
      <div className={classes.what}>
        <Link to="/events/$position" params={{ position: String(event.position) }}>
          {event.position} · {event.type}
          {event.customer_name && ` · ${event.customer_name}`}
        </Link>
        <span className={classes.quiet}>{changed.length > 0 ? changed.join(', ') : event.key}</span>
      </div>
      <span className={classes.quiet}>
        {event.actor_name ?? event.actor ?? event.login} in {event.app}
      </span>
      <span className={classes.quiet}>
        <When at={event.occurred_at} />
      </span>
    </li>
  );
}
