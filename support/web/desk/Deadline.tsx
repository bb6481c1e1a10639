import { formatMoment } from '@aether/ui/formats.ts';
import { IconAlertTriangle, IconHourglass } from '@tabler/icons-react';
import type { Session } from '../api/records.ts';
import { useNow } from './clock.ts';
import { describeDeadline, findDeadline } from './deadlines.ts';
import classes from './desk.module.css';

/** How long is left until the team's next target of a conversation is missed, or since when it is; nothing where no clock runs. */
export function Deadline({ session, isLong = false }: { session: Session; isLong?: boolean }) {
  const now = useNow((at) => describeDeadline(findDeadline(session, at), at));
  const deadline = findDeadline(session, now);
  if (!deadline) return null;
  const { what, at, state } = deadline;
  const what_ = what === 'answer' ? 'First answer' : 'End';
  const words = describeDeadline(deadline, now);
  return (
    <span
      className={classes.fact}
      data-late={state !== 'next'}
      title={`${what_} ${state === 'missed' ? 'was' : 'is'} due ${formatMoment(new Date(at).toISOString())}`}
    >
      {state === 'next' ? <IconHourglass size={13} aria-hidden /> : <IconAlertTriangle size={13} aria-hidden />}
      {isLong || state === 'missed' ? `${what_} ${words}` : words}
    </span>
  );
}
