import { showAddress } from '@aether/platform/noaddress';
import { Picker, type PickerProps } from '@aether/ui/Picker.tsx';
import type { Choice } from '@aether/ui/picking.ts';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { companyChoiceQuery } from '../api/companies.ts';
import { customerChoiceQuery } from '../api/customers.ts';
import { usersQuery } from '../api/settings.ts';

type RecordPickerProps = Omit<PickerProps, 'data'>;
type Found = { choices: Choice[]; isFetching: boolean };

/** The server is asked after a pause in typing of this length. */
const typingMs = 120;

function SearchedPicker({ useFound, ...rest }: RecordPickerProps & { useFound: (search: string) => Found }) {
  const [typed, setTyped] = useState('');
  const [asked] = useDebouncedValue(typed, typingMs);
  const { choices, isFetching } = useFound(asked);
  return <Picker clearable {...rest} data={choices} onTyped={setTyped} isSearching={isFetching || asked !== typed} />;
}

function useCompanies(search: string): Found {
  const { data, isFetching } = useQuery(companyChoiceQuery(search));
  return { choices: (data?.companies ?? []).map(({ id, name }) => ({ value: id, label: name })), isFetching };
}

function useCustomers(search: string): Found {
  const { data, isFetching } = useQuery(customerChoiceQuery(search));
  const choices = (data?.customers ?? []).map(({ id, name, email }) => ({
    value: id,
    label: `${name} · ${showAddress(email)}`,
  }));
  return { choices, isFetching };
}

/** Picks a company by typing. */
export function CompanyPicker(props: RecordPickerProps) {
  return <SearchedPicker placeholder="Type a company’s name" {...props} useFound={useCompanies} />;
}

/** Picks a customer by name or address. */
export function CustomerPicker(props: RecordPickerProps) {
  return <SearchedPicker placeholder="Type a name, address or number" {...props} useFound={useCustomers} />;
}

/** Picks a member of the staff. */
export function PersonPicker(props: RecordPickerProps) {
  const { data } = useQuery(usersQuery);
  const people = (data?.users ?? []).map(({ id, name }) => ({ value: id, label: name }));
  return <Picker clearable placeholder="Nobody" {...props} data={people} />;
}
