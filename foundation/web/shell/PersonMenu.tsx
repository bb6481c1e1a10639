import { signOut } from '@aether/ui/signin.ts';
import { showRefusal } from '@aether/ui/toasts.tsx';
import { Avatar, Menu, Stack, Text, UnstyledButton, useMantineColorScheme, VisuallyHidden } from '@mantine/core';
import { IconDeviceDesktop, IconLogout, IconMoon, IconSun } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import classes from './shell.module.css';

type PersonMenuProps = { me: { name: string; email: string; role: string }; mark: ReactNode };

/** Who is signed in, how the screen looks, and the way out. */
export function PersonMenu({ me, mark }: PersonMenuProps) {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const leave = (path: '/signin/out' | '/signin/out-everywhere') =>
    signOut(path).then(
      (providerUrl) => window.location.assign(providerUrl ?? '/'),
      (error) => showRefusal('You are still signed in', error),
    );
  const look = (scheme: 'light' | 'dark' | 'auto', label: string, icon: ReactNode) => (
    <Menu.Item leftSection={icon} onClick={() => setColorScheme(scheme)} aria-current={colorScheme === scheme}>
      {label}
      {colorScheme === scheme && ' ✓'}
    </Menu.Item>
  );
  return (
    <Stack gap={6} align="flex-start">
      {mark}
      <Menu position="top-start" width={230}>
        <Menu.Target>
          <UnstyledButton className={classes.person}>
            <Avatar size={26} name={me.name} color="iris" />
            <span className={classes.name}>
              {me.name}
              <Text component="span" display="block" size="xs" c="dimmed" truncate>
                {me.role === 'admin' ? 'Administrator' : 'Staff'}
              </Text>
            </span>
            <VisuallyHidden>Appearance and sign-out</VisuallyHidden>
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{me.email}</Menu.Label>
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
    </Stack>
  );
}
