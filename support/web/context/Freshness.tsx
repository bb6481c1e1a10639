import { ActionIcon } from '@mantine/core';
import { IconRefresh } from '@tabler/icons-react';
import { useSyncExternalStore } from 'react';
import { liveFeed } from '../api/live.ts';
import classes from './context.module.css';

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

type FreshnessProps = { readAt: string; isFetching: boolean; hasFailed: boolean; onRefresh: () => void };

/** The time of this data, and whether it stays current. */
export function Freshness({ readAt, isFetching, hasFailed, onRefresh }: FreshnessProps) {
  const state = useSyncExternalStore(liveFeed.subscribe, liveFeed.getState);
  const isLive = state === 'live' && !hasFailed;
  return (
    <div className={classes.fresh} data-live={isLive}>
      <span className={classes.dot} aria-hidden />
      As of {clock.format(new Date(readAt))},{' '}
      {isLive ? 'live' : hasFailed ? 'the latest could not be read' : 'the line is cut: this may be old'}
      <ActionIcon size="sm" onClick={onRefresh} loading={isFetching} aria-label="Read the customer again">
        <IconRefresh size={14} />
      </ActionIcon>
    </div>
  );
}
