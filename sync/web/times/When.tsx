import { useNow } from './clock.ts';
import { formatMomentIn, formatSince } from './moments.ts';
import { useUtc } from './zone.ts';

type WhenProps = {
  at: string;
  /** Shows the moment itself, for lists that are compared line by line. */
  isAbsolute?: boolean;
};

/** A moment as `3 min ago`, with the date, time and zone on hover. Where people show times in UTC, the moment is in UTC. */
export function When({ at, isAbsolute = false }: WhenProps) {
  const now = useNow();
  const moment = formatMomentIn(at, useUtc());
  return (
    <time dateTime={at} title={isAbsolute ? formatSince(at, now) : moment}>
      {isAbsolute ? moment : formatSince(at, now)}
    </time>
  );
}
