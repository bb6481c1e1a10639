import { showAddress } from '@aether/platform/noaddress';
import { Picker } from '@aether/ui/Picker.tsx';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { searchQuery } from '../api/inbox.ts';

type CustomerPickerProps = {
  label: string;
  name: string;
  value: string | null;
  error?: ReactNode;
  onChange: (id: string | null) => void;
};

/** The server is asked after a pause in typing of this length. */
const typingMs = 120;

/** Picks a customer by name, address or telephone number. */
export function CustomerPicker({ label, name, value, error, onChange }: CustomerPickerProps) {
  const [typed, setTyped] = useState('');
  const [asked] = useDebouncedValue(typed, typingMs);
  const { data, isFetching } = useQuery(searchQuery(asked));
  const found = asked.trim() === '' ? [] : (data?.customers ?? []);
  return (
    <Picker
      label={label}
      name={name}
      withAsterisk
      data-autofocus
      placeholder="Type a name, address or number"
      data={found.map(({ id, name: theirs, email }) => ({ value: id, label: `${theirs} · ${showAddress(email)}` }))}
      value={value}
      error={error}
      onTyped={setTyped}
      isSearching={isFetching || asked !== typed}
      onChange={onChange}
    />
  );
}
