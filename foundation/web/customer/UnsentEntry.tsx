import { formatWhen } from '@aether/ui/formats.ts';
import { show } from '@aether/ui/mentions/drafts.ts';
import { Button, Group } from '@mantine/core';
import { IconAlertCircle, IconClock } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { describeType } from './activitytypes.tsx';
import type { UnsentActivity } from './sending.ts';
import classes from './timeline.module.css';

/** What is confirmed within this time is not shown as unsent, so that the list does not jump. */
const patienceMs = 800;

type UnsentEntryProps = { unsent: UnsentActivity; onRetry: () => void; onEdit: () => void };

/** The person's own entry on its way, with its state. */
export function UnsentEntry({ unsent, onRetry, onEdit }: UnsentEntryProps) {
  const { activity, state, problem, isOffline, wasOffline, created_at } = unsent;
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), patienceMs);
    return () => clearTimeout(timer);
  }, []);
  if (!isLate && state === 'sending' && !wasOffline) return null;
  const { label } = describeType(activity.type);
  return (
    <li className={classes.unsent} data-state={state} aria-busy={state === 'sending'}>
      <div className={classes.unsentState} role={state === 'failed' ? 'alert' : undefined}>
        {state === 'failed' && !isOffline ? (
          <IconAlertCircle size={14} aria-hidden />
        ) : (
          <IconClock size={14} aria-hidden />
        )}
        {label} of {formatWhen(created_at)}: {describeState(unsent)}
      </div>
      <p className={classes.words}>{show(activity.description)}</p>
      {state === 'failed' && (
        <>
          {!isOffline && <p className={classes.fact}>{problem}</p>}
          <Group gap={6}>
            <Button variant="default" size="compact-sm" onClick={onRetry}>
              {isOffline ? 'Try now' : 'Send again'}
            </Button>
            <Button variant="subtle" size="compact-sm" onClick={onEdit}>
              Edit
            </Button>
          </Group>
        </>
      )}
    </li>
  );
}

function describeState({ state, isOffline }: UnsentActivity): string {
  if (state === 'sending') return 'being sent…';
  if (state === 'waiting') return 'waits for the one before.';
  return isOffline ? 'waits for the connection, and is sent by itself when it is back.' : 'not sent.';
}
