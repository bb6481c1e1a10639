import { formatMoment, formatTime } from '@aether/ui/formats.ts';
import type { Session } from '../api/records.ts';
import classes from './conversation.module.css';

/** What the visitor said of the conversation when it was over. */
export function RatingLine({ rating }: { rating: NonNullable<Session['rating']> }) {
  const { score, comment, created_at } = rating;
  return (
    <div className={classes.done} role="note" aria-label="Rating of the visitor">
      <span>
        The visitor rated this conversation {score} of 5{' '}
        <time dateTime={created_at} title={formatMoment(created_at)}>
          {formatTime(created_at)}
        </time>
      </span>
      {comment && <span className={classes.doneBody}>{comment}</span>}
    </div>
  );
}
