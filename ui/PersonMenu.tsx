import { showAddress } from '@aether/platform/noaddress';
import { Avatar, Menu, Text, UnstyledButton, useMantineColorScheme, VisuallyHidden } from '@mantine/core';
import { IconDeviceDesktop, IconLogout, IconMoon, IconSun } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { clearDrafts, countDrafts } from './drafts.ts';
import classes from './PersonMenu.module.css';
import { lazyDialog } from './parts/lazy.tsx';
import { signOut } from './signin.ts';
import { showRefusal } from './toasts.tsx';
import { clearUnsent, countUnsent } from './unsent.ts';

type PersonMenuProps = {
  me: { id: string; name: string; email: string };
  /** The person's role, shown below the name. */
  role: ReactNode;
  /** The purpose of the menu, for screen readers. */
  label: string;
  width: number;
  /** The app's own entries, above the others. */
  children?: ReactNode;
};

/** Few people sign out with a draft, so the question is loaded when it is asked. */
const Dialog = lazyDialog(() => import('./Dialog.tsx'), 'Dialog');

type Way = '/signin/out' | '/signin/out-everywhere';

/** The menu of the signed-in person: name, colour scheme, sign-out. Drafts do not outlive a sign-out, so it asks first if there are any. */
export function PersonMenu({ me, role, label, width, children }: PersonMenuProps) {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [asked, setAsked] = useState<Way | undefined>();
  const leave = async (way: Way) => {
    const providerUrl = await signOut(way);
    clearDrafts(localStorage, me.id);
    clearUnsent(localStorage, me.id);
    sessionStorage.clear();
    window.location.assign(providerUrl ?? '/');
  };
  const begin = (way: Way) => {
    if (unsentOf(me.id) > 0) setAsked(way);
    else leave(way).catch((error) => showRefusal('You are still signed in', error));
  };
  const look = (scheme: 'light' | 'dark' | 'auto', name: string, icon: ReactNode) => (
    <Menu.Item leftSection={icon} onClick={() => setColorScheme(scheme)} aria-current={colorScheme === scheme}>
      {name}
      {colorScheme === scheme && ' ✓'}
    </Menu.Item>
  );
  return (
    <>
      <Menu position="top-start" width={width}>
        <Menu.Target>
          <UnstyledButton className={classes.person}>
            <Avatar size={26} name={me.name} color="iris" />
            <span className={classes.name}>
              {me.name}
              <Text component="span" display="block" size="xs" c="dimmed" truncate>
                {role}
              </Text>
            </span>
            <VisuallyHidden>{label}</VisuallyHidden>
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{showAddress(me.email)}</Menu.Label>
          {children}
          {look('light', 'Light', <IconSun size={15} />)}
          {look('dark', 'Dark', <IconMoon size={15} />)}
          {look('auto', 'As the system', <IconDeviceDesktop size={15} />)}
          <Menu.Divider />
          <Menu.Item leftSection={<IconLogout size={15} />} onClick={() => begin('/signin/out')}>
            Sign out
          </Menu.Item>
          <Menu.Item leftSection={<IconLogout size={15} />} onClick={() => begin('/signin/out-everywhere')}>
            Sign out everywhere
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {asked && (
        <Dialog
          title="Sign out, and lose your drafts?"
          verb="Sign out"
          save={() => leave(asked)}
          onSaved={() => {}}
          onClose={() => setAsked(undefined)}
        >
          {() => <Text size="sm">{describeLoss(unsentOf(me.id))}</Text>}
        </Dialog>
      )}
    </>
  );
}

/** How many things of a person are only on this device. */
const unsentOf = (person: string): number => countDrafts(localStorage, person) + countUnsent(localStorage, person);

const describeLoss = (drafts: number): string =>
  drafts === 1
    ? 'You have written something that you did not send. It is removed from this device when you sign out.'
    : `You have written ${drafts} things that you did not send. They are removed from this device when you sign out.`;
