import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { ForChanges } from '@aether/ui/reading.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Checkbox, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { createView, savedViewsQuery } from '../api/views.ts';

/** Asks for the name under which the present list of the inbox is saved. */
export function SaveView({ query, onClose }: { query: string; onClose: () => void }) {
  const client = useQueryClient();
  const draft = useDraft('new-inbox-view', { name: '', is_shared: false });
  const { name, is_shared } = draft.value;
  return (
    <Dialog
      title="Save this view"
      verb="Save"
      draft={draft}
      faults={findMissing({ name }, { name: 'Write a name.' })}
      save={() => createView({ name, query, is_shared })}
      onSaved={() => {
        void client.invalidateQueries({ queryKey: savedViewsQuery.queryKey });
        onClose();
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <TextInput
            label="Name"
            name="name"
            withAsterisk
            description="The list, its words, its widget, its tag and its priority are kept under it."
            data-autofocus
            value={name}
            error={errors.name}
            onChange={(event) => draft.change({ name: event.currentTarget.value })}
          />
          <ForChanges>
            <Checkbox
              label="Every agent sees it"
              checked={is_shared}
              onChange={(event) => draft.change({ is_shared: event.currentTarget.checked })}
            />
          </ForChanges>
        </>
      )}
    </Dialog>
  );
}
