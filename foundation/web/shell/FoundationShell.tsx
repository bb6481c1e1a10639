import { PersonMenu } from '@aether/ui/PersonMenu.tsx';
import { lazyDialog } from '@aether/ui/parts/lazy.tsx';
import { Shell } from '@aether/ui/Shell.tsx';
import { useUnsent } from '@aether/ui/useUnsent.ts';
import { useLocation, useNavigate } from '@tanstack/react-router';
import { liveFeed } from '../api/live.ts';
import { Reminders } from '../tasks/Reminders.tsx';
import { Navigation, places } from './Navigation.tsx';
import { useMe } from './person.ts';

const icon = new URL('../icon.svg', import.meta.url).href;
const Palette = lazyDialog(() => import('./Palette.tsx'), 'Palette');
const loadOutboxes = () => Promise.all([import('../customer/sending.ts')]);

/** The frame around every page of Foundation. */
export function FoundationShell() {
  const me = useMe();
  useUnsent(me.id, loadOutboxes);
  const navigate = useNavigate();
  const place = useLocation({ select: ({ pathname }) => pathname });
  return (
    <>
      <Shell
        name="Foundation"
        icon={icon}
        place={place}
        feed={liveFeed}
        Palette={Palette}
        navigation={<Navigation isAdmin={me.isAdmin} />}
        ways={places
          .filter(({ isForAdmins }) => !isForAdmins || me.isAdmin)
          .map(({ to, label, keys }) => ({ keys, label, run: () => void navigate({ to }) }))}
        person={
          <PersonMenu
            me={me}
            role={me.isAdmin ? 'Administrator' : me.isSteward ? 'Data steward' : 'Staff'}
            label="Appearance and sign-out"
            width={230}
          />
        }
      />
      <Reminders />
    </>
  );
}
