import { ActionIcon, Drawer } from '@mantine/core';
import { useDisclosure, useMediaQuery } from '@mantine/hooks';
import { IconMenu2 } from '@tabler/icons-react';
import { type ReactNode, useEffect } from 'react';
import classes from './Shell.module.css';
import { SignInAgain } from './SignInAgain.tsx';

/** Below this the navigation is behind a button, and lists show less of each row. */
export const useNarrow = () => useMediaQuery('(max-width: 47.99em)', window.innerWidth < 768) ?? false;

type ShellProps = {
  /** The app's name, above the navigation. */
  brand: ReactNode;
  navigation: ReactNode;
  /** Below the navigation: the person, the state of the line. */
  foot: ReactNode;
  /** Beside the menu button on narrow screens. */
  bar: ReactNode;
  /** Changes when another page is shown: closes the drawer. */
  place: string;
  children: ReactNode;
};

/** Navigation at the side, or in a drawer where there is little room; the page beside it has the rest. */
export function Shell({ brand, navigation, foot, bar, place, children }: ShellProps) {
  const isNarrow = useNarrow();
  const [isOpen, { open, close }] = useDisclosure(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: to another place means out of the drawer
  useEffect(close, [place]);
  const side = (
    <>
      {navigation}
      <div className={classes.foot}>{foot}</div>
    </>
  );
  return (
    <div className={classes.shell}>
      <a className="skip" href="#page">
        Skip to the page
      </a>
      {isNarrow ? (
        <header className={classes.bar}>
          <ActionIcon onClick={open} aria-label="Open the navigation" size="lg">
            <IconMenu2 size={20} />
          </ActionIcon>
          {bar}
          <Drawer opened={isOpen} onClose={close} size={260} title={brand} classNames={{ body: classes.drawer }}>
            {side}
          </Drawer>
        </header>
      ) : (
        <aside className={classes.side}>
          <div className={classes.brand}>{brand}</div>
          {side}
        </aside>
      )}
      <main id="page" className={classes.page} tabIndex={-1}>
        {children}
      </main>
      <SignInAgain />
    </div>
  );
}

type PageHeadProps = { title: ReactNode; detail?: ReactNode; children?: ReactNode };

/** The line above a page: its name, what is known about it, and its actions at the end. */
export function PageHead({ title, detail, children }: PageHeadProps) {
  return (
    <div className={classes.head}>
      <h1 className={classes.title}>{title}</h1>
      {detail && <div className={classes.detail}>{detail}</div>}
      <div className={classes.actions}>{children}</div>
    </div>
  );
}
