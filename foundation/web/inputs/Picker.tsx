import { Select, type SelectProps } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { companyChoiceQuery } from '../api/companies.ts';
import { customerChoiceQuery } from '../api/customers.ts';
import { usersQuery } from '../api/settings.ts';

type PickerProps = Omit<SelectProps, 'data' | 'value' | 'onChange'> & {
  value: string | null;
  onChange: (value: string | null) => void;
  /** The name of the present value until a search finds it. */
  text?: string | null;
};

type Found = { choices: { value: string; label: string }[]; isFetching: boolean };

function SearchedSelect({ useFound, value, text, ...rest }: PickerProps & { useFound: (search: string) => Found }) {
  const [search, setSearch] = useState('');
  const [asked] = useDebouncedValue(search === text ? '' : search, 120);
  const { choices, isFetching } = useFound(asked);
  const present = value && !choices.some((choice) => choice.value === value) ? [{ value, label: text ?? value }] : [];
  return (
    <Select
      searchable
      clearable
      value={value}
      data={[...choices, ...present]}
      filter={({ options }) => options}
      onSearchChange={setSearch}
      onFocus={(event) => event.currentTarget.select()}
      allowDeselect={false}
      nothingFoundMessage={isFetching ? 'Searching…' : 'Nothing is called that'}
      {...rest}
    />
  );
}

function useCompanies(search: string): Found {
  const { data, isFetching } = useQuery(companyChoiceQuery(search));
  return { choices: (data?.companies ?? []).map(({ id, name }) => ({ value: id, label: name })), isFetching };
}

function useCustomers(search: string): Found {
  const { data, isFetching } = useQuery(customerChoiceQuery(search));
  const choices = (data?.customers ?? []).map(({ id, name, email }) => ({ value: id, label: `${name} · ${email}` }));
  return { choices, isFetching };
}

/** Picks a company by typing. */
export function CompanyPicker(props: PickerProps) {
  return <SearchedSelect placeholder="Type a company’s name" {...props} useFound={useCompanies} />;
}

/** Picks a customer by name or address. */
export function CustomerPicker(props: PickerProps) {
  return <SearchedSelect placeholder="Type a name or an address" {...props} useFound={useCustomers} />;
}

/** Picks a member of the staff. */
export function PersonPicker({ text, ...props }: PickerProps) {
  const { data } = useQuery(usersQuery);
  const people = (data?.users ?? []).map(({ id, name }) => ({ value: id, label: name }));
  const present =
    props.value && !people.some(({ value }) => value === props.value)
      ? [{ value: props.value, label: text ?? props.value }]
      : [];
  return (
    <Select searchable clearable allowDeselect={false} placeholder="Nobody" data={[...present, ...people]} {...props} />
  );
}
