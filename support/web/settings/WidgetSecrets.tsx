import { formatMoment } from '@aether/ui/formats.ts';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { Alert, Button, CopyButton, Modal, Text } from '@mantine/core';
import { IconCheck, IconCopy, IconKey } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { Widget } from '../api/records.ts';
import { addSecret, removeSecret } from '../api/widgets.ts';
import classes from './settings.module.css';

type Ending = { id: string; created_at: string };

/** The website signs its visitors' identities with a secret. A secret is shown once; the older one is valid for a day after a rotation. */
export function WidgetSecrets({ widget }: { widget: Widget }) {
  const client = useQueryClient();
  const refresh = () => client.invalidateQueries({ queryKey: ['widgets'] });
  const [shown, setShown] = useState<string | undefined>();
  const [ending, setEnding] = useState<Ending | undefined>();
  const adding = useMutation({
    mutationFn: () => addSecret(widget.id),
    onSuccess: ({ secret }) => {
      setShown(secret);
      void refresh();
    },
    onError: (error) => showRefusal('No secret was made', error),
  });
  const removing = useMutation({
    mutationFn: ({ id }: Ending) => removeSecret(widget.id, id),
    onSuccess: () => {
      setEnding(undefined);
      void refresh();
      showDone('The secret was removed: what it signs is refused from now on.');
    },
    onError: (error) => showRefusal('The secret was not removed', error),
  });
  return (
    <div className={classes.stack}>
      <p className={classes.detail}>
        A website that knows its visitors signs who they are with this widget’s secret; the chat is then marked as
        verified. The secret belongs on the website’s server, never into a page.
      </p>
      {widget.secrets.length > 0 && (
        <ul className={classes.list}>
          {widget.secrets.map(({ id, created_at, retires_at }) => (
            <li key={id} className={classes.row}>
              <IconKey size={16} aria-hidden />
              <span className={classes.name}>
                Made {formatMoment(created_at)}
                <div className={classes.detail}>
                  {retires_at ? `Ends ${formatMoment(retires_at)}, because a newer one was made` : 'In use'}
                </div>
              </span>
              <Button variant="default" onClick={() => setEnding({ id, created_at })}>
                Remove now
              </Button>
            </li>
          ))}
        </ul>
      )}
      <div>
        <Button variant="default" loading={adding.isPending} onClick={() => adding.mutate()}>
          {widget.secrets.length > 0 ? 'Rotate: make a new secret' : 'Make a secret'}
        </Button>
      </div>
      <Modal
        opened={shown !== undefined}
        onClose={() => setShown(undefined)}
        title="The new secret"
        closeOnClickOutside={false}
      >
        <div className={classes.stack}>
          <Alert color="yellow" c="var(--warn)">
            It is shown this once, and stored only so that it can be checked. Copy it to the website’s server now.
            {widget.secrets.length > 1 && ' The one before goes on for 24 hours, so that nothing breaks meanwhile.'}
          </Alert>
          <pre className={classes.code}>{shown}</pre>
          <CopyButton value={shown ?? ''}>
            {({ copied, copy }) => (
              <Button leftSection={copied ? <IconCheck size={15} /> : <IconCopy size={15} />} onClick={copy}>
                {copied ? 'Copied' : 'Copy'}
              </Button>
            )}
          </CopyButton>
        </div>
      </Modal>
      <Modal opened={ending !== undefined} onClose={() => setEnding(undefined)} title="Remove this secret?">
        <div className={classes.stack}>
          <Text size="sm">
            Identities signed with it are refused at once: visitors of a website that still uses it are unverified. This
            cannot be undone.
          </Text>
          <Button color="red" loading={removing.isPending} onClick={() => ending && removing.mutate(ending)}>
            Remove it
          </Button>
        </div>
      </Modal>
    </div>
  );
}
