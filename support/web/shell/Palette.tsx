import { formatAgo } from '@aether/ui/formats.ts';
import { useDebouncedValue } from '@mantine/hooks';
import { createSpotlight, Spotlight } from '@mantine/spotlight';
import { IconArrowRight, IconBolt, IconMessage, IconPhonePlus, IconSearch, IconUser } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactNode, useEffect, useState, useSyncExternalStore } from 'react';
import { searchQuery } from '../api/inbox.ts';
import { viewNames, views } from '../desk/search.ts';
import { listCommands, subscribeCommands } from './commands.ts';
import { places } from './Navigation.tsx';

type Entry = { id: string; label: string; detail?: string; icon: ReactNode; run: () => void };

const [store, actions] = createSpotlight();

export const openPalette = actions.open;

/** Conversations and customers by name, pages, and what can be done with the conversation that is open. */
export default function Palette() {
  const [query, setQuery] = useState('');
  const navigate = useNavigate();
  const offered = useSyncExternalStore(subscribeCommands, listCommands);
  const commands: Entry[] = [
    ...offered.map(({ label, run }) => ({ id: `do-${label}`, label, icon: <IconBolt size={16} />, run })),
    ...views.map((view) => ({
      id: `view-${view}`,
      label: `Inbox: ${viewNames[view].toLowerCase()}`,
      icon: <IconArrowRight size={16} />,
      run: () => void navigate({ to: '/inbox', search: { view } }),
    })),
    {
      id: 'log-call',
      label: 'Log a call',
      icon: <IconPhonePlus size={16} />,
      run: () => void navigate({ to: '/calls', search: { log: true } }),
    },
    ...places.map(({ to, label }) => ({
      id: to,
      label: `Go to ${label.toLowerCase()}`,
      icon: <IconArrowRight size={16} />,
      run: () => void navigate({ to }),
    })),
  ];
  const words = query.trim().toLowerCase();
  const matching = commands.filter(({ label }) => label.toLowerCase().includes(words));
  const records = useRecords(query);
  // Enter takes the first, as everywhere. After the entries of this query are drawn.
  const first = records.sessions[0]?.id ?? records.customers[0]?.id ?? matching[0]?.id;
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
        placeholder="A conversation, customer or command"
        aria-label="Search and commands"
        leftSection={<IconSearch size={17} />}
      />
      <Spotlight.ActionsList>
        <Entries label="Conversations" entries={records.sessions} />
        <Entries label="Customers" entries={records.customers} />
        <Entries label="Commands" entries={matching} />
        {records.sessions.length + records.customers.length + matching.length === 0 && (
          <Spotlight.Empty>Nothing is called that.</Spotlight.Empty>
        )}
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
    detail: email,
    icon: <IconUser size={16} />,
    run: () => void navigate({ to: '/customers/$id', params: { id } }),
  }));
  return { sessions, customers };
}
