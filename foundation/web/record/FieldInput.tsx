import { decimalsOf } from '@aether/ui/formats.ts';
import { Picker } from '@aether/ui/Picker.tsx';
import { Checkbox, NumberInput, TextInput } from '@mantine/core';
import type { KeyboardEvent } from 'react';
import { CompanyPicker, PersonPicker } from '../inputs/Picker.tsx';
import { TierInput } from '../inputs/TierInput.tsx';
import type { FieldSpec, FieldValue } from './fields.ts';

type FieldInputProps = {
  spec: FieldSpec;
  value: FieldValue;
  text: string;
  isSaving: boolean;
  /** It was begun on an earlier page: it does not take the focus. */
  isRestored: boolean;
  isRefused: boolean;
  onChange: (value: FieldValue) => void;
  onFinish: (value: FieldValue) => void;
  onCancel: () => void;
  /** The input lost the focus without a change. */
  onLeave: () => void;
};

/** The input for a field's kind. A choice is saved at once, a text with Enter or on leaving the input. */
export function FieldInput({
  spec,
  value,
  text,
  isSaving,
  isRestored,
  isRefused,
  onChange,
  onFinish,
  onCancel,
  onLeave,
}: FieldInputProps) {
  const onEscape = (event: KeyboardEvent) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    onCancel();
  };
  const common = {
    'aria-label': spec.label,
    disabled: isSaving,
    error: isRefused,
    autoFocus: !isRestored,
    size: 'xs',
  } as const;
  const choosing = {
    ...common,
    value: value === null ? null : String(value),
    onChange: (next: string | null) => onFinish(next),
    onKeyDown: onEscape,
    onBlur: onLeave,
    clearable: !spec.isRequired,
    isOpenAtFirst: !isRestored,
  };
  const typing = {
    ...common,
    onBlur: () => onFinish(value),
    onKeyDown: (event: KeyboardEvent) => {
      onEscape(event);
      if (event.key === 'Enter') onFinish(value);
    },
  };
  switch (spec.kind) {
    case 'choice':
      return <Picker {...choosing} data={spec.choices ?? []} />;
    case 'person':
      return <PersonPicker {...choosing} text={text} />;
    case 'company':
      return <CompanyPicker {...choosing} text={text} />;
    case 'checkbox':
      return (
        <Checkbox
          {...common}
          error={undefined}
          checked={value === true}
          onKeyDown={onEscape}
          onBlur={onLeave}
          onChange={(event) => onFinish(event.currentTarget.checked)}
        />
      );
    case 'tier':
      return <TierInput {...choosing} />;
    case 'number':
    case 'money':
      return (
        <NumberInput
          {...typing}
          thousandSeparator
          decimalScale={spec.kind === 'money' && spec.currency ? decimalsOf(spec.currency) : undefined}
          rightSection={spec.kind === 'money' ? spec.currency : undefined}
          rightSectionWidth={spec.kind === 'money' ? 44 : undefined}
          hideControls={spec.kind === 'money'}
          min={spec.kind === 'money' ? 0 : undefined}
          value={value === null ? '' : Number(value)}
          onChange={(next) => onChange(next === '' ? null : Number(next))}
        />
      );
    default:
      return (
        <TextInput
          {...typing}
          type={spec.kind === 'date' ? 'date' : 'text'}
          inputMode={spec.kind === 'email' ? 'email' : spec.kind === 'phone' ? 'tel' : undefined}
          value={String(value ?? '')}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      );
  }
}
