import classes from '../Navigation.module.css';
import { useUnread } from './useInbox.ts';

/** The server counts up to 100. */
const countedMax = 99;

/** How many notices are unread, in the navigation. */
export function UnreadCount() {
  const unread = useUnread()?.unread ?? 0;
  if (unread === 0) return null;
  const count = unread > countedMax ? `${countedMax}+` : unread;
  return (
    <span className={classes.count} data-strong title={`${count} unread`}>
      {count}
    </span>
  );
}
