import type { Said } from '@aether/ui/faults.ts';
import { Picker } from '@aether/ui/Picker.tsx';
import { Checkbox, NumberInput, Stack, TextInput } from '@mantine/core';
import type { ReactNode } from 'react';
import type { CustomField, CustomValue } from '../api/records.ts';

type Values = Record<string, CustomValue | null>;
type CustomInputsProps = {
  fields: CustomField[];
  values: Values;
  onChange: (values: Values) => void;
  errors: Said;
};

/** The custom fields of a new record, each with the input of its type. */
export function CustomInputs({ fields, values, onChange, errors }: CustomInputsProps) {
  return (
    <Stack gap="sm">
      {fields.map((field) => (
        <CustomInput
          key={field.id}
          field={field}
          value={values[field.key] ?? null}
          error={errors[`custom.${field.key}`]}
          onChange={(value) => onChange({ ...values, [field.key]: value })}
        />
      ))}
    </Stack>
  );
}

type CustomInputProps = {
  field: CustomField;
  value: CustomValue | null;
  error: ReactNode;
  onChange: (value: CustomValue | null) => void;
};

function CustomInput({ field: { key, label, type, choices, is_required }, value, error, onChange }: CustomInputProps) {
  const common = { label, name: `custom.${key}`, error, withAsterisk: is_required };
  if (type === 'checkbox')
    return (
      <Checkbox
        label={label}
        name={`custom.${key}`}
        error={error}
        checked={value === true}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
    );
  if (type === 'choice')
    return (
      <Picker
        {...common}
        clearable={!is_required}
        data={choices}
        value={value === null ? null : String(value)}
        onChange={(next) => onChange(next)}
      />
    );
  if (type === 'number')
    return (
      <NumberInput
        {...common}
        value={typeof value === 'number' ? value : ''}
        onChange={(next) => onChange(typeof next === 'number' ? next : null)}
      />
    );
  return (
    <TextInput
      {...common}
      type={type === 'date' ? 'date' : 'text'}
      value={String(value ?? '')}
      onChange={(event) => onChange(event.currentTarget.value || null)}
    />
  );
}
