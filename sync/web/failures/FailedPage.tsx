import { CsvLink } from '@aether/ui/CsvLink.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, Group, NativeSelect } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { type Failed, failedQuery, freezeFailed } from '../api/operations.ts';
import { webhookOf } from '../api/webhooks.ts';
import { FilterField } from '../parts/FilterField.tsx';
import classes from '../parts/parts.module.css';
import { without } from '../parts/words.ts';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import { BulkDialog } from './BulkDialog.tsx';
import { Runs } from './Runs.tsx';
import type { FailedPageSearch } from './search.ts';
import { sayAttempts } from './words.ts';

const route = getRouteApi('/failures/$subscription');

const states = [
  { value: '', label: 'Failed' },
  { value: 'dead', label: 'Dead' },
  { value: 'retrying', label: 'Tried again' },
  { value: 'waiting', label: 'Waiting behind' },
];

/** The parked events of a subscription, and what is done about all that fit the filters. */
export function FailedPage() {
  const { subscription } = route.useParams();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const me = useMe();
  const [bulk, setBulk] = useState<'redrive' | 'skip'>();
  const filter = { subscription, ...search };
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(
    failedQuery(filter),
  );
  const events = data?.pages.flatMap((page) => page.events);
  const change = (next: { [Name in keyof FailedPageSearch]: FailedPageSearch[Name] | undefined }) =>
    void navigate({
      to: '/failures/$subscription',
      params: { subscription },
      search: without({ ...search, ...next }),
      replace: true,
    });
  const [first] = events ?? [];
  return (
    <>
      <PageHead
        title={`Failures of ${subscription}`}
        detail={
          first && search.cause && first.cause === search.cause ? `${first.error_class}: ${first.shape}` : undefined
        }
      />
      <div className={classes.page}>
        <p>
          <Link to="/failures">All causes</Link>
          {' · '}
          <ReaderLink subscription={subscription} />
        </p>
        <Runs />
        <div className={classes.bar}>
          <NativeSelect
            label="State"
            size="xs"
            data={states}
            value={search.state ?? ''}
            onChange={({ currentTarget: { value } }) =>
              change({ state: (value || undefined) as FailedPageSearch['state'] })
            }
          />
          <FilterField
            label="Customer"
            value={search.customer}
            placeholder="Its id"
            onChange={(customer) => change({ customer })}
          />
          <FilterField label="Key" value={search.key} onChange={(key) => change({ key })} />
          {search.cause && (
            <Button variant="default" onClick={() => change({ cause: undefined })}>
              Every cause
            </Button>
          )}
          <Group gap="xs" className={classes.end}>
            {me.isAdmin && search.state !== 'waiting' && events && events.length > 0 && (
              <>
                <Button onClick={() => setBulk('redrive')}>Try all again…</Button>
                <Button variant="default" onClick={() => setBulk('skip')}>
                  Skip all…
                </Button>
              </>
            )}
            <CsvLink path="/api/failures/events.csv" filters={filter} />
          </Group>
        </div>
        {error && <ErrorNotice title="The events could not be read" error={error} onRetry={refetch} />}
        {!events && !error && <Waiting />}
        {events?.length === 0 && (
          <Nothing title="No parked event fits" action={<Link to="/failures">To the causes</Link>}>
            It was handled or skipped, or a filter excludes it.
          </Nothing>
        )}
        {events && events.length > 0 && (
          <ul className={classes.list} aria-label="Parked events">
            {events.map((event) => (
              <FailedItem key={event.position} event={event} />
            ))}
          </ul>
        )}
        {hasNextPage && (
          <Button variant="default" onClick={() => void fetchNextPage()} loading={isFetchingNextPage}>
            Show more
          </Button>
        )}
      </div>
      {bulk && (
        <BulkDialog
          kind={bulk}
          of={subscription}
          freeze={() => freezeFailed(bulk, filter)}
          onClose={() => setBulk(undefined)}
        />
      )}
    </>
  );
}

function FailedItem({ event }: { event: Failed }) {
  const words = event.error ?? (event.shape === null ? event.key : `${event.error_class}: ${event.shape}`);
  return (
    <li className={classes.item}>
      <div className={classes.what}>
        <Link
          to="/failures/$subscription/$position"
          params={{ subscription: event.subscription, position: String(event.position) }}
        >
          {event.position} · {event.type ?? 'removed from the log'}
        </Link>
        <span className={classes.quiet}>{words}</span>
      </div>
      <span className={classes.quiet}>
        {event.state === 'dead' && `dead after ${sayAttempts(event.attempts)}`}
        {event.state === 'retrying' && event.attempt_at && (
          <>
            attempt {event.attempts + 1}: <When at={event.attempt_at} />
          </>
        )}
        {event.state === 'waiting' && 'waits behind another'}
      </span>
      <span className={classes.quiet}>
        parked <When at={event.parked_at} />
      </span>
    </li>
  );
}

/** Leads to what delivers the events: the webhook, or the subscription. */
function ReaderLink({ subscription }: { subscription: string }) {
  const webhook = webhookOf(subscription);
  return webhook ? (
    <Link to="/webhooks/$name" params={{ name: webhook }}>
      The webhook
    </Link>
  ) : (
    <Link to="/subscriptions/$name" params={{ name: subscription }}>
      The subscription
    </Link>
  );
}
