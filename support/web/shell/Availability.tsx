import type { Availability } from '../api/records.ts';
import classes from './shell.module.css';

export const availabilityNames: Record<Availability, string> = { online: 'Online', away: 'Away', offline: 'Offline' };

export const availabilityMeanings: Record<Availability, string> = {
  online: 'New conversations may come to you',
  away: 'You keep yours, and get no new ones',
  offline: 'Visitors see that you are not here',
};

type Present = { availability: Availability; is_here: boolean };

/** What others see of an agent: nobody is online without an open console, whatever they chose. */
export const presenceOf = ({ availability, is_here }: Present): Availability | 'absent' =>
  availability !== 'offline' && !is_here ? 'absent' : availability;

/** A dot and a word: the colour alone would not suffice. */
export function AvailabilityMark({ presence }: { presence: Availability | 'absent' }) {
  return (
    <span className={classes.availability}>
      <span className={classes.dot} data-availability={presence} aria-hidden />
      {presence === 'absent' ? 'Console closed' : availabilityNames[presence]}
    </span>
  );
}
