import { useWishes } from '@aether/ui/attention/wishes.ts';
import { showBadge } from '@aether/ui/badge.ts';
import { type Apps, openNotice } from '@aether/ui/inbox/places.ts';
import { useInboxNews, useUnread } from '@aether/ui/inbox/useInbox.ts';
import { PersonMenu } from '@aether/ui/PersonMenu.tsx';
import { lazyDialog } from '@aether/ui/parts/lazy.tsx';
import { Shell } from '@aether/ui/Shell.tsx';
import { markInSight } from '@aether/ui/tabs.ts';
import { useUnsent } from '@aether/ui/useUnsent.ts';
import { Menu } from '@mantine/core';
import { IconBell } from '@tabler/icons-react';
import { useLocation, useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { liveFeed } from '../api/live.ts';
import { Reminders } from '../tasks/Reminders.tsx';
import { Navigation, places } from './Navigation.tsx';
import { useMe } from './person.ts';

const icon = new URL('../icon.svg', import.meta.url).href;
const Palette = lazyDialog(() => import('./Palette.tsx'), 'Palette');
const AttentionDialog = lazyDialog(() => import('@aether/ui/attention/AttentionDialog.tsx'), 'AttentionDialog');
const loadOutboxes = () => Promise.all([import('../customer/sending.ts')]);

/** The frame around every page of Foundation. */
export function FoundationShell() {
  const me = useMe();
  useUnsent(me.id, loadOutboxes);
  useAttention(me);
  const [isAsked, setAsked] = useState(false);
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
            role={me.isAdmin ? 'Administrator' : me.isSteward ? 'Data steward' : me.isReader ? 'Reader' : 'Staff'}
            label="Appearance and sign-out"
            width={230}
          >
            <Menu.Item leftSection={<IconBell size={15} />} onClick={() => setAsked(true)}>
              Sound and notifications…
            </Menu.Item>
            <Menu.Divider />
          </PersonMenu>
        }
      />
      {!me.isReader && <Reminders />}
      {isAsked && <AttentionDialog personId={me.id} app="Foundation" onClose={() => setAsked(false)} />}
    </>
  );
}

/** Tells the person of what comes into the inbox. Reminders of tasks are over the page, and tell of themselves. */
function useAttention({ id, apps }: { id: string; apps: Apps }): void {
  const [wishes] = useWishes(id);
  const navigate = useNavigate();
  const unread = useUnread()?.unread ?? 0;
  useInboxNews({
    wishes,
    isTold: ({ is_reminder }) => is_reminder,
    onOpen: (notice) => openNotice(notice, { own: 'foundation', apps, go: (path) => void navigate({ to: path }) }),
    onOpenInbox: () => void navigate({ to: '/inbox' }),
  });
  useEffect(markInSight, []);
  useEffect(() => showBadge(unread), [unread]);
}
