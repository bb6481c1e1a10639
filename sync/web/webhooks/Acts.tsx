import { read } from '@aether/ui/request.ts';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { Button, Group, Select } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { subscriptions } from '../api/clients.ts';
import type { Subscription } from '../api/operations.ts';
import {
  disableWebhook,
  enableWebhook,
  removeWebhook,
  rotateWebhook,
  subscriptionOf,
  testWebhook,
  type Webhook,
} from '../api/webhooks.ts';
import { ReasonDialog } from '../parts/ReasonDialog.tsx';
import { sayCount } from '../parts/words.ts';
import { ReplayDialog } from '../subscriptions/ReplayDialog.tsx';
import { ChangeDialog } from './ChangeDialog.tsx';
import { SecretDialog } from './SecretDialog.tsx';

const route = getRouteApi('/webhooks/$name');

const formerChoices = [
  { value: '86400', label: 'for a day' },
  { value: '3600', label: 'for an hour' },
  { value: '604800', label: 'for a week' },
  { value: '0', label: 'not any more: it is known to others' },
];

/** What an administrator does about a webhook. Which dialog is open is in the address. */
export function Acts({ webhook, subscription }: { webhook: Webhook; subscription: Subscription | undefined }) {
  const { name, parked } = webhook;
  const client = useQueryClient();
  const navigate = route.useNavigate();
  const { act } = route.useSearch();
  const [former, setFormer] = useState('86400');
  const [made, setMade] = useState<{ secret: string; former_ends_at: string }>();
  const ask = (next?: string) =>
    void navigate({
      to: '/webhooks/$name',
      params: { name },
      search: next ? { act: next } : {},
      replace: true,
    });
  const close = () => ask();
  const refresh = () => client.invalidateQueries();
  const done = (message: string) => {
    close();
    void refresh();
    showDone(message);
  };
  const testing = useMutation({
    mutationFn: () => testWebhook(name),
    onSuccess: refresh,
    onError: (error) => showRefusal('No test is asked for', error),
  });
  const isDisabled = webhook.disabled_at !== null;
  const isPaused = subscription?.is_paused === true;
  const param = { name: subscriptionOf(name) };
  return (
    <Group gap="xs" mb="md">
      {isDisabled && <Button onClick={() => ask('enable')}>Enable…</Button>}
      {isPaused && <Button onClick={() => ask('resume')}>Resume…</Button>}
      <Button
        variant="default"
        loading={testing.isPending}
        disabled={webhook.test_asked_at !== null}
        onClick={() => testing.mutate()}
      >
        Send a test
      </Button>
      <Button variant="default" onClick={() => ask('change')}>
        Edit…
      </Button>
      {parked > 0 && (
        <Button
          variant="default"
          onClick={() =>
            void navigate({ to: '/failures/$subscription', params: { subscription: param.name }, search: {} })
          }
        >
          Deliver what failed…
        </Button>
      )}
      {subscription && (
        <Button variant="default" onClick={() => ask('replay')}>
          Deliver again…
        </Button>
      )}
      {subscription && !isPaused && (
        <Button variant="default" onClick={() => ask('pause')}>
          Pause…
        </Button>
      )}
      <Button variant="default" onClick={() => ask('rotate')}>
        New secret…
      </Button>
      {!isDisabled && (
        <Button variant="default" onClick={() => ask('disable')}>
          Disable…
        </Button>
      )}
      <Button variant="default" onClick={() => ask('remove')}>
        Remove…
      </Button>
      {act === 'change' && (
        <ChangeDialog
          webhook={webhook}
          onDone={() => {
            close();
            void refresh();
          }}
          onClose={close}
        />
      )}
      {act === 'pause' && (
        <ReasonDialog
          title={`Pause ${name}`}
          verb="Pause"
          act={(reason) => read(subscriptions[':name'].pause.$post({ param, json: { reason } }))}
          onDone={() => done(`${name} is paused.`)}
          onClose={close}
        >
          Nothing is delivered until it is resumed, and nothing is lost: the log is kept for it.
        </ReasonDialog>
      )}
      {act === 'resume' && (
        <ReasonDialog
          title={`Resume ${name}`}
          verb="Resume"
          isOptional
          act={(reason) => read(subscriptions[':name'].resume.$post({ param, json: { ...(reason && { reason }) } }))}
          onDone={() => done(`${name} goes on.`)}
          onClose={close}
        >
          It goes on where it stopped.
        </ReasonDialog>
      )}
      {act === 'replay' && subscription && (
        <ReplayDialog
          name={param.name}
          isPaused={isPaused}
          asked={{}}
          onClose={close}
          onDone={() => {
            close();
            void refresh();
          }}
        />
      )}
      {act === 'disable' && (
        <ReasonDialog
          title={`Disable ${name}`}
          verb="Disable it"
          act={(reason) => disableWebhook(name, reason)}
          onDone={() => done(`${name} is disabled.`)}
          onClose={close}
        >
          Nothing is delivered any more, and the log is not held for it. Enabled again, it goes on where it was as far
          as the log reaches back. To hold the log, pause it instead.
        </ReasonDialog>
      )}
      {act === 'enable' && (
        <ReasonDialog
          title={`Enable ${name}`}
          verb="Enable it"
          isOptional
          act={(reason) => enableWebhook(name, reason)}
          onDone={({ missed, position }) =>
            done(
              missed > 0
                ? `${name} goes on after position ${position}. The log has dropped ${sayCount(missed)} positions since: its receiver starts from a snapshot.`
                : `${name} goes on after position ${position}, without a gap.`,
            )
          }
          onClose={close}
        >
          It goes on where it was disabled, as far as the log reaches back, and says whether anything is missing.
        </ReasonDialog>
      )}
      {act === 'rotate' && !made && (
        <ReasonDialog
          title={`A new secret for ${name}`}
          verb="Make it"
          isOptional
          act={(reason) => rotateWebhook(name, Number(former), reason)}
          onDone={(rotated) => {
            setMade(rotated);
            void refresh();
          }}
          onClose={close}
        >
          Messages are signed with the new one at once.
          <Select
            mt="sm"
            label="With the former one as well"
            allowDeselect={false}
            data={formerChoices}
            value={former}
            onChange={(value) => value && setFormer(value)}
          />
        </ReasonDialog>
      )}
      {made && (
        <SecretDialog
          name={name}
          secret={made.secret}
          formerEndsAt={former === '0' ? undefined : made.former_ends_at}
          onClose={() => {
            setMade(undefined);
            close();
          }}
        />
      )}
      {act === 'remove' && (
        <ReasonDialog
          title={`Remove ${name}`}
          verb="Remove it"
          color="red"
          isOptional
          act={(reason) => removeWebhook(name, reason)}
          onDone={() => {
            void refresh();
            showDone(`${name} is removed.`);
            void navigate({ to: '/webhooks', search: {} });
          }}
          onClose={close}
        >
          Its place, its secrets and {sayCount(parked)} parked events go with it, and this cannot be undone.
        </ReasonDialog>
      )}
    </Group>
  );
}
