import { Picker, type PickerProps } from '@aether/ui/Picker.tsx';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { searchQuery } from './queries.ts';

/** The server is asked after a pause in typing of this length. */
const typingMs = 120;

/** Picks a customer by an address, a name, a number or an id. */
export function CustomerPicker(props: Omit<PickerProps, 'data'>) {
  const [typed, setTyped] = useState('');
  const [asked] = useDebouncedValue(typed, typingMs);
  const { data, isFetching } = useQuery(searchQuery(asked));
  // Of a customer that a link has chosen only the id is known.
  const { data: given } = useQuery(searchQuery(props.value ?? ''));
  const nameOf = ({ name, email }: { name: string; email: string }) => `${name} · ${email}`;
  const [present] = given?.customers ?? [];
  return (
    <Picker
      clearable
      placeholder="Type a name, address or number"
      {...props}
      {...(present && { text: nameOf(present) })}
      data={asked === '' ? [] : (data?.customers ?? []).map((each) => ({ value: each.id, label: nameOf(each) }))}
      onTyped={setTyped}
      isSearching={isFetching || asked !== typed}
    />
  );
}
