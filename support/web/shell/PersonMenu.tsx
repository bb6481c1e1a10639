import { signOut } from '@aether/ui/signin.ts';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { Avatar, Menu, Stack, Text, UnstyledButton, useMantineColorScheme, VisuallyHidden } from '@mantine/core';
import { IconDeviceDesktop, IconLogout, IconMoon, IconSun } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { changeAgent, ownAgentQuery } from '../api/agents.ts';
import type { Availability, OwnAgent } from '../api/records.ts';
import { AvailabilityMark, availabilityMeanings, availabilityNames } from './Availability.tsx';
import classes from './shell.module.css';

type PersonMenuProps = {
  me: { name: string; email: string; isAdmin: boolean; agent: OwnAgent | null };
  mark: ReactNode;
};

/** Who is signed in, whether they take conversations, how the screen looks, and the way out. */
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
      <Menu position="top-start" width={260}>
        <Menu.Target>
          <UnstyledButton className={classes.person}>
            <Avatar size={26} name={me.name} color="iris" />
            <span className={classes.name}>
              {me.name}
              <Text component="span" display="block" size="xs" c="dimmed" truncate>
                {me.agent ? <AvailabilityMark availability={me.agent.availability} /> : 'Not an agent'}
                {me.isAdmin && ' · Administrator'}
              </Text>
            </span>
            <VisuallyHidden>Availability, appearance and sign-out</VisuallyHidden>
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{me.email}</Menu.Label>
          {me.agent && <AvailabilityItems agent={me.agent} />}
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

function AvailabilityItems({ agent }: { agent: OwnAgent }) {
  const client = useQueryClient();
  const change = useMutation({
    mutationFn: (availability: Availability) => changeAgent(agent.id, { availability }),
    onSuccess: (_, availability) => {
      client.setQueryData(ownAgentQuery.queryKey, (own) => own && { ...own, agent: { ...agent, availability } });
      void client.invalidateQueries({ queryKey: ['agents'] });
      showDone(`You are ${availabilityNames[availability].toLowerCase()}.`);
    },
    onError: (error) => showRefusal('Your availability was not changed', error),
  });
  return (
    <>
      {(['online', 'away', 'offline'] as const).map((availability) => (
        <Menu.Item
          key={availability}
          onClick={() => change.mutate(availability)}
          aria-current={agent.availability === availability}
          leftSection={<span className={classes.dot} data-availability={availability} aria-hidden />}
        >
          {availabilityNames[availability]}
          {agent.availability === availability && ' ✓'}
          <Text size="xs" c="dimmed">
            {availabilityMeanings[availability]}
          </Text>
        </Menu.Item>
      ))}
      <Menu.Divider />
    </>
  );
}
