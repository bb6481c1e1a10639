import type { Availability } from '../api/records.ts';
import classes from './shell.module.css';

export const availabilityNames: Record<Availability, string> = { online: 'Online', away: 'Away', offline: 'Offline' };

export const availabilityMeanings: Record<Availability, string> = {
  online: 'New conversations may come to you',
  away: 'You keep yours, and get no new ones',
  offline: 'Visitors see that you are not here',
};

/** A dot and a word: the colour alone would not suffice. */
export function AvailabilityMark({ availability }: { availability: Availability }) {
  return (
    <span className={classes.availability}>
      <span className={classes.dot} data-availability={availability} aria-hidden />
      {availabilityNames[availability]}
    </span>
  );
}
