import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { read } from '@aether/ui/request.ts';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showDone, showUndo } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, Group } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { subscriptions } from '../api/clients.ts';
import { type Subscription, subscriptionsQuery } from '../api/operations.ts';
import { webhookOf } from '../api/webhooks.ts';
import { Operations } from '../parts/Operations.tsx';
import classes from '../parts/parts.module.css';
import { ReasonDialog } from '../parts/ReasonDialog.tsx';
import { sayEvents } from '../parts/words.ts';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import { ReplayDialog } from './ReplayDialog.tsx';
import { Marks } from './SubscriptionsPage.tsx';
import { saySeconds } from './words.ts';

const route = getRouteApi('/subscriptions/$name');

/** One subscription: where it is, what is done about it, and what was done. */
export function SubscriptionPage() {
  const { name } = route.useParams();
  const { data, error, refetch } = useQuery(subscriptionsQuery);
  const each = data?.subscriptions.find((one) => one.name === name);
  return (
    <>
      <PageHead title={name} detail={each && `read by ${each.app}`} />
      <div className={classes.page}>
        <p>
          <Link to="/subscriptions">All subscriptions</Link>
        </p>
        {error && <ErrorNotice title="The subscription could not be read" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data && !each && (
          <Nothing title="There is no such subscription">
            It was removed, or no app has registered it yet. A process that runs it begins it again.
          </Nothing>
        )}
        {each && <Facts subscription={each} />}
        {each && <Acts subscription={each} />}
        <Operations of={{ subscription: name }} />
      </div>
    </>
  );
}

function Facts({ subscription: each }: { subscription: Subscription }) {
  return (
    <>
      <Marks subscription={each} />
      <dl className={classes.facts}>
        <Reader subscription={each} />
        <dt>Position</dt>
        <dd>
          {each.position}, moved <When at={each.moved_at} />
        </dd>
        <dt>Behind</dt>
        <dd>
          {sayEvents(each.lag_events, each.lag_is_partial)} of its types, {each.behind_positions} positions; the oldest
          waits for {saySeconds(each.lag_seconds)}
        </dd>
        <dt>Types</dt>
        <dd>{each.types?.join(', ') ?? 'every type that its app may see'}</dd>
        <dt>A failure holds back</dt>
        <dd>{each.holds === 'customer' ? 'the customer’s later events' : 'the row’s later events'}</dd>
        {each.shares > 1 && (
          <>
            <dt>Shares</dt>
            <dd>
              {each.shares}, worked by {each.readers} {each.readers === 1 ? 'process' : 'processes'}
              <ul className={classes.list}>
                {each.share_positions.map(({ share, position, behind, reader, moved_at }) => (
                  <li key={share}>
                    Share {share}: {position}, {behind} positions behind, moved <When at={moved_at} />
                    {reader !== null && ` by ${reader}`}
                  </li>
                ))}
              </ul>
            </dd>
          </>
        )}
        {each.pause_reason !== null && (
          <>
            <dt>Paused because</dt>
            <dd>{each.pause_reason}</dd>
          </>
        )}
        <dt>Began</dt>
        <dd>
          <When at={each.created_at} />
        </dd>
      </dl>
    </>
  );
}

/** For whom it reads: a webhook, an app, or the worker itself. */
function Reader({ subscription: { name, app } }: { subscription: Subscription }) {
  const webhook = webhookOf(name);
  if (webhook)
    return (
      <>
        <dt>Delivers</dt>
        <dd>
          the webhook{' '}
          <Link to="/webhooks/$name" params={{ name: webhook }}>
            {webhook}
          </Link>
        </dd>
      </>
    );
  if (app === 'sync') return null;
  return (
    <>
      <dt>App</dt>
      <dd>
        <Link to="/apps" search={{ app }}>
          {app}
        </Link>
      </dd>
    </>
  );
}

function Acts({
  subscription: { name, app, is_paused: isPaused, dead, retrying, waiting },
}: {
  subscription: Subscription;
}) {
  const me = useMe();
  const client = useQueryClient();
  const navigate = route.useNavigate();
  const { replay, ...whose } = route.useSearch();
  const [asked, setAsked] = useState<'pause' | 'resume' | 'remove'>();
  if (!me.isAdmin) return null;
  // The replay is in the address, so that other pages lead to it.
  const askReplay = (isAsked: boolean) =>
    void navigate({
      to: '/subscriptions/$name',
      params: { name },
      search: isAsked ? { replay: 'yes' } : {},
      replace: true,
    });
  const close = () => {
    setAsked(undefined);
    if (replay) askReplay(false);
  };
  const refresh = () => {
    close();
    void client.invalidateQueries();
  };
  const param = { name };
  const pause = (reason: string) => read(subscriptions[':name'].pause.$post({ param, json: { reason } }));
  const resume = (reason: string) =>
    read(subscriptions[':name'].resume.$post({ param, json: { ...(reason && { reason }) } }));
  return (
    <Group gap="xs" mb="md">
      {isPaused ? (
        <Button onClick={() => setAsked('resume')}>Resume…</Button>
      ) : (
        <Button onClick={() => setAsked('pause')}>Pause…</Button>
      )}
      <Button variant="default" onClick={() => askReplay(true)}>
        Replay…
      </Button>
      <Button variant="default" onClick={() => setAsked('remove')}>
        Remove…
      </Button>
      {asked === 'pause' && (
        <ReasonDialog
          title={`Pause ${name}`}
          verb="Pause"
          act={pause}
          onDone={() => {
            refresh();
            showUndo({ message: `${name} is paused.`, undo: async () => refreshAfter(resume('the pause was undone')) });
          }}
          onClose={close}
        >
          It stops where it is, after the step under way. Nothing is lost: it goes on from there.
        </ReasonDialog>
      )}
      {asked === 'resume' && (
        <ReasonDialog
          title={`Resume ${name}`}
          verb="Resume"
          isOptional
          act={resume}
          onDone={({ pause_reason: before }) => {
            refresh();
            const undo = async () => refreshAfter(pause(before ?? 'the resume was undone'));
            showUndo({ message: `${name} goes on.`, undo });
          }}
          onClose={close}
        >
          It goes on where it stopped.
        </ReasonDialog>
      )}
      {replay && !asked && (
        <ReplayDialog name={name} isPaused={isPaused} asked={whose} onClose={close} onDone={refresh} />
      )}
      {asked === 'remove' && (
        <ReasonDialog
          title={`Remove ${name}`}
          verb="Remove it"
          color="red"
          act={(reason) => read(subscriptions[':name'].remove.$post({ param, json: { reason } }))}
          onDone={({ parked }) => {
            refresh();
            showDone(`${name} is removed${parked > 0 ? `, with ${sayEvents(parked)} that were parked` : ''}.`);
            void navigate({ to: '/subscriptions' });
          }}
          onClose={close}
        >
          Its position and {sayEvents(dead + retrying + waiting)} that are parked go with it, and this cannot be undone.
          If a process of {app} still runs it, it begins again by its own rule.
        </ReasonDialog>
      )}
    </Group>
  );

  async function refreshAfter(done: Promise<unknown>): Promise<void> {
    await done;
    refresh();
  }
}
