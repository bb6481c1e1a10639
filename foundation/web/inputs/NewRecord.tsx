import { Dialog } from '@aether/ui/Dialog.tsx';
import { type Faults, findMissing, type Said } from '@aether/ui/faults.ts';
import { showDone } from '@aether/ui/toasts.tsx';
import type { Drafting } from '@aether/ui/useDraft.ts';
import { TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { CustomValue, FieldRecord, FieldType } from '../api/records.ts';
import { customFieldsQuery } from '../api/settings.ts';
import { CustomInputs } from './CustomInputs.tsx';

type Common = { name?: string; custom?: Record<string, CustomValue | null> };
type NewRecordProps<Made, Values> = {
  record: FieldRecord;
  draft: Drafting<Values>;
  /** What to say about each field that must not be empty, beside the name. */
  required?: Faults;
  save: () => Promise<Made>;
  /** The queries that a new record makes stale. */
  stale: string[];
  onSaved: (made: Made) => void;
  onClose: () => void;
  /** The record's own inputs, between its name and its custom fields. */
  children: (errors: Said) => ReactNode;
};

/** The dialog for a new record. */
export function NewRecord<Made extends { name: string }, Values extends Common>(props: NewRecordProps<Made, Values>) {
  const { record, draft, required, save, stale, onSaved, onClose, children } = props;
  const client = useQueryClient();
  const { data } = useQuery(customFieldsQuery(record));
  const fields = data?.custom_fields ?? [];
  const values: Common = draft.value;
  const change = (part: Common) => draft.change(part as Partial<Values>);
  const needed = fields.filter(({ is_required, type }) => is_required && type !== 'checkbox');
  const faults = findMissing(values, {
    name: 'Write a name.',
    ...required,
    ...Object.fromEntries(needed.map(({ key, type, label }) => [`custom.${key}`, sayMissing(type, label)])),
  });
  return (
    <Dialog
      title={`New ${record}`}
      verb="Create"
      draft={draft}
      faults={faults}
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
            name="name"
            withAsterisk
            data-autofocus
            value={values.name ?? ''}
            error={errors.name}
            onChange={(event) => change({ name: event.currentTarget.value })}
          />
          {children(errors)}
          <CustomInputs
            fields={fields}
            values={values.custom ?? {}}
            errors={errors}
            onChange={(custom) => change({ custom })}
          />
        </>
      )}
    </Dialog>
  );
}

const sayMissing = (type: FieldType, label: string): string =>
  `${type === 'choice' ? 'Choose' : 'Write'} a value: ${label} is required.`;
