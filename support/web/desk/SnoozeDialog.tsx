import { Dialog } from '@aether/ui/Dialog.tsx';
import { formatMoment } from '@aether/ui/formats.ts';
import { showUndo } from '@aether/ui/toasts.tsx';
import { Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { snooze } from '../api/conversation.ts';
import type { Session } from '../api/records.ts';
import { useActions } from './actions.ts';
import classes from './dialogs.module.css';
import { listMoments, toLocalInput } from './moments.ts';
import { nameVisitor } from './order.ts';

/** Snoozes the conversation until a moment, or until the visitor writes. */
export function SnoozeDialog({ session, onClose }: { session: Session; onClose: () => void }) {
  const { show } = useActions();
  const [now] = useState(() => new Date());
  const moments = listMoments(now);
  const [until, setUntil] = useState(() => toLocalInput(moments[0]?.at ?? now));
  const at = new Date(until);
  const isPast = !(at.getTime() > now.getTime());
  return (
    <Dialog
      title={`Snooze ${nameVisitor(session)}’s conversation`}
      verb="Snooze"
      isReady={!isPast}
      save={() => snooze(session.id, at.toISOString())}
      onSaved={({ session: put }) => {
        show(put);
        onClose();
        showUndo({
          message: `Snoozed until ${formatMoment(at.toISOString())}.`,
          undo: async () => show((await snooze(session.id, session.snoozed_until)).session),
        });
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <Text size="sm">It comes back at that moment, or at once when the visitor writes.</Text>
          <div className={classes.moments}>
            {moments.map(({ label, at: moment }, index) => (
              <button
                key={label}
                type="button"
                className={classes.moment}
                data-autofocus={index === 0 || undefined}
                aria-pressed={until === toLocalInput(moment)}
                onClick={() => setUntil(toLocalInput(moment))}
              >
                {label}
                <span className={classes.quiet}>{formatMoment(moment.toISOString())}</span>
              </button>
            ))}
          </div>
          <TextInput
            type="datetime-local"
            label="Date and time"
            name="until"
            value={until}
            min={toLocalInput(now)}
            error={errors.until ?? (isPast ? 'Choose a moment that is to come.' : undefined)}
            onChange={(event) => setUntil(event.currentTarget.value)}
          />
        </>
      )}
    </Dialog>
  );
}
