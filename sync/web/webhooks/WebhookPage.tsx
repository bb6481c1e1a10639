import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { Refusal } from '@aether/ui/refusal.ts';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Group } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { healthQuery } from '../api/health.ts';
import { type Subscription, subscriptionsQuery } from '../api/operations.ts';
import { subscriptionOf, type Webhook, webhookQuery } from '../api/webhooks.ts';
import { StatusLine } from '../consumers/StatusLine.tsx';
import { Operations } from '../parts/Operations.tsx';
import classes from '../parts/parts.module.css';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import { Acts } from './Acts.tsx';
import { Attempts } from './Attempts.tsx';
import { Parked, sayLag } from './WebhooksPage.tsx';
import { explainCode, sayState } from './words.ts';

const route = getRouteApi('/webhooks/$name');

/** One webhook: how it gets on, what its receiver answered, what is done about it, and what was done. */
export function WebhookPage() {
  const { name } = route.useParams();
  const { isAdmin } = useMe();
  const { data, error, refetch } = useQuery(webhookQuery(name));
  const check = useQuery(healthQuery).data?.checks.find(({ slug }) => slug === `webhook:${name}`);
  const subscription = useQuery(subscriptionsQuery).data?.subscriptions.find(
    (each) => each.name === subscriptionOf(name),
  );
  const isGone = error instanceof Refusal && (error.status === 404 || error.status === 422);
  const webhook = isGone ? undefined : data?.webhook;
  return (
    <>
      <PageHead title={name} detail={webhook && `a webhook of ${webhook.app}`} />
      <div className={classes.page}>
        <p>
          <Link to="/webhooks">All webhooks</Link>
        </p>
        <LastChanged kind="webhook" of={name} at="/changes" />
        {error && !isGone && (
          <ErrorNotice
            title={data ? 'What follows is old' : 'The webhook could not be read'}
            error={error}
            onRetry={refetch}
          />
        )}
        {!data && !error && <Waiting />}
        {isGone && <Nothing title="There is no such webhook">It was removed, or its name is another one.</Nothing>}
        {webhook && check && <StatusLine check={check} subject={name} />}
        {webhook && <Facts webhook={webhook} subscription={subscription} isSaid={check !== undefined} />}
        {webhook && isAdmin && <Acts webhook={webhook} subscription={subscription} />}
        {webhook && <Attempts attempts={data?.attempts ?? []} />}
        <Operations of={{ webhook: name }} />
      </div>
    </>
  );
}

type FactsProps = {
  webhook: Webhook;
  subscription: Subscription | undefined;
  /** Its check says already how it is. */
  isSaid: boolean;
};

function Facts({ webhook, subscription, isSaid }: FactsProps) {
  const { name, app, url, types, failing_since: failingSince, failure, former_ends_at: formerEndsAt } = webhook;
  const { tone, word } = sayState(webhook, subscription);
  const reason = webhook.disabled_reason ?? subscription?.pause_reason;
  return (
    <>
      <Group gap={6} mb="xs">
        {(!isSaid || word === 'paused') && <Tag tone={tone}>{word}</Tag>}
        <Parked name={name} parked={webhook.parked} />
        {webhook.test_asked_at !== null && <Tag tone="accent">a test waits for the worker</Tag>}
      </Group>
      <dl className={classes.facts}>
        {reason && (
          <>
            <dt>Because</dt>
            <dd>
              {reason}
              {webhook.disabled_at !== null && (
                <>
                  {' '}
                  (<When at={webhook.disabled_at} />)
                </>
              )}
            </dd>
          </>
        )}
        {failingSince !== null && (
          <>
            <dt>Fails</dt>
            <dd>
              for <When at={failingSince} as="length" />
              {failure !== null && `: ${failure}. ${explainCode(failure) ?? ''}`}
            </dd>
          </>
        )}
        <dt>Address</dt>
        <dd>{url}</dd>
        <dt>App</dt>
        <dd>
          <Link to="/apps" search={{ app }}>
            {app}
          </Link>
        </dd>
        <dt>Types</dt>
        <dd>{types.join(', ')}</dd>
        <dt>Delivered</dt>
        <dd>{webhook.delivered_at === null ? 'nothing yet' : <When at={webhook.delivered_at} />}</dd>
        <dt>Behind</dt>
        <dd>
          {subscription ? (
            <>
              {sayLag(subscription)}, at position {subscription.position} of the subscription{' '}
              <Link to="/subscriptions/$name" params={{ name: subscription.name }}>
                {subscription.name}
              </Link>
            </>
          ) : webhook.disabled_at === null ? (
            'it begins'
          ) : (
            'it has no subscription while it is disabled: the log is not held for it'
          )}
        </dd>
        <dt>Secret</dt>
        <dd>
          {formerEndsAt === null ? (
            'one'
          ) : (
            <>
              a new one, and the former one until <When at={formerEndsAt} as="moment" />
            </>
          )}
        </dd>
        <dt>Added</dt>
        <dd>
          <When at={webhook.created_at} />
        </dd>
      </dl>
    </>
  );
}
