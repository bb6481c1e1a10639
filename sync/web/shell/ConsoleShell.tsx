import { PersonMenu } from '@aether/ui/PersonMenu.tsx';
import { lazyDialog } from '@aether/ui/parts/lazy.tsx';
import { Shell } from '@aether/ui/Shell.tsx';
import { Menu } from '@mantine/core';
import { IconWorld } from '@tabler/icons-react';
import { useLocation, useNavigate } from '@tanstack/react-router';
import { liveFeed } from '../api/live.ts';
import { showUtc, useUtc } from '../times/zone.ts';
import { Navigation } from './Navigation.tsx';
import { useMe } from './person.ts';
import { places } from './places.ts';

const icon = new URL('../icon.svg', import.meta.url).href;
const Palette = lazyDialog(() => import('./Palette.tsx'), 'Palette');

/** The frame around every page of the console. */
export function ConsoleShell() {
  const me = useMe();
  const isUtc = useUtc();
  const navigate = useNavigate();
  const place = useLocation({ select: ({ pathname }) => pathname });
  return (
    <Shell
      name="Console"
      icon={icon}
      place={place}
      feed={liveFeed}
      Palette={Palette}
      navigation={<Navigation />}
      ways={places.map(({ to, label, keys }) => ({ keys, label, run: () => void navigate({ to }) }))}
      person={
        <PersonMenu
          me={me}
          role={
            me.isAdmin ? 'Administrator' : me.isSteward ? 'Data steward' : me.isReader ? 'Reader' : 'Staff, looks only'
          }
          label="Appearance, time zone and sign-out"
          width={230}
        >
          <Menu.Item leftSection={<IconWorld size={15} />} onClick={() => showUtc(!isUtc)}>
            {isUtc ? 'Times in your time zone' : 'Times in UTC'}
          </Menu.Item>
          <Menu.Divider />
        </PersonMenu>
      }
    />
  );
}
