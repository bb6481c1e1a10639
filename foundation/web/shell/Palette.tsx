import { showAddress } from '@aether/platform/noaddress';
import { type Entry, PaletteFrame } from '@aether/ui/PaletteFrame.tsx';
import { useDebouncedValue } from '@mantine/hooks';
import { IconArrowRight, IconBuilding, IconCash, IconPlus, IconUser } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { searchQuery } from '../api/search.ts';
import { places } from './Navigation.tsx';
import { useMe } from './person.ts';

/** Finds records by name, pages and actions with the keyboard. */
export function Palette({ openings }: { openings: number }) {
  const { isAdmin, isReader } = useMe();
  const [query, setQuery] = useState('');
  const navigate = useNavigate();
  const commands: Entry[] = [
    ...places
      .filter(({ isForAdmins }) => !isForAdmins || isAdmin)
      .map(({ to, label }) => ({
        id: to,
        label: `Go to ${label.toLowerCase()}`,
        icon: <IconArrowRight size={16} />,
        run: () => void navigate({ to }),
      })),
    ...(isReader ? [] : begin(navigate)),
  ];
  const { found, isSearching } = useFound(query);
  return (
    <PaletteFrame
      openings={openings}
      query={query}
      onQueryChange={setQuery}
      placeholder="Name, number or command"
      found={found}
      isSearching={isSearching}
      commands={commands}
      search={(q) => void navigate({ to: '/search', search: q === '' ? {} : { q } })}
    />
  );
}

/** The commands that begin a record. */
const begin = (navigate: ReturnType<typeof useNavigate>): Entry[] => [
  {
    id: 'new-customer',
    label: 'New customer',
    icon: <IconPlus size={16} />,
    run: () => void navigate({ to: '/customers', search: { create: true } }),
  },
  {
    id: 'new-deal',
    label: 'New deal',
    icon: <IconPlus size={16} />,
    run: () => void navigate({ to: '/deals', search: { create: true } }),
  },
  {
    id: 'new-task',
    label: 'New task',
    icon: <IconPlus size={16} />,
    run: () => void navigate({ to: '/tasks', search: { create: true } }),
  },
  {
    id: 'new-company',
    label: 'New company',
    icon: <IconPlus size={16} />,
    run: () => void navigate({ to: '/companies', search: { create: true } }),
  },
];

function useFound(query: string): { found: { label: string; entries: Entry[] }[]; isSearching: boolean } {
  const navigate = useNavigate();
  const [asked] = useDebouncedValue(query, 80);
  const { data, isFetching } = useQuery(searchQuery(asked));
  const found = query.trim() === '' ? undefined : data;
  const customers = (found?.customers ?? []).map(({ id, name, email }) => ({
    id: `customer-${id}`,
    label: name,
    detail: showAddress(email),
    icon: <IconUser size={16} />,
    run: () => void navigate({ to: '/customers/$id', params: { id } }),
  }));
  const companies = (found?.companies ?? []).map(({ id, name, domain }) => ({
    id: `company-${id}`,
    label: name,
    detail: domain ?? undefined,
    icon: <IconBuilding size={16} />,
    run: () => void navigate({ to: '/companies/$id', params: { id } }),
  }));
  const deals = (found?.deals ?? []).map(({ id, name, customer }) => ({
    id: `deal-${id}`,
    label: name,
    detail: customer?.name,
    icon: <IconCash size={16} />,
    run: () => void navigate({ to: '/deals/$id', params: { id: String(id) } }),
  }));
  const groups = [
    { label: 'Customers', entries: customers },
    { label: 'Companies', entries: companies },
    { label: 'Deals', entries: deals },
  ];
  return { found: groups, isSearching: isFetching || asked !== query };
}
