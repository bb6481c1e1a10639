import { showAddress } from '@aether/platform/noaddress';
import { Picker } from '@aether/ui/Picker.tsx';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { searchQuery } from '../customer/queries.ts';

type CustomerPickerProps = {
  label: string;
  value: string | null;
  /** The name of the chosen one, if it is known. */
  text: string | undefined;
  onChange: (id: string | null) => void;
};

const typingMs = 120;

/** Picks a customer that is not merged, by an address, a name, a number or an id. */
export function CustomerPicker({ label, value, text, onChange }: CustomerPickerProps) {
  const [typed, setTyped] = useState('');
  const [asked] = useDebouncedValue(typed, typingMs);
  const { data, isFetching } = useQuery(searchQuery(asked));
  const found = asked.trim() === '' ? [] : (data?.customers ?? []).filter(({ merged_into }) => merged_into === null);
  return (
    <Picker
      label={label}
      placeholder="Name, address, number or id"
      data={found.map(({ id, name, email }) => ({ value: id, label: `${name} · ${showAddress(email)}` }))}
      value={value}
      text={text ?? null}
      onTyped={setTyped}
      isSearching={isFetching || asked !== typed}
      onChange={onChange}
    />
  );
}
