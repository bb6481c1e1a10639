import { Tooltip } from '@mantine/core';
import { useSyncExternalStore } from 'react';
import classes from './LiveMark.module.css';
import type { LiveFeed, LiveState } from './live.ts';
import { seen } from './seen.ts';

const words: Record<LiveState, [short: string, long: string]> = {
  connecting: ['Connecting…', 'Opening the line for live changes.'],
  live: ['Live', 'Changes by others appear here as they happen.'],
  reconnecting: ['Reconnecting…', 'The line was cut. What you see may be some moments old; it catches up by itself.'],
  offline: ['Offline', 'No network. What you see may be old, and nothing can be saved until the network is back.'],
};

const wordsOfAge = (seconds: number): [short: string, long: string] => [
  `As of ${seconds} s ago`,
  `Some of this page was read from a copy of the database that was up to ${seconds} s behind. What you have changed yourself is in it.`,
];

/** Shows whether the data on the screen are fresh. */
export function LiveMark({ feed }: { feed: LiveFeed }) {
  const state = useSyncExternalStore(feed.subscribe, feed.getState);
  const age = useSyncExternalStore(seen.subscribe, () => seen.ageOf(window.location.pathname));
  const isOld = state === 'live' && age > 0;
  const [short, long] = isOld ? wordsOfAge(age) : words[state];
  return (
    <Tooltip label={long} multiline w={240}>
      <span className={classes.mark} data-state={isOld ? 'old' : state} role="status" aria-live="polite">
        <span className={classes.dot} aria-hidden />
        {short}
      </span>
    </Tooltip>
  );
}
