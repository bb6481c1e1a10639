import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { Picker } from '@aether/ui/Picker.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Checkbox, TagsInput, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { CustomField, CustomFieldInput, FieldRecord, FieldType } from '../api/records.ts';
import { changeCustomField, createCustomField } from '../api/settings.ts';
import { fieldTypes, makeKey } from './fieldtypes.ts';

type FieldDialogProps = { record: FieldRecord; field: CustomField | undefined; onClose: () => void };

/** Makes a custom field, or changes one. Its key and type never change. */
export function FieldDialog({ record, field, onClose }: FieldDialogProps) {
  const client = useQueryClient();
  const draft = useDraft<CustomFieldInput>(
    field ? `custom-field:${field.id}` : `new-custom-field:${record}`,
    field ?? { record, key: '', label: '', type: 'text', choices: [], is_required: false },
  );
  const { value: values, change } = draft;
  const [isKeyTyped, setKeyTyped] = useState(() => field !== undefined || values.key !== makeKey(values.label));
  const { label, choices, is_required } = values;
  return (
    <Dialog
      title={field ? field.label : 'New custom field'}
      verb={field ? 'Save' : 'Create'}
      draft={draft}
      faults={findMissing(values, { label: 'Write a label.', key: 'Write a key of small letters, digits and _.' })}
      save={() =>
        field
          ? changeCustomField(field.id, { label, is_required, ...(field.type === 'choice' && { choices }) })
          : createCustomField({ ...values, choices: values.type === 'choice' ? choices : [] })
      }
      onSaved={() => {
        void client.invalidateQueries({ queryKey: ['custom-fields', record] });
        onClose();
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <TextInput
            label="Label"
            name="label"
            withAsterisk
            data-autofocus
            value={label}
            error={errors.label}
            onChange={({ currentTarget: { value } }) =>
              change({ label: value, ...(!isKeyTyped && { key: makeKey(value) }) })
            }
          />
          <TextInput
            label="Key"
            name="key"
            description="The field’s name in the API. It cannot be changed later."
            withAsterisk
            disabled={field !== undefined}
            value={values.key}
            error={errors.key}
            onChange={(event) => {
              setKeyTyped(true);
              change({ key: event.currentTarget.value });
            }}
          />
          <Picker
            label="Type"
            name="type"
            disabled={field !== undefined}
            data={Object.entries(fieldTypes).map(([value, name]) => ({ value, label: name }))}
            value={values.type}
            error={errors.type}
            onChange={(type) => change({ type: type as FieldType })}
          />
          {values.type === 'choice' && (
            <TagsInput
              size="xs"
              label="Choices"
              name="choices"
              description="Enter ends each one."
              value={choices}
              error={errors.choices}
              onChange={(next) => change({ choices: next })}
            />
          )}
          <Checkbox
            label="Required: a record cannot be saved without it"
            checked={is_required}
            onChange={(event) => change({ is_required: event.currentTarget.checked })}
          />
        </>
      )}
    </Dialog>
  );
}
