import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { eventQuery, type LoggedEvent } from '../api/operations.ts';
import classes from '../parts/parts.module.css';
import { When } from '../times/When.tsx';
import { ConsumerEffects } from './ConsumerEffects.tsx';
import { Effects } from './Effects.tsx';
import { isTime, sayValue } from './words.ts';

const route = getRouteApi('/events/$position');

/** One event with its trace: the request that caused it, the change, and what each subscription made of it. */
export function EventPage() {
  const { position } = route.useParams();
  const { data, error, refetch } = useQuery(eventQuery(Number(position)));
  const event = data?.event;
  return (
    <>
      <PageHead title={`Event ${position}`} detail={event?.type} />
      <div className={classes.page}>
        <p>
          <Link to="/events">All events</Link>
        </p>
        {error && <ErrorNotice title="The event could not be read" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {event && (
          <>
            <h2 className={classes.title}>Request</h2>
            <Request event={event} />
            <h2 className={classes.title}>Change</h2>
            <Change event={event} />
            <h2 className={classes.title}>Subscriptions</h2>
            <Effects event={event} effects={data.effects} />
            <ConsumerEffects effects={data.consumers} />
          </>
        )}
      </div>
    </>
  );
}

function Request({ event }: { event: LoggedEvent }) {
  return (
    <dl className={classes.facts}>
      <dt>Who</dt>
      <dd>
        {event.actor === null ? (
          'no person'
        ) : (
          <Link to="/events" search={{ actor: event.actor }}>
            {event.actor_name ?? event.actor}
          </Link>
        )}
        , in {event.app}, with the login {event.login}
      </dd>
      <dt>Happened</dt>
      <dd>
        <When at={event.occurred_at} as="moment" />
      </dd>
      <dt>Numbered</dt>
      <dd>
        <When at={event.sequenced_at} as="moment" />
      </dd>
      <dt>Trace</dt>
      <dd>{event.trace ?? 'none'}</dd>
      <dt>Customer</dt>
      <dd>
        {event.customer === null ? (
          'none'
        ) : (
          <Link to="/events" search={{ customer: event.customer }}>
            {event.customer_name ?? event.customer}
          </Link>
        )}
      </dd>
      <dt>Key</dt>
      <dd>
        <Link to="/events" search={{ key: event.key }}>
          {event.key}
        </Link>
        {event.version !== null && `, version ${event.version}`}
      </dd>
    </dl>
  );
}

function Change({ event: { data, previous, withheld } }: { event: LoggedEvent }) {
  const columns = [...new Set([...Object.keys(previous), ...Object.keys(data)])];
  return (
    <>
      {withheld.audience && <p className={classes.quiet}>Only administrators see what this app’s events hold.</p>}
      {withheld.columns.length > 0 && (
        <p className={classes.quiet}>
          The console does not show the text of messages and notes: {withheld.columns.join(', ')}.
        </p>
      )}
      {columns.length > 0 && (
        <table className={`${classes.changes} ${classes.stacked}`}>
          <thead>
            <tr>
              <th scope="col" className={classes.column}>
                Column
              </th>
              <th scope="col">Before</th>
              <th scope="col">After</th>
            </tr>
          </thead>
          <tbody>
            {columns.map((column) => (
              <tr key={column}>
                <th scope="row">{column}</th>
                <td data-label="Before">{column in previous && <Value value={previous[column]} />}</td>
                <td data-label="After">{column in data && <Value value={data[column]} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

const Value = ({ value }: { value: unknown }) => (isTime(value) ? <When at={value} as="moment" /> : sayValue(value));
