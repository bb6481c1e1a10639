import { useDebouncedValue } from '@mantine/hooks';
import { createSpotlight, Spotlight } from '@mantine/spotlight';
import { IconArrowRight, IconBuilding, IconCash, IconPlus, IconSearch, IconUser } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactNode, useEffect, useState } from 'react';
import { searchQuery } from '../api/search.ts';
import { places } from './Navigation.tsx';

type Entry = { id: string; label: string; detail?: string; icon: ReactNode; run: () => void };

const [store, actions] = createSpotlight();

export const openPalette = actions.open;

/** Records by name, pages and actions, all from the keyboard. */
export default function Palette({ isAdmin }: { isAdmin: boolean }) {
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
      id: 'new-company',
      label: 'New company',
      icon: <IconPlus size={16} />,
      run: () => void navigate({ to: '/companies', search: { create: true } }),
    },
  ];
  const words = query.trim().toLowerCase();
  const matching = commands.filter(({ label }) => label.toLowerCase().includes(words));
  const records = useRecords(query);
  // Enter takes the first, as everywhere. After the entries of this query are drawn.
  const first = records.customers[0]?.id ?? records.companies[0]?.id ?? records.deals[0]?.id ?? matching[0]?.id;
  useEffect(() => {
    if (words !== '' && first !== undefined) selectFirst();
  }, [words, first]);
  return (
    <Spotlight.Root
      query={query}
      onQueryChange={setQuery}
      store={store}
      shortcut={null}
      closeOnActionTrigger
      clearQueryOnClose
      overlayProps={{ blur: 0 }}
      scrollable
      maxHeight={420}
    >
      <Spotlight.Search
        placeholder="A customer, company, deal or command"
        aria-label="Search and commands"
        leftSection={<IconSearch size={17} />}
      />
      <Spotlight.ActionsList>
        <Entries label="Customers" entries={records.customers} />
        <Entries label="Companies" entries={records.companies} />
        <Entries label="Deals" entries={records.deals} />
        <Entries label="Commands" entries={matching} />
        {records.isEmpty && matching.length === 0 && <Spotlight.Empty>Nothing is called that.</Spotlight.Empty>}
      </Spotlight.ActionsList>
    </Spotlight.Root>
  );
}

/** Spotlight has this for its own keys only. */
function selectFirst(): void {
  const list = document.getElementById(store.getState().listId);
  list?.querySelector('[data-selected]')?.removeAttribute('data-selected');
  list?.querySelector('[data-action]')?.setAttribute('data-selected', 'true');
  store.setState({ ...store.getState(), selected: 0 });
}

function Entries({ label, entries }: { label: string; entries: Entry[] }) {
  if (entries.length === 0) return null;
  return (
    <Spotlight.ActionsGroup label={label}>
      {entries.map(({ id, label: name, detail, icon, run }) => (
        <Spotlight.Action key={id} label={name} description={detail} leftSection={icon} onClick={run} />
      ))}
    </Spotlight.ActionsGroup>
  );
}

function useRecords(query: string) {
  const navigate = useNavigate();
  const [asked] = useDebouncedValue(query, 80);
  const { data } = useQuery(searchQuery(asked));
  const found = query.trim() === '' ? undefined : data;
  const customers = (found?.customers ?? []).map(({ id, name, email }) => ({
    id: `customer-${id}`,
    label: name,
    detail: email,
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
  return { customers, companies, deals, isEmpty: customers.length + companies.length + deals.length === 0 };
}
