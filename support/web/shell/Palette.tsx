import { showAddress } from '@aether/platform/noaddress';
import { formatAgo } from '@aether/ui/formats.ts';
import { type Entry, PaletteFrame } from '@aether/ui/PaletteFrame.tsx';
import { useMayChange } from '@aether/ui/reading.tsx';
import { useDebouncedValue } from '@mantine/hooks';
import { IconArrowRight, IconBolt, IconMessage, IconPhonePlus, IconUser } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState, useSyncExternalStore } from 'react';
import { searchQuery } from '../api/inbox.ts';
import { viewNames, views } from '../desk/search.ts';
import { listCommands, subscribeCommands } from './commands.ts';
import { placesOf, placesWithin } from './Navigation.tsx';
import { useMe } from './person.ts';

/** Conversations and customers by name, pages, and actions on the open conversation. */
export function Palette({ openings }: { openings: number }) {
  const [query, setQuery] = useState('');
  const navigate = useNavigate();
  const mayChange = useMayChange();
  const { isAdmin } = useMe();
  const offered = useSyncExternalStore(subscribeCommands, listCommands);
  const commands: Entry[] = [
    ...offered.map(({ label, run }) => ({ id: `do-${label}`, label, icon: <IconBolt size={16} />, run })),
    ...views.map((view) => ({
      id: `view-${view}`,
      label: `Conversations: ${viewNames[view].toLowerCase()}`,
      icon: <IconArrowRight size={16} />,
      run: () => void navigate({ to: '/inbox', search: { view } }),
    })),
    ...(mayChange
      ? [
          {
            id: 'log-call',
            label: 'Log a call',
            icon: <IconPhonePlus size={16} />,
            run: () => void navigate({ to: '/calls', search: { log: true } }),
          },
        ]
      : []),
    ...[...placesOf(isAdmin), ...placesWithin].map(({ to, label }) => ({
      id: to,
      label: `Go to ${label.toLowerCase()}`,
      icon: <IconArrowRight size={16} />,
      run: () => void navigate({ to }),
    })),
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

function useFound(query: string): { found: { label: string; entries: Entry[] }[]; isSearching: boolean } {
  const navigate = useNavigate();
  const [asked] = useDebouncedValue(query, 80);
  const { data, isFetching } = useQuery(searchQuery(asked));
  const found = query.trim() === '' ? undefined : data;
  const sessions = (found?.sessions ?? []).map(({ id, visitor_name, status, started_at }) => ({
    id: `session-${id}`,
    label: visitor_name ?? 'A visitor without a name',
    detail: `${status === 'ended' ? 'Ended' : 'Open'}, began ${formatAgo(started_at)}`,
    icon: <IconMessage size={16} />,
    run: () => void navigate({ to: '/sessions/$id', params: { id } }),
  }));
  const customers = (found?.customers ?? []).map(({ id, name, email }) => ({
    id: `customer-${id}`,
    label: name,
    detail: showAddress(email),
    icon: <IconUser size={16} />,
    run: () => void navigate({ to: '/customers/$id', params: { id } }),
  }));
  const groups = [
    { label: 'Conversations', entries: sessions },
    { label: 'Customers', entries: customers },
  ];
  return { found: groups, isSearching: isFetching || asked !== query };
}
