import { formatNumber } from '@aether/ui/formats.ts';
import { Tag } from '@aether/ui/Tag.tsx';
import { Button } from '@mantine/core';
import type { Consumer } from '../api/consumers.ts';
import classes from '../parts/parts.module.css';
import { When } from '../times/When.tsx';
import type { Ask } from './OrderDialog.tsx';
import { Session } from './Session.tsx';

type LettersProps = {
  consumer: string;
  letters: Consumer['letters'];
  /** As the broker counts them: `letters` has the oldest. */
  total: number | undefined;
  /** Undefined if the person may not order. */
  ask: Ask | undefined;
};

/** Messages that the consumer could not read. */
export function Letters({ consumer, letters, total = letters.length, ask }: LettersProps) {
  return (
    <>
      <h3 className={classes.title}>
        {total > letters.length
          ? `Dead letters, the oldest ${letters.length} of ${formatNumber(total)}`
          : 'Dead letters'}
      </h3>
      <ul className={classes.list} aria-label={`Dead letters of ${consumer}`}>
        {letters.map(({ number, id, type, session, reason, at }) => (
          <li key={number} className={classes.item}>
            <div className={classes.what}>
              <b>{type ?? 'a message without a type'}</b>
              <span className={classes.quiet}>
                message {id}, <Session id={session} />
              </span>
            </div>
            <Tag tone="bad">{reason ?? 'dead letter'}</Tag>
            {at !== null && (
              <span className={classes.quiet}>
                <When at={at} />
              </span>
            )}
            {ask && (
              <Button
                size="compact-xs"
                variant="default"
                aria-label={`Resubmit… message ${id}`}
                onClick={() => ask({ act: 'resubmit', numbers: [number] })}
              >
                Resubmit…
              </Button>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}
