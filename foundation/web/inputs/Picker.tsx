import { showAddress } from '@aether/platform/noaddress';
import { Picker } from '@aether/ui/Picker.tsx';
import { type Searched, SearchedPicker, type SearchedPickerProps } from '@aether/ui/SearchedPicker.tsx';
import { useQuery } from '@tanstack/react-query';
import { companyChoiceQuery } from '../api/companies.ts';
import { customerChoiceQuery } from '../api/customers.ts';
import { usersQuery } from '../api/settings.ts';

function useCompanies(search: string): Searched {
  const { data, isFetching } = useQuery(companyChoiceQuery(search));
  return { choices: (data?.companies ?? []).map(({ id, name }) => ({ value: id, label: name })), isFetching };
}

function useCustomers(search: string): Searched {
  const { data, isFetching } = useQuery(customerChoiceQuery(search));
  const choices = (data?.customers ?? []).map(({ id, name, email }) => ({
    value: id,
    label: `${name} · ${showAddress(email)}`,
  }));
  return { choices, isFetching };
}

/** Picks a company by typing. */
export function CompanyPicker(props: SearchedPickerProps) {
  return <SearchedPicker placeholder="Type a company’s name" {...props} useFound={useCompanies} />;
}

/** Picks a customer by name or address. */
export function CustomerPicker(props: SearchedPickerProps) {
  return <SearchedPicker placeholder="Type a name, address or number" {...props} useFound={useCustomers} />;
}

/**
 * Picks a member of the staff who works here. Whoever has left is shown where they are the present value, and in a filter.
 *
 * @param isFilter what somebody has who left can be looked for
 */
export function PersonPicker({
  without,
  isFilter = false,
  ...props
}: SearchedPickerProps & { without?: string; isFilter?: boolean }) {
  const { data } = useQuery(usersQuery);
  const people = (data?.users ?? [])
    .filter(
      ({ id, left_at, role }) =>
        id !== without && ((left_at === null && role !== 'reader') || isFilter || id === props.value),
    )
    .map(({ id, name, left_at }) => ({ value: id, label: left_at === null ? name : `${name} (left)` }));
  return <Picker clearable placeholder="Nobody" {...props} data={people} />;
}
