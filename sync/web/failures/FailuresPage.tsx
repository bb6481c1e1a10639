import { CsvLink } from '@aether/ui/CsvLink.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { type Cause, causesQuery } from '../api/operations.ts';
import { Sparkline } from '../charts/Sparkline.tsx';
import { FilterField } from '../parts/FilterField.tsx';
import classes from '../parts/parts.module.css';
import { sayCount, sayEvents, without } from '../parts/words.ts';
import { When } from '../times/When.tsx';
import { Runs } from './Runs.tsx';

const route = getRouteApi('/failures');

/** What is parked because it failed, grouped by cause; above it the bulk work that is under way. */
export function FailuresPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(
    causesQuery(search),
  );
  const causes = data?.pages.flatMap((page) => page.causes);
  const change = (next: { search?: string | undefined; subscription?: string | undefined }) =>
    void navigate({ to: '/failures', search: without({ ...search, ...next }), replace: true });
  const isFiltered = search.subscription !== undefined || search.search !== undefined;
  return (
    <>
      <PageHead title="Failures" />
      <div className={classes.page}>
        <Runs />
        <div className={classes.bar}>
          <FilterField label="Error" value={search.search} onChange={(text) => change({ search: text })} />
          <FilterField
            label="Subscription"
            value={search.subscription}
            placeholder="support.cache"
            onChange={(subscription) => change({ subscription })}
          />
          <div className={classes.end}>
            <CsvLink path="/api/failures.csv" filters={search} />
          </div>
        </div>
        {error && <ErrorNotice title="The failures could not be read" error={error} onRetry={refetch} />}
        {!causes && !error && <Waiting />}
        {causes?.length === 0 && (
          <Nothing title={isFiltered ? 'No failure fits these filters' : 'Nothing has failed'}>
            {isFiltered ? 'Remove a filter to see more.' : 'No event is parked because it failed.'}
          </Nothing>
        )}
        {causes && causes.length > 0 && (
          <ul className={classes.list} aria-label="Causes">
            {causes.map((cause) => (
              <CauseItem key={`${cause.subscription} ${cause.cause}`} cause={cause} />
            ))}
          </ul>
        )}
        {hasNextPage && (
          <Button variant="default" onClick={() => void fetchNextPage()} loading={isFetchingNextPage}>
            Show more
          </Button>
        )}
      </div>
    </>
  );
}

function CauseItem({ cause }: { cause: Cause }) {
  const { events, dead, customers, subscription } = cause;
  const isCapped = events > 10_000;
  const name = `${cause.error_class}: ${cause.shape || 'without words'}`;
  return (
    <li className={classes.item}>
      <div className={classes.what}>
        <Link to="/failures/$subscription" params={{ subscription }} search={{ cause: cause.cause }}>
          {name}
        </Link>
        <span className={classes.quiet}>
          {subscription} · first <When at={cause.first_at} />, last <When at={cause.last_at} />
        </span>
      </div>
      <span className={classes.numbers}>
        <b>{sayEvents(events)}</b>
        <span className={classes.quiet}>
          {' '}
          · {sayCount(customers, isCapped)} customers blocked · {sayCount(dead, isCapped)} dead
        </span>
      </span>
      <Sparkline label="failed attempts by the hour, of the last 24 hours" values={cause.by_hour} />
      <Link
        to="/events/$position"
        params={{ position: String(cause.sample_position) }}
        aria-label={`A sample of ${name}`}
      >
        Sample
      </Link>
    </li>
  );
}
