import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { read } from '@aether/ui/request.ts';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showDone } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, Group } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { failures } from '../api/clients.ts';
import { stoppedQuery } from '../api/operations.ts';
import classes from '../parts/parts.module.css';
import { ReasonDialog } from '../parts/ReasonDialog.tsx';
import { sayEvents } from '../parts/words.ts';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import { Attempts } from './Attempts.tsx';
import { sayAttempts } from './words.ts';

const route = getRouteApi('/failures/$subscription/$position');

/** One parked event: why it stopped, what waits behind it, and what a skip would let run. */
export function StoppedPage() {
  const { subscription, position } = route.useParams();
  const { data, error, refetch } = useQuery(stoppedQuery(subscription, Number(position)));
  const me = useMe();
  const client = useQueryClient();
  const navigate = route.useNavigate();
  const [asked, setAsked] = useState<'redrive' | 'skip'>();
  const param = { subscription, position };
  const over = () => {
    setAsked(undefined);
    void client.invalidateQueries();
  };
  const event = data?.event;
  return (
    <>
      <PageHead title={`Event ${position} at ${subscription}`} detail={event?.type ?? undefined} />
      <div className={classes.page}>
        <Group gap="md" mb="sm">
          <Link to="/failures/$subscription" params={{ subscription }}>
            Failures of {subscription}
          </Link>
          <Link to="/events/$position" params={{ position }}>
            The event and its trace
          </Link>
        </Group>
        {error && <ErrorNotice title="Nothing is parked here" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data && event && (
          <>
            <dl className={classes.facts}>
              <dt>State</dt>
              <dd>
                {event.state === 'dead' && `Dead after ${sayAttempts(event.attempts)}: it waits for a person.`}
                {event.state === 'retrying' && event.attempt_at && (
                  <>
                    Attempt {event.attempts + 1} is due: <When at={event.attempt_at} />.
                  </>
                )}
                {event.state === 'waiting' && data.behind === null && 'It is next.'}
                {event.state === 'waiting' && data.behind !== null && (
                  <>
                    It waits behind{' '}
                    <Link
                      to="/failures/$subscription/$position"
                      params={{ subscription, position: String(data.behind) }}
                    >
                      event {data.behind}
                    </Link>
                    .
                  </>
                )}
              </dd>
              <dt>Customer</dt>
              <dd>
                {event.customer === null ? (
                  'none'
                ) : (
                  <Link to="/events" search={{ customer: event.customer }}>
                    {event.customer}
                  </Link>
                )}
              </dd>
              <dt>Key</dt>
              <dd>{event.key}</dd>
              <dt>Waiting behind it</dt>
              <dd>{sayEvents(data.waiting_count)}</dd>
              {event.state !== 'waiting' && (
                <>
                  <dt>A skip lets run</dt>
                  <dd>
                    {data.freed_count === 0 ? 'nothing' : `${sayEvents(data.freed_count)}, first ${data.runs_next}`}
                  </dd>
                </>
              )}
            </dl>
            {event.shape !== null && (
              <pre className={classes.error}>{event.error ?? `${event.error_class}: ${event.shape}`}</pre>
            )}
            {me.isAdmin && event.state !== 'waiting' && (
              <Group gap="xs" mb="md">
                <Button onClick={() => setAsked('redrive')}>Try again…</Button>
                <Button variant="default" onClick={() => setAsked('skip')}>
                  Skip…
                </Button>
              </Group>
            )}
            <Attempts attempts={data.attempts} />
            {data.waiting.length > 0 && (
              <>
                <h2 className={classes.title}>Waiting behind it</h2>
                <ul className={classes.list}>
                  {data.waiting.map((each) => (
                    <li key={each.position} className={classes.item}>
                      <Link to="/events/$position" params={{ position: String(each.position) }}>
                        {each.position} · {each.type ?? 'removed from the log'}
                      </Link>
                      <span className={classes.quiet}>{each.key}</span>
                    </li>
                  ))}
                </ul>
              </>
            )}
          </>
        )}
      </div>
      {asked === 'redrive' && (
        <ReasonDialog
          title="Try the event again"
          verb="Try again"
          isOptional
          act={(reason) =>
            read(
              failures.events[':subscription'][':position'].redrive.$post({
                param,
                json: { ...(reason && { reason }) },
              }),
            )
          }
          onDone={({ redriven }) => {
            over();
            showDone(redriven === 1 ? 'It is tried again, from its first attempt on.' : 'It had not failed any more.');
          }}
          onClose={() => setAsked(undefined)}
        >
          It is tried at once, and its attempts are counted from one again.
        </ReasonDialog>
      )}
      {asked === 'skip' && data && (
        <ReasonDialog
          title="Skip the event"
          verb="Skip it"
          color="red"
          act={(reason) => read(failures.events[':subscription'][':position'].skip.$post({ param, json: { reason } }))}
          onDone={({ skipped }) => {
            over();
            if (skipped === 1) showDone(`Event ${position} is skipped.`);
            void navigate({ to: '/failures/$subscription', params: { subscription } });
          }}
          onClose={() => setAsked(undefined)}
        >
          {subscription} never handles it. {data.freed_count === 0 ? 'Nothing' : sayEvents(data.freed_count)} behind it
          can go on. There is no undo: it would come behind what is handled from now on. The page of the event leads to
          a replay, which lets {subscription} handle the events of the customer or of the row again, in their order.
        </ReasonDialog>
      )}
    </>
  );
}
