import { formatMoment } from '@aether/ui/formats.ts';
import { Tag } from '@aether/ui/Tag.tsx';
import type { Closing } from '../api/records.ts';
import { TierTag } from '../inputs/TierTag.tsx';
import { nameApp } from '../record/Provenance.tsx';
import classes from './DealPage.module.css';

/** How a deal was closed: the outcome, the person, the time, and the tier that the customer got. */
export function ClosingRecord({
  closing: { outcome, given_tier, previous_tier, reason, reason_note, actor, app, at },
}: {
  closing: Closing;
}) {
  return (
    <section aria-labelledby="closing">
      <h2 id="closing" className={classes.closing}>
        Closing
      </h2>
      <dl className={classes.links}>
        <dt>Outcome</dt>
        <dd>
          <Tag tone={outcome === 'won' ? 'good' : 'bad'}>{outcome === 'won' ? 'Won' : 'Lost'}</Tag>
        </dd>
        <dt>Closed by</dt>
        <dd>{actor?.name ?? nameApp(app)}</dd>
        <dt>Closed at</dt>
        <dd>
          <time dateTime={at}>{formatMoment(at)}</time>
        </dd>
        {outcome === 'lost' && (
          <>
            <dt>Reason</dt>
            <dd>
              {reason?.name ?? (reason_note === null ? 'None given' : null)}
              {reason !== null && reason_note !== null && ': '}
              {reason_note}
            </dd>
          </>
        )}
        {outcome === 'won' && (
          <>
            <dt>Tier</dt>
            <dd>
              {given_tier === null ? 'The customer’s tier stayed as it was.' : <TierTag tier={given_tier} />}
              {given_tier !== null && given_tier !== previous_tier && (
                <>
                  {' instead of '}
                  {previous_tier === null ? 'none' : <TierTag tier={previous_tier} />}
                </>
              )}
              {given_tier !== null && given_tier === previous_tier && ', as before'}
            </dd>
          </>
        )}
      </dl>
    </section>
  );
}
