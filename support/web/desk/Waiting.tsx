import { formatMoment } from '@aether/ui/formats.ts';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useNow } from './clock.ts';
import classes from './desk.module.css';
import { formatWaiting, waitingMsMax } from './waiting.ts';

/** How long the visitor has waited for an answer, ticking; red and with a sign when it is too long. */
export function WaitingTime({ since }: { since: string }) {
  const from = Date.parse(since);
  const ms = useNow((now) => formatWaiting(now - from)) - from;
  const isLong = ms >= waitingMsMax;
  return (
    <span className={classes.waiting} data-long={isLong} title={`Waiting since ${formatMoment(since)}`}>
      {isLong && <IconAlertTriangle size={13} aria-label="Waiting too long:" />}
      {formatWaiting(ms)}
    </span>
  );
}
