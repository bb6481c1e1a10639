import { Avatar, Menu, Text, UnstyledButton, useMantineColorScheme, VisuallyHidden } from '@mantine/core';
import { IconDeviceDesktop, IconLogout, IconMoon, IconSun } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import classes from './PersonMenu.module.css';
import { signOut } from './signin.ts';
import { showRefusal } from './toasts.tsx';

type PersonMenuProps = {
  me: { name: string; email: string };
  /** The person's role, shown below the name. */
  role: ReactNode;
  /** The purpose of the menu, for screen readers. */
  label: string;
  width: number;
  /** The app's own entries, above the others. */
  children?: ReactNode;
};

/** The menu of the signed-in person: name, colour scheme, sign-out. */
export function PersonMenu({ me, role, label, width, children }: PersonMenuProps) {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const leave = (path: '/signin/out' | '/signin/out-everywhere') =>
    signOut(path).then(
      (providerUrl) => window.location.assign(providerUrl ?? '/'),
      (error) => showRefusal('You are still signed in', error),
    );
  const look = (scheme: 'light' | 'dark' | 'auto', name: string, icon: ReactNode) => (
    <Menu.Item leftSection={icon} onClick={() => setColorScheme(scheme)} aria-current={colorScheme === scheme}>
      {name}
      {colorScheme === scheme && ' ✓'}
    </Menu.Item>
  );
  return (
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
        <Menu.Label>{me.email}</Menu.Label>
        {children}
        {look('light', 'Light', <IconSun size={15} />)}
        {look('dark', 'Dark', <IconMoon size={15} />)}
        {look('auto', 'As the system', <IconDeviceDesktop size={15} />)}
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={15} />} onClick={() => leave('/signin/out')}>
          Sign out
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={15} />} onClick={() => leave('/signin/out-everywhere')}>
          Sign out everywhere
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
