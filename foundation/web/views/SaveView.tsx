import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { ForChanges } from '@aether/ui/reading.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Checkbox, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import type { ViewPage } from '../api/records.ts';
import { createView } from '../api/settings.ts';

type SaveViewProps = { page: ViewPage; query: string; onClose: () => void };

/** Asks for the name under which the present search of a list is saved. */
export function SaveView({ page, query, onClose }: SaveViewProps) {
  const client = useQueryClient();
  const draft = useDraft(`new-view:${page}`, { name: '', is_shared: false });
  const { name, is_shared } = draft.value;
  return (
    <Dialog
      title="Save this view"
      verb="Save"
      draft={draft}
      faults={findMissing({ name }, { name: 'Write a name.' })}
      save={() => createView({ page, name, query, is_shared })}
      onSaved={() => {
        void client.invalidateQueries({ queryKey: ['views', page] });
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
            description="Filters, order and columns are kept under it."
            data-autofocus
            value={name}
            error={errors.name}
            onChange={(event) => draft.change({ name: event.currentTarget.value })}
          />
          <ForChanges>
            <Checkbox
              label="Everybody sees it"
              checked={is_shared}
              onChange={(event) => draft.change({ is_shared: event.currentTarget.checked })}
            />
          </ForChanges>
        </>
      )}
    </Dialog>
  );
}
