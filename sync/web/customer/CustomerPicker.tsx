import { showAddress } from '@aether/platform/noaddress';
import { Picker, type PickerProps } from '@aether/ui/Picker.tsx';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { searchQuery } from './queries.ts';

/** The server is asked after a pause in typing of this length. */
const typingMs = 120;

type CustomerPickerProps = Omit<PickerProps, 'data'> & {
  /** Whether customers that are merged into others are left out. */
  withoutMerged?: boolean;
};

/** Picks a customer by an address, a name, a number or an id. */
export function CustomerPicker({ withoutMerged = false, ...props }: CustomerPickerProps) {
  const [typed, setTyped] = useState('');
  const [asked] = useDebouncedValue(typed, typingMs);
  const { data, isFetching } = useQuery(searchQuery(asked));
  // Of a customer that a link has chosen only the id is known.
  const { data: given } = useQuery(searchQuery(props.value ?? ''));
  const nameOf = ({ name, email }: { name: string; email: string }) => `${name} · ${showAddress(email)}`;
  const [present] = given?.customers ?? [];
  const found = (data?.customers ?? []).filter(({ merged_into }) => !withoutMerged || merged_into === null);
  return (
    <Picker
      clearable
      placeholder="Type a name, address or number"
      {...props}
      {...(present && { text: nameOf(present) })}
      data={asked.trim() === '' ? [] : found.map((each) => ({ value: each.id, label: nameOf(each) }))}
      onTyped={setTyped}
      isSearching={isFetching || asked !== typed}
    />
  );
}
