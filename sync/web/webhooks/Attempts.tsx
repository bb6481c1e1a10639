import { formatNumber } from '@aether/ui/formats.ts';
import { Tag } from '@aether/ui/Tag.tsx';
import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Attempt } from '../api/webhooks.ts';
import classes from '../parts/parts.module.css';
import { When } from '../times/When.tsx';
import { explainCode, outcomes } from './words.ts';

/** So many are shown at first. */
const shownMax = 20;

/** The last messages to a webhook, the newest first, and how each was answered. */
export function Attempts({ attempts }: { attempts: Attempt[] }) {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? attempts : attempts.slice(0, shownMax);
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
          {shown.map(({ id, at, kind, position, type, outcome, code, took_ms: tookMs }) => (
            <li key={id} className={classes.item} data-outcome={outcome}>
              <div className={classes.what}>
                {position === null ? (
                  <b>A test</b>
                ) : (
                  <Link to="/events/$position" params={{ position: String(position) }}>
                    {type}
                  </Link>
                )}
                {position !== null && (
                  <span className={classes.quiet}>
                    event {position}
                    {kind === 'replay' && ', again'}
                  </span>
                )}
                {outcome !== 'taken' && <span>{explainCode(code)}</span>}
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
      {shown.length < attempts.length && (
        <Button variant="default" mb="md" onClick={() => setWhole(true)}>
          Show all {attempts.length}
        </Button>
      )}
    </>
  );
}
