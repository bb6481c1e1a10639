import { ActionIcon, Group, Stack, Text } from '@mantine/core';
import { useDisclosure, useMediaQuery } from '@mantine/hooks';
import { IconMenu2 } from '@tabler/icons-react';
import { Outlet } from '@tanstack/react-router';
import { type ComponentType, type ReactNode, Suspense, useEffect, useState, useSyncExternalStore } from 'react';
import { KeyListener, useKeys } from './Keys.tsx';
import type { Binding } from './keys.ts';
import { LiveMark } from './LiveMark.tsx';
import type { LiveFeed } from './live.ts';
import { lazyDialog } from './parts/lazy.tsx';
import { NewVersion, useOutdated } from './parts/NewVersion.tsx';
import { ReaderNote } from './reading.tsx';
import { SearchButton } from './SearchButton.tsx';
import classes from './Shell.module.css';
import { timedOut } from './timedout.ts';
import { undoLast } from './toasts.tsx';

const NavigationDrawer = lazyDialog(() => import('./NavigationDrawer.tsx'), 'NavigationDrawer');
const SignInAgain = lazyDialog(() => import('./SignInAgain.tsx'), 'SignInAgain');

/** On a narrower screen the navigation is behind a button, and lists show less of each row. */
export const useNarrow = () => useMediaQuery('(max-width: 47.99em)', window.innerWidth < 768) ?? false;

type ShellProps = {
  /** The app's name, above the navigation; `icon` is the address of its picture. */
  name: string;
  icon: string;
  navigation: ReactNode;
  /** The keys that lead to the places of the navigation. */
  ways: Pick<Binding, 'keys' | 'label' | 'run'>[];
  /** Shown below the navigation and the state of the connection. */
  person: ReactNode;
  feed: LiveFeed;
  /** The app's palette, which opens when its number grows. */
  Palette: ComponentType<{ openings: number; onClose?: () => void }>;
  /** Changes when another page is shown, which closes the drawer. */
  place: string;
};

/** The frame of an app: the navigation at the side, or in a drawer on a narrow screen, and the router's page beside it. */
export function Shell({ name, icon, navigation, ways, person, feed, Palette, place }: ShellProps) {
  const isNarrow = useNarrow();
  const [isOpen, { open, close }] = useDisclosure(false);
  const [wasOpen, setWasOpen] = useState(false);
  if (isOpen && !wasOpen) setWasOpen(true); // it stays, so that closing it gives the focus back
  // biome-ignore lint/correctness/useExhaustiveDependencies: another place closes the drawer
  useEffect(close, [place]);
  const [searches, setSearches] = useState(0);
  const search = () => setSearches((before) => before + 1);
  useKeys([
    { keys: 'mod+k', label: 'Search and commands', group: 'Everywhere', run: search },
    { keys: 'mod+z', label: 'Undo the last change', group: 'Everywhere', run: undoLast },
    ...ways.map((way) => ({ ...way, group: 'Go to' })),
  ]);
  const isTimedOut = useSyncExternalStore(timedOut.subscribe, timedOut.get);
  const isOutdated = useOutdated();
  const mark = <LiveMark feed={feed} />;
  const brand = (
    <Group gap={8}>
      <img src={icon} width={22} height={22} alt="" />
      <Text fw={640} size="sm">
        {name}
      </Text>
    </Group>
  );
  const side = (
    <>
      <div data-under-messages>
        <SearchButton onClick={search} />
      </div>
      {navigation}
      <div className={classes.foot}>
        <Stack gap={6} align="flex-start">
          <NewVersion />
          <ReaderNote />
          {mark}
          {person}
        </Stack>
      </div>
    </>
  );
  return (
    <div className={classes.shell}>
      <a className="skip" href="#page">
        Skip to the page
      </a>
      {isNarrow ? (
        <header className={classes.bar} data-under-messages>
          <ActionIcon onClick={open} aria-label="Open the navigation" size="lg">
            <IconMenu2 size={20} />
          </ActionIcon>
          {isOutdated ? <NewVersion isShort /> : brand}
          <Group ml="auto" gap={4} wrap="nowrap">
            {mark}
            <SearchButton onClick={search} isSmall />
          </Group>
          {wasOpen && (
            <NavigationDrawer opened={isOpen} title={brand} onClose={close}>
              {side}
            </NavigationDrawer>
          )}
        </header>
      ) : (
        <aside className={classes.side}>
          <div className={classes.brand}>{brand}</div>
          {side}
        </aside>
      )}
      <main id="page" className={classes.page} tabIndex={-1}>
        <KeyListener />
        <Suspense>
          <Outlet />
        </Suspense>
        {searches > 0 && <Palette openings={searches} onClose={() => setSearches(0)} />}
      </main>
      {isTimedOut && <SignInAgain />}
    </div>
  );
}

type PageHeadProps = { title: ReactNode; detail?: ReactNode; children?: ReactNode };

/** The line above a page: its name, details, and its actions at the end. */
export function PageHead({ title, detail, children }: PageHeadProps) {
  return (
    <div className={classes.head}>
      <h1 className={classes.title}>{title}</h1>
      {detail && <div className={classes.detail}>{detail}</div>}
      <div className={classes.actions}>{children}</div>
    </div>
  );
}
