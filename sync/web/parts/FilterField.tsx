import { TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useEffect, useState } from 'react';

type FilterFieldProps = {
  label: string;
  value: string | undefined;
  placeholder?: string;
  onChange: (value: string | undefined) => void;
};

/** A filter that is in the URL of the page a moment after the last key. */
export function FilterField({ label, value = '', placeholder, onChange }: FilterFieldProps) {
  const [typed, setTyped] = useState(value);
  const [known, setKnown] = useState(value);
  if (known !== value) {
    setKnown(value);
    setTyped(value);
  }
  const pass = useDebouncedCallback((text: string) => onChange(text.trim() === '' ? undefined : text.trim()), 300);
  useEffect(() => () => pass.flush(), [pass]);
  return (
    <TextInput
      label={label}
      size="xs"
      placeholder={placeholder}
      value={typed}
      onChange={({ currentTarget }) => {
        setTyped(currentTarget.value);
        pass(currentTarget.value);
      }}
      onKeyDown={({ key }) => key === 'Enter' && pass.flush()}
    />
  );
}
