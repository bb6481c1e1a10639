import { UnreadCount } from '@aether/ui/inbox/UnreadCount.tsx';
import navigation from '@aether/ui/Navigation.module.css';
import {
  IconBell,
  IconChartBar,
  IconClockPause,
  IconHistory,
  IconInbox,
  IconMessageCheck,
  IconMessages,
  IconPhone,
  IconRobot,
  IconTag,
  IconTextPlus,
  IconUserCheck,
  IconUserCog,
  IconUsers,
  IconWorldWww,
} from '@tabler/icons-react';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useLocation } from '@tanstack/react-router';
import { countsQuery, inboxQuery } from '../api/inbox.ts';
import type { View } from '../api/records.ts';
import { isUnread } from '../desk/order.ts';
import { SavedViews } from '../desk/SavedViews.tsx';
import { viewNames, views } from '../desk/search.ts';
import { useMe } from './person.ts';

/** The pages besides the inbox, in the order of the navigation. */
export const places = [
  { to: '/notices', label: 'Inbox', keys: 'g i', icon: IconBell, isSetting: false },
  { to: '/customers', label: 'Customers', keys: 'g c', icon: IconUsers, isSetting: false },
  { to: '/calls', label: 'Calls', keys: 'g l', icon: IconPhone, isSetting: false },
  { to: '/reports', label: 'Reports', keys: 'g s', icon: IconChartBar, isSetting: false },
  { to: '/settings/tags', label: 'Tags', keys: 'g k', icon: IconTag, isSetting: true },
  { to: '/settings/canned-answers', label: 'Canned answers', keys: 'g a', icon: IconTextPlus, isSetting: true },
  { to: '/settings/agents', label: 'Agents', keys: 'g e', icon: IconUserCog, isSetting: true },
  { to: '/settings/widgets', label: 'Widgets', keys: 'g w', icon: IconWorldWww, isSetting: true },
  { to: '/settings/chatbots', label: 'Chatbots', keys: 'g b', icon: IconRobot, isSetting: true },
  { to: '/settings/changes', label: 'Changes', keys: 'g v', icon: IconHistory, isSetting: true, isForAdmins: true },
] as const;

/** Without those that only administrators see. */
export const placesOf = (isAdmin: boolean) => places.filter((place) => isAdmin || !('isForAdmins' in place));

/** They are reached from a page of the navigation, and by their keys. */
export const placesWithin = [
  { to: '/settings/teams', label: 'Teams', keys: 'g m' },
  { to: '/settings/sharing', label: 'Sharing', keys: 'g h' },
] as const;

const viewIcons: Record<View, typeof IconInbox> = {
  mine: IconUserCheck,
  unassigned: IconInbox,
  all: IconMessages,
  bot: IconRobot,
  snoozed: IconClockPause,
  ended: IconMessageCheck,
};

/** @param isAgent a person who is not an agent sees no conversations, customers or calls, but has an inbox. */
export function Navigation({ isAgent }: { isAgent: boolean }) {
  const { isAdmin } = useMe();
  return (
    <nav aria-label="Main">
      {isAgent && <Views />}
      {isAgent && <SavedViews />}
      {placesOf(isAdmin)
        .filter(({ to, isSetting }) => isAgent || isSetting || to === '/notices')
        .map(({ to, label, icon: Icon, isSetting }, index, shown) => (
          <div key={to}>
            {isSetting && !shown[index - 1]?.isSetting && <div className={navigation.section}>Settings</div>}
            <Link to={to} className={navigation.place}>
              <Icon size={17} stroke={1.7} aria-hidden />
              {label}
              {to === '/notices' && <UnreadCount />}
            </Link>
          </div>
        ))}
    </nav>
  );
}

function Views() {
  const { agent } = useMe();
  const { data: counts } = useQuery(countsQuery);
  const { data: mine } = useInfiniteQuery(inboxQuery({ view: 'mine' }));
  const unread = mine?.pages
    .flatMap(({ sessions }) => sessions)
    .filter((each) => isUnread(each, agent?.id ?? '')).length;
  const shown = useLocation({
    select: ({ pathname, search }) =>
      /^\/(inbox|sessions\/)/.test(pathname) ? ((search as { view?: View }).view ?? 'mine') : undefined,
  });
  return views.map((view) => {
    const Icon = viewIcons[view];
    const count = view === 'ended' ? undefined : counts?.[view];
    return (
      <Link
        key={view}
        to="/inbox"
        search={{ view }}
        className={navigation.place}
        data-status={undefined}
        data-shown={shown === view}
        aria-current={shown === view ? 'page' : undefined}
      >
        <Icon size={17} stroke={1.7} aria-hidden />
        {viewNames[view]}
        {count !== undefined && count > 0 && (
          <span
            className={navigation.count}
            data-strong={view === 'unassigned' || (view === 'mine' && Boolean(unread))}
            title={`${count} conversations${view === 'mine' && unread ? `, ${unread} unread` : ''}`}
          >
            {count}
          </span>
        )}
      </Link>
    );
  });
}
