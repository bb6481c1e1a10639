import { useDebouncedValue } from '@mantine/hooks';
import { useState } from 'react';
import { Picker, type PickerProps } from './Picker.tsx';
import type { Choice } from './picking.ts';

export type SearchedPickerProps = Omit<PickerProps, 'data'>;
export type Searched = { choices: Choice[]; isFetching: boolean };

/** The server is asked after a pause in typing of this length. */
const typingMs = 120;

/** A picker whose choices the server searches. @param useFound the hits for what was typed */
export function SearchedPicker({
  useFound,
  ...rest
}: SearchedPickerProps & { useFound: (search: string) => Searched }) {
  const [typed, setTyped] = useState('');
  const [asked] = useDebouncedValue(typed, typingMs);
  const { choices, isFetching } = useFound(asked);
  return <Picker clearable {...rest} data={choices} onTyped={setTyped} isSearching={isFetching || asked !== typed} />;
}
