import { formatNumber } from '@aether/ui/formats.ts';
import { Tag } from '@aether/ui/Tag.tsx';
import { Link } from '@tanstack/react-router';
import type { Attempt } from '../api/webhooks.ts';
import classes from '../parts/parts.module.css';
import { When } from '../times/When.tsx';
import { explainCode, outcomes } from './words.ts';

/** The last messages to a webhook, the newest first, and how each was answered. */
export function Attempts({ attempts }: { attempts: Attempt[] }) {
  return (
    <>
      <h2 className={classes.title}>Last attempts</h2>
      {attempts.length === 0 && (
        <p className={classes.quiet}>
          Nothing was posted yet. Fifty that were taken are kept, and fifty that were not.
        </p>
      )}
      {attempts.length > 0 && (
        <ul className={classes.list} aria-label="Last attempts">
          {attempts.map(({ id, at, kind, position, type, outcome, code, took_ms: tookMs }) => (
            <li key={id} className={classes.item} data-outcome={outcome}>
              <div className={classes.what}>
                {position === null ? (
                  <b>A test</b>
                ) : (
                  <Link to="/events/$position" params={{ position: String(position) }}>
                    {type}
                  </Link>
                )}
                <span className={classes.quiet}>
                  {position !== null && `event ${position}${kind === 'replay' ? ', again' : ''}`}
                  {outcome !== 'taken' && ` ${explainCode(code) ?? ''}`}
                </span>
              </div>
              <Tag tone={outcomes[outcome].tone}>
                {outcomes[outcome].word}: {code}
              </Tag>
              <span className={classes.numbers}>{formatNumber(tookMs)} ms</span>
              <span className={classes.quiet}>
                <When at={at} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
