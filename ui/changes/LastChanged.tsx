import { useQuery } from '@tanstack/react-query';
import { formatAgo, formatMoment } from '../formats.ts';
import { meQuery } from '../signin.ts';
import { lastChangeQuery } from './calls.ts';
import classes from './changes.module.css';
import { sayWho } from './words.ts';

type LastChangedProps = {
  kind: string;
  /** Of one setting; without it, of all of its kind. */
  of?: string | undefined;
  /** The address of the changes in this app. */
  at?: string;
};

/** Who changed a setting last and when, for administrators, with the way to all its changes. Nothing if nobody did since it is recorded. */
export function LastChanged({ kind, of, at = '/settings/changes' }: LastChangedProps) {
  const { data: me } = useQuery(meQuery);
  const isAdmin = me?.role === 'admin';
  const { data } = useQuery({ ...lastChangeQuery(kind, of), enabled: isAdmin });
  const [act] = data?.acts ?? [];
  if (!isAdmin || !act) return null;
  const address = `${at}?${new URLSearchParams({ kind, ...(of !== undefined && { key: of }) })}`;
  return (
    <p className={classes.last}>
      Last changed by {sayWho(act)}, <time title={formatMoment(act.at)}>{formatAgo(act.at)}</time>.{' '}
      <a href={address}>All changes</a>
    </p>
  );
}
