import { UnreadCount } from '@aether/ui/inbox/UnreadCount.tsx';
import classes from '@aether/ui/Navigation.module.css';
import {
  IconAdjustments,
  IconBuilding,
  IconChartBar,
  IconChecklist,
  IconCoins,
  IconHistory,
  IconInbox,
  IconLayoutKanban,
  IconLayoutList,
  IconMoodSad,
  IconStars,
  IconTag,
  IconUserCog,
  IconUsers,
} from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useWaiting } from '../tasks/Reminders.tsx';

/** The places of the navigation, in order. */
export const places = [
  { to: '/inbox', label: 'Inbox', keys: 'g i', icon: IconInbox, isForAdmins: false },
  { to: '/customers', label: 'Customers', keys: 'g c', icon: IconUsers, isForAdmins: false },
  { to: '/deals', label: 'Deals', keys: 'g d', icon: IconLayoutKanban, isForAdmins: false },
  { to: '/companies', label: 'Companies', keys: 'g o', icon: IconBuilding, isForAdmins: false },
  { to: '/tasks', label: 'Tasks', keys: 'g t', icon: IconChecklist, isForAdmins: false },
  { to: '/reports', label: 'Reports', keys: 'g s', icon: IconChartBar, isForAdmins: false },
  { to: '/settings/fields', label: 'Custom fields', keys: 'g f', icon: IconLayoutList, isForAdmins: true },
  { to: '/settings/pipelines', label: 'Pipelines', keys: 'g p', icon: IconAdjustments, isForAdmins: true },
  { to: '/settings/loss-reasons', label: 'Loss reasons', keys: 'g n', icon: IconMoodSad, isForAdmins: true },
  { to: '/settings/currencies', label: 'Currencies', keys: 'g y', icon: IconCoins, isForAdmins: true },
  { to: '/settings/tags', label: 'Tags', keys: 'g k', icon: IconTag, isForAdmins: true },
  { to: '/settings/tiers', label: 'Tiers', keys: 'g r', icon: IconStars, isForAdmins: true },
  { to: '/settings/users', label: 'Users', keys: 'g u', icon: IconUserCog, isForAdmins: true },
  { to: '/settings/changes', label: 'Changes', keys: 'g v', icon: IconHistory, isForAdmins: true },
] as const;

export function Navigation({ isAdmin }: { isAdmin: boolean }) {
  const { data: waiting } = useWaiting();
  const entries = (isForAdmins: boolean) =>
    places
      .filter((place) => place.isForAdmins === isForAdmins)
      .map(({ to, label, icon: Icon }) => (
        <Link key={to} to={to} className={classes.place}>
          <Icon size={17} stroke={1.7} />
          {label}
          {to === '/inbox' && <UnreadCount />}
          {to === '/tasks' && waiting !== undefined && waiting.due > 0 && (
            <span className={classes.count} data-strong title={`${sayCount(waiting.due)} of your tasks are due`}>
              {sayCount(waiting.due)}
            </span>
          )}
        </Link>
      ));
  return (
    <nav aria-label="Main">
      {entries(false)}
      {isAdmin && <div className={classes.section}>Administration</div>}
      {isAdmin && entries(true)}
    </nav>
  );
}

/** The server counts up to 100. */
const sayCount = (count: number): string => (count > 99 ? '99+' : String(count));
