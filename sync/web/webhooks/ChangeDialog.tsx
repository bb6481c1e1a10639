import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { showDone } from '@aether/ui/toasts.tsx';
import { TextInput } from '@mantine/core';
import { useState } from 'react';
import { changeWebhook, type Webhook } from '../api/webhooks.ts';
import { TypesInput } from './TypesInput.tsx';

/** Another address, other types, or both. */
export function ChangeDialog({ webhook, onDone, onClose }: ChangeDialogProps) {
  const { name, app } = webhook;
  const [values, setValues] = useState({ url: webhook.url, types: webhook.types, reason: '' });
  const change = (next: Partial<typeof values>) => setValues((before) => ({ ...before, ...next }));
  const isMoved = values.url.trim() !== webhook.url;
  const isOfOthers = values.types.toSorted().join() !== webhook.types.toSorted().join();
  const faults = findMissing(values, { url: 'Write the address of the receiver.' });
  if (values.types.length === 0) faults.types = 'Choose at least one type.';
  return (
    <Dialog
      title={`Edit ${name}`}
      verb="Change it"
      isReady={isMoved || isOfOthers}
      faults={faults}
      save={() =>
        changeWebhook(name, {
          ...(isMoved && { url: values.url.trim() }),
          ...(isOfOthers && { types: values.types }),
          ...(values.reason.trim() && { reason: values.reason.trim() }),
        })
      }
      onSaved={() => {
        onDone();
        showDone(`${name} is changed. The worker takes it up within seconds, at the same place.`);
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <TextInput
            label="Address"
            name="url"
            maxLength={2000}
            data-autofocus
            value={values.url}
            error={errors.url}
            onChange={({ currentTarget }) => change({ url: currentTarget.value })}
          />
          <TypesInput app={app} value={values.types} error={errors.types} onChange={(types) => change({ types })} />
          <TextInput
            label="Reason, if there is one"
            name="reason"
            maxLength={500}
            value={values.reason}
            error={errors.reason}
            onChange={({ currentTarget }) => change({ reason: currentTarget.value })}
          />
        </>
      )}
    </Dialog>
  );
}

type ChangeDialogProps = { webhook: Webhook; onDone: () => void; onClose: () => void };
