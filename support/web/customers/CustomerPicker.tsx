import { showAddress } from '@aether/platform/noaddress';
import { type Searched, SearchedPicker, type SearchedPickerProps } from '@aether/ui/SearchedPicker.tsx';
import { useQuery } from '@tanstack/react-query';
import { searchQuery } from '../api/inbox.ts';

function useCustomers(search: string): Searched {
  const { data, isFetching } = useQuery(searchQuery(search));
  const found = search.trim() === '' ? [] : (data?.customers ?? []);
  return {
    choices: found.map(({ id, name, email }) => ({ value: id, label: `${name} · ${showAddress(email)}` })),
    isFetching,
  };
}

/** Picks a customer by name, address or telephone number. */
export function CustomerPicker(props: SearchedPickerProps) {
  return <SearchedPicker placeholder="Type a name, address or number" {...props} useFound={useCustomers} />;
}
