import { formatNumber } from '@aether/ui/formats.ts';
import { Tag } from '@aether/ui/Tag.tsx';
import { Button, Group } from '@mantine/core';
import type { Consumer } from '../api/consumers.ts';
import classes from '../parts/parts.module.css';
import { When } from '../times/When.tsx';
import type { Ask } from './OrderDialog.tsx';
import { Session } from './Session.tsx';

type ParkedEventsProps = {
  consumer: string;
  events: Consumer['parked'];
  /** As the consumer counts them: `events` has the first. */
  total: number | undefined;
  /** Undefined if the person may not order. */
  ask: Ask | undefined;
};

/** Events that wait in the consumer's own database: those that failed, and those behind them. */
export function ParkedEvents({ consumer, events, total = events.length, ask }: ParkedEventsProps) {
  return (
    <>
      <h3 className={classes.title}>
        {total > events.length
          ? `Parked events, the first ${events.length} of ${formatNumber(total)}`
          : 'Parked events'}
      </h3>
      <ul className={classes.list} aria-label={`Parked events of ${consumer}`}>
        {events.map(({ event, type, session, state, attempts, error, at }) => (
          <li key={event} className={classes.item}>
            <div className={classes.what}>
              <b>{type}</b>
              <span className={classes.quiet}>
                event {event}, <Session id={session} />
                {error !== null && `, ${error}`}
              </span>
            </div>
            <Tag tone={state === 'dead' ? 'bad' : 'warn'}>
              {state === 'waiting'
                ? 'waits behind another'
                : `${state === 'dead' ? 'dead' : 'tried again'}, ${attempts === 1 ? '1 attempt' : `${attempts} attempts`}`}
            </Tag>
            <span className={classes.quiet}>
              <When at={at} />
            </span>
            {ask && state === 'dead' && (
              <Group gap={6}>
                <Button
                  size="compact-xs"
                  variant="default"
                  aria-label={`Try again… event ${event}`}
                  onClick={() => ask({ act: 'retry', session })}
                >
                  Try again…
                </Button>
                <Button
                  size="compact-xs"
                  variant="default"
                  aria-label={`Skip… event ${event}`}
                  onClick={() => ask({ act: 'skip', session, event })}
                >
                  Skip…
                </Button>
              </Group>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}
