import { Dialog } from '@aether/ui/Dialog.tsx';
import { showDone } from '@aether/ui/toasts.tsx';
import { TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { CustomValue, FieldRecord } from '../api/records.ts';
import { customFieldsQuery } from '../api/settings.ts';
import { CustomInputs } from './CustomInputs.tsx';

type Common = { name?: string; custom?: Record<string, CustomValue | null> };
type NewRecordProps<Made> = {
  record: FieldRecord;
  /** The typed values so far. */
  values: Common;
  onChange: (part: Common) => void;
  save: () => Promise<Made>;
  /** The queries that a new record makes stale. */
  stale: string[];
  onSaved: (made: Made) => void;
  onClose: () => void;
  /** The record's own inputs, between its name and its custom fields. */
  children: (errors: Record<string, string>) => ReactNode;
};

/** The dialog for a new record. */
export function NewRecord<Made extends { name: string }>(props: NewRecordProps<Made>) {
  const { record, values, onChange, save, stale, onSaved, onClose, children } = props;
  const client = useQueryClient();
  const { data } = useQuery(customFieldsQuery(record));
  return (
    <Dialog
      title={`New ${record}`}
      verb="Create"
      save={save}
      onSaved={(made) => {
        for (const key of stale) void client.invalidateQueries({ queryKey: [key] });
        showDone(`${made.name} was created.`);
        onSaved(made);
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <TextInput
            label="Name"
            withAsterisk
            data-autofocus
            value={values.name ?? ''}
            error={errors.name}
            onChange={(event) => onChange({ name: event.currentTarget.value })}
          />
          {children(errors)}
          <CustomInputs
            fields={data?.custom_fields ?? []}
            values={values.custom ?? {}}
            errors={errors}
            onChange={(custom) => onChange({ custom })}
          />
        </>
      )}
    </Dialog>
  );
}
