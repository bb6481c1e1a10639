import { useNow } from './clock.ts';
import { formatLength, formatMomentIn, formatSince } from './moments.ts';
import { useUtc } from './zone.ts';

type WhenProps = {
  at: string;
  /**
   * `ago`: `3 min ago`. `length`: `3 min`, of what lasts since then. `moment`: the date, time and zone, for lists that are compared line by
   * line.
   */
  as?: 'ago' | 'length' | 'moment';
};

/** A moment in few words, with its date, time and zone on hover. Where people show times in UTC, it is in UTC. */
export function When({ at, as = 'ago' }: WhenProps) {
  const moment = formatMomentIn(at, useUtc());
  const words = useNow((now) => (as === 'length' ? formatLength(at, now) : formatSince(at, now)));
  return (
    <time dateTime={at} title={as === 'moment' ? words : moment}>
      {as === 'moment' ? moment : words}
    </time>
  );
}
