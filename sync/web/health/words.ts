import type { Status } from '../api/health.ts';

/** The word for each state, from the worst to the best. */
export const words: Record<Status, string> = {
  failing: 'Failing',
  silent: 'Silent',
  stalled: 'Stalled',
  parked: 'Parked',
  unknown: 'Unknown',
  warning: 'Warning',
  'catching-up': 'Catching up',
  paused: 'Paused',
  ok: 'Well',
};
