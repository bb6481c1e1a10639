import { KeyListener, useKeys } from '@aether/ui/Keys.tsx';
import { LiveMark } from '@aether/ui/LiveMark.tsx';
import { Shell } from '@aether/ui/Shell.tsx';
import { undoLast } from '@aether/ui/toasts.tsx';
import { Group, Text } from '@mantine/core';
import { Outlet, useLocation, useNavigate } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import { liveFeed } from '../api/live.ts';
import { viewNames, views } from '../desk/search.ts';
import { Navigation, places } from './Navigation.tsx';
import { useOpenMark } from './openmark.ts';
import { PersonMenu } from './PersonMenu.tsx';
import { useMe } from './person.ts';
import { SearchButton } from './SearchButton.tsx';

const loadPalette = () => import('./Palette.tsx');
const Palette = lazy(loadPalette);

/** What stands around every page of Support. */
export function SupportShell() {
  const me = useMe();
  useOpenMark(me.agent !== null);
  const navigate = useNavigate();
  const place = useLocation({ select: ({ pathname, searchStr }) => pathname + searchStr });
  const [wasSearched, setSearched] = useState(false);
  const search = () => {
    setSearched(true);
    void loadPalette().then(({ openPalette }) => openPalette());
  };
  useKeys([
    { keys: 'mod+k', label: 'Search and commands', group: 'Everywhere', run: search },
    { keys: 'mod+z', label: 'Undo the last change', group: 'Everywhere', run: undoLast },
    ...views.map((view, index) => ({
      keys: `g ${index + 1}`,
      label: `Inbox: ${viewNames[view].toLowerCase()}`,
      group: 'Go to',
      run: () => void navigate({ to: '/inbox', search: { view } }),
    })),
    ...places.map(({ to, label, keys }) => ({ keys, label, group: 'Go to', run: () => void navigate({ to }) })),
  ]);
  const brand = (
    <Group gap={8}>
      <img src={new URL('../icon.svg', import.meta.url).href} width={22} height={22} alt="" />
      <Text fw={640} size="sm">
        Support
      </Text>
    </Group>
  );
  return (
    <Shell
      brand={brand}
      place={place}
      bar={
        <>
          {brand}
          <Group ml="auto" gap={4} wrap="nowrap">
            <LiveMark feed={liveFeed} />
            <SearchButton onClick={search} isSmall />
          </Group>
        </>
      }
      navigation={
        <>
          <SearchButton onClick={search} />
          <Navigation isAgent={me.agent !== null} />
        </>
      }
      foot={<PersonMenu me={me} mark={<LiveMark feed={liveFeed} />} />}
    >
      <KeyListener />
      <Suspense>
        <Outlet />
      </Suspense>
      {wasSearched && (
        <Suspense>
          <Palette />
        </Suspense>
      )}
    </Shell>
  );
}
