import { formatMoment } from '@aether/ui/formats.ts';
import { Button, Group } from '@mantine/core';
import { IconAlertCircle, IconClock } from '@tabler/icons-react';
import classes from './calls.module.css';
import type { UnsentCall } from './sending.ts';

type UnsentCallsProps = {
  unsent: UnsentCall[];
  onRetry: (clientId: string) => void;
  onEdit: (clientId: string) => void;
};

/** The calls that were logged without a connection, each with its state. */
export function UnsentCalls({ unsent, onRetry, onEdit }: UnsentCallsProps) {
  return (
    <ul className={classes.list} data-wide data-unsent aria-label="Not sent yet">
      {unsent.map((each) => {
        const { client_id, call, state, isOffline, problem } = each;
        const isRefused = state === 'failed' && !isOffline;
        const Icon = isRefused ? IconAlertCircle : IconClock;
        return (
          <li key={client_id} className={classes.call} aria-busy={state === 'sending'}>
            <Icon size={16} className={classes.icon} aria-hidden />
            <div className={classes.body}>
              <div className={classes.line}>
                {call.direction === 'inbound' ? 'From' : 'To'} {call.number}
              </div>
              {call.notes && <div className={classes.notes}>{call.notes}</div>}
              <div className={isRefused ? classes.refused : classes.quiet} role={isRefused ? 'alert' : undefined}>
                {formatMoment(call.started_at ?? each.created_at)}: {describeState(each)}
                {isRefused && ` ${problem}`}
              </div>
              {state === 'failed' && (
                <Group gap={6}>
                  <Button variant="default" size="compact-sm" onClick={() => onRetry(client_id)}>
                    {isRefused ? 'Send again' : 'Try now'}
                  </Button>
                  <Button variant="subtle" size="compact-sm" onClick={() => onEdit(client_id)}>
                    Edit
                  </Button>
                </Group>
              )}
            </div>
          </li>
        );
      })}
    </ul>
  );
}

function describeState({ state, isOffline }: UnsentCall): string {
  if (state === 'sending') return 'being logged…';
  if (state === 'waiting') return 'waits for the one before.';
  return isOffline ? 'waits for the connection, and is logged by itself when it is back.' : 'not logged.';
}
