import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { Picker } from '@aether/ui/Picker.tsx';
import { Text, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { appsQuery } from '../api/apps.ts';
import { addWebhook } from '../api/webhooks.ts';
import { TypesInput } from './TypesInput.tsx';

type AddDialogProps = {
  /** Whose webhook it is at first. */
  app: string | undefined;
  onDone: (made: { name: string; secret: string }) => void;
  onClose: () => void;
};

/** Registers a webhook. Its secret is in the answer, and nowhere else. */
export function AddDialog({ app, onDone, onClose }: AddDialogProps) {
  const client = useQueryClient();
  const apps = useQuery(appsQuery).data?.apps.map(({ name }) => name) ?? [];
  const [values, setValues] = useState({ app: app ?? '', own: '', url: '', types: [] as string[], reason: '' });
  const change = (next: Partial<typeof values>) => setValues((before) => ({ ...before, ...next }));
  const name = `${values.app}.${values.own.trim()}`;
  const faults = findMissing(values, {
    app: 'Choose the app.',
    own: 'Give it a name.',
    url: 'Write the address of the receiver.',
  });
  if (!faults.own && !/^[a-z0-9_.-]{1,40}$/.test(values.own.trim()))
    faults.own = 'Small letters, digits, and _ . - between them.';
  if (values.types.length === 0) faults.types = 'Choose at least one type.';
  return (
    <Dialog
      title="Add a webhook"
      verb="Add it"
      faults={faults}
      save={() => {
        const { app: of, url, types, reason } = values;
        return addWebhook({ name, app: of, url: url.trim(), types, ...(reason.trim() && { reason: reason.trim() }) });
      }}
      onSaved={({ secret }) => {
        void client.invalidateQueries();
        onDone({ name, secret });
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <Text size="sm">
            It is told of the events from now on, by messages with positions, types and ids, and nothing of a person.
          </Text>
          <Picker
            label="App"
            name="app"
            data={apps}
            value={values.app}
            error={errors.app}
            nothingFound="No app is called that. The page Apps says how one is added."
            onChange={(chosen) => change({ app: chosen ?? '' })}
          />
          <TextInput
            label="Name"
            name="own"
            description={values.app ? `It is called ${name}` : 'It begins with the app’s'}
            maxLength={40}
            placeholder="tiers"
            value={values.own}
            error={errors.own}
            onChange={({ currentTarget }) => change({ own: currentTarget.value })}
          />
          <TextInput
            label="Address"
            name="url"
            description="With https://, on the public internet or in a network that SYNC_WEBHOOK_NETWORKS opens."
            maxLength={2000}
            placeholder="https://billing.example.com/aether"
            value={values.url}
            error={errors.url}
            onChange={({ currentTarget }) => change({ url: currentTarget.value })}
          />
          <TypesInput
            app={values.app}
            value={values.types}
            error={errors.types}
            onChange={(types) => change({ types })}
          />
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
