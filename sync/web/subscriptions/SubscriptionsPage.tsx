import { CsvLink } from '@aether/ui/CsvLink.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Group } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type Subscription, subscriptionsQuery } from '../api/operations.ts';
import classes from '../parts/parts.module.css';
import { sayCount, sayEvents } from '../parts/words.ts';
import { When } from '../times/When.tsx';
import { saySeconds } from './words.ts';

/** Every durable reader of the log: how far it is behind, and what holds it up. */
export function SubscriptionsPage() {
  const { data, error, refetch } = useQuery(subscriptionsQuery);
  const subscriptions = data?.subscriptions;
  return (
    <>
      <PageHead title="Subscriptions" detail={data && `the log is at ${data.head}`} />
      <div className={classes.page}>
        <div className={classes.bar}>
          <div className={classes.end}>
            <CsvLink path="/api/subscriptions.csv" filters={{}} />
          </div>
        </div>
        {error && (
          <ErrorNotice
            title={data ? 'What follows is old' : 'The subscriptions could not be read'}
            error={error}
            onRetry={refetch}
          />
        )}
        {!data && !error && <Waiting />}
        {subscriptions?.length === 0 && (
          <Nothing title="Nobody subscribes">An app that subscribes to events appears here.</Nothing>
        )}
        {subscriptions && subscriptions.length > 0 && (
          <ul className={classes.list} aria-label="Subscriptions">
            {subscriptions.map((each) => (
              <SubscriptionItem key={each.name} subscription={each} />
            ))}
          </ul>
        )}
      </div>
    </>
  );
}

function SubscriptionItem({ subscription: each }: { subscription: Subscription }) {
  return (
    <li className={classes.item} data-subscription={each.name}>
      <div className={classes.what}>
        <Link to="/subscriptions/$name" params={{ name: each.name }}>
          {each.name}
        </Link>
        <span className={classes.quiet}>{each.pause_reason ?? (each.types?.join(', ') || 'every type of event')}</span>
      </div>
      <Marks subscription={each} />
      <span className={classes.numbers}>
        {each.lag_events === 0 && !each.lag_is_partial
          ? 'up to date'
          : `${sayEvents(each.lag_events, each.lag_is_partial)}, ${saySeconds(each.lag_seconds)} behind`}
      </span>
      <span className={classes.quiet}>
        at {each.position}, moved <When at={each.moved_at} />
      </span>
    </li>
  );
}

/** What holds a subscription up, in words and not by colour alone. */
export function Marks({ subscription: each }: { subscription: Subscription }) {
  const failed = { subscription: each.name };
  return (
    <Group gap={6}>
      {each.is_paused && <Tag tone="warn">paused</Tag>}
      {each.replay_until > each.position && <Tag tone="accent">again until {each.replay_until}</Tag>}
      {each.dead > 0 && (
        <Link to="/failures/$subscription" params={failed} search={{ state: 'dead' }}>
          <Tag tone="bad">{sayCount(each.dead)} dead</Tag>
        </Link>
      )}
      {each.retrying > 0 && (
        <Link to="/failures/$subscription" params={failed} search={{ state: 'retrying' }}>
          <Tag tone="warn">{sayCount(each.retrying)} tried again</Tag>
        </Link>
      )}
      {each.waiting > 0 && (
        <Link to="/failures/$subscription" params={failed} search={{ state: 'waiting' }}>
          <Tag>{sayCount(each.waiting)} waiting</Tag>
        </Link>
      )}
    </Group>
  );
}
