import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, Group } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { type Subscription, subscriptionsQuery } from '../api/operations.ts';
import { subscriptionOf, type Webhook, webhooksQuery } from '../api/webhooks.ts';
import classes from '../parts/parts.module.css';
import { sayCount } from '../parts/words.ts';
import { useMe } from '../shell/person.ts';
import { saySeconds } from '../subscriptions/words.ts';
import { When } from '../times/When.tsx';
import { AddDialog } from './AddDialog.tsx';
import { SecretDialog } from './SecretDialog.tsx';
import { explainCode, sayState, shortenAddress } from './words.ts';

const route = getRouteApi('/webhooks');

/** The addresses that are told of events: how each gets on, and a new one. */
export function WebhooksPage() {
  const { app, add } = route.useSearch();
  const navigate = route.useNavigate();
  const { isAdmin } = useMe();
  const { data, error, refetch } = useQuery(webhooksQuery);
  const subscriptions = useQuery(subscriptionsQuery).data?.subscriptions;
  const [made, setMade] = useState<{ name: string; secret: string }>();
  const webhooks = data?.webhooks.filter((each) => app === undefined || each.app === app);
  const ask = (isAsked: boolean) =>
    void navigate({
      to: '/webhooks',
      search: { ...(app && { app }), ...(isAsked && { add: 'yes' }) },
      replace: true,
    });
  return (
    <>
      <PageHead title="Webhooks" detail={app ? `of ${app}` : 'addresses that are told of events'} />
      <div className={classes.page}>
        <div className={classes.bar}>
          {app && <Link to="/webhooks">All webhooks</Link>}
          {isAdmin && (
            <Button className={classes.end} onClick={() => ask(true)}>
              Add a webhook…
            </Button>
          )}
        </div>
        {error && (
          <ErrorNotice
            title={data ? 'What follows is old' : 'The webhooks could not be read'}
            error={error}
            onRetry={refetch}
          />
        )}
        {!data && !error && <Waiting />}
        {webhooks?.length === 0 && (
          <Nothing title={app ? `${app} has no webhook` : 'No app has a webhook'}>
            The worker posts a signed message to a webhook’s address for each event of its types.
            {!isAdmin && ' An administrator adds one.'}
          </Nothing>
        )}
        {webhooks && webhooks.length > 0 && (
          <ul className={classes.list} aria-label="Webhooks">
            {webhooks.map((each) => (
              <WebhookItem
                key={each.name}
                webhook={each}
                subscription={subscriptions?.find(({ name }) => name === subscriptionOf(each.name))}
              />
            ))}
          </ul>
        )}
        {isAdmin && add && !made && <AddDialog app={app} onDone={setMade} onClose={() => ask(false)} />}
        {made && (
          <SecretDialog
            {...made}
            onClose={() => void navigate({ to: '/webhooks/$name', params: { name: made.name }, search: {} })}
          />
        )}
      </div>
    </>
  );
}

function WebhookItem({ webhook, subscription }: { webhook: Webhook; subscription: Subscription | undefined }) {
  const { name, url, types, failing_since: failingSince, failure, delivered_at: deliveredAt } = webhook;
  const { tone, word } = sayState(webhook, subscription);
  const reason = webhook.disabled_reason ?? subscription?.pause_reason;
  return (
    <li className={classes.item} data-webhook={name}>
      <div className={classes.what}>
        <Link to="/webhooks/$name" params={{ name }}>
          {name}
        </Link>
        <span className={classes.quiet}>
          {shortenAddress(url)} · {types.join(', ')}
        </span>
        {reason && <span>{reason}</span>}
        {!reason && failingSince !== null && (
          <span>
            Nothing was taken for <When at={failingSince} as="length" />
            {failure !== null && `: ${failure}. ${explainCode(failure) ?? ''}`}
          </span>
        )}
      </div>
      <Group gap={6}>
        <Tag tone={tone}>{word}</Tag>
        <Parked name={name} parked={webhook.parked} />
      </Group>
      {subscription && <span className={classes.numbers}>{sayLag(subscription)}</span>}
      <span className={classes.quiet}>
        {deliveredAt === null ? (
          'never delivered'
        ) : (
          <>
            delivered <When at={deliveredAt} />
          </>
        )}
      </span>
    </li>
  );
}

/** How far a webhook is behind. */
export const sayLag = ({
  lag_events: events,
  lag_is_partial: isPartial,
  lag_seconds: seconds,
}: Subscription): string =>
  events === 0 && !isPartial
    ? 'up to date'
    : `${sayCount(events, isPartial)} ${events === 1 ? 'event' : 'events'}, ${saySeconds(seconds)} behind`;

/** Leads to the events that wait for a person, and those behind them. */
export function Parked({ name, parked }: Pick<Webhook, 'name' | 'parked'>) {
  if (parked === 0) return null;
  return (
    <Link to="/failures/$subscription" params={{ subscription: subscriptionOf(name) }}>
      <Tag tone="bad">{sayCount(parked)} parked</Tag>
    </Link>
  );
}
