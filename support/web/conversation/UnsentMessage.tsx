import { sayFiles } from '@aether/ui/attachments/upload.ts';
import { show } from '@aether/ui/mentions/drafts.ts';
import { Button, Group } from '@mantine/core';
import { IconAlertCircle, IconClock } from '@tabler/icons-react';
import type { Named } from '../api/records.ts';
import classes from './conversation.module.css';
import type { UnsentWords } from './sending.ts';

type UnsentMessageProps = {
  unsent: UnsentWords;
  onRetry: () => void;
  onEdit: () => void;
  /** Its words become a note that the person goes on writing. */
  onNote: () => void;
  onDiscard: () => void;
  onTakeOver: (holder: Named) => void;
};

/** The agent's own message on its way, with its state. */
export function UnsentMessage({ unsent, onRetry, onEdit, onNote, onDiscard, onTakeOver }: UnsentMessageProps) {
  const { kind, body, files = [], state, problem, isOffline, holder, isOver } = unsent;
  return (
    <article
      className={kind === 'note' ? classes.note : classes.group}
      data-author="agent"
      data-state={state}
      aria-busy={state !== 'failed'}
    >
      <div className={classes.by}>
        <span className={classes.author}>You</span>
        {state === 'failed' ? (
          <span className={classes.failed} role="alert">
            <IconAlertCircle size={14} aria-hidden /> Not sent.
          </span>
        ) : (
          <span className={classes.sending}>
            <IconClock size={13} aria-hidden /> {state === 'sending' ? 'Sending…' : 'Waits for the one before'}
          </span>
        )}
      </div>
      <div className={kind === 'note' ? classes.words : classes.bubble}>
        {[kind === 'note' ? show(body) : body, files.length > 0 && sayFiles(files)].filter(Boolean).join('\n')}
      </div>
      {state === 'failed' && (
        <div className={classes.problem}>
          <span>
            {isOver ? 'The conversation has ended, so the visitor cannot get this any more.' : problem}
            {isOffline && ' It is sent again by itself when the line is back.'}
          </span>
          <Group gap={6}>
            {isOver ? (
              <>
                <Button variant="default" onClick={onNote}>
                  Make it a note
                </Button>
                <Button variant="subtle" onClick={onDiscard}>
                  Discard
                </Button>
              </>
            ) : (
              <>
                {holder && (
                  <Button variant="default" onClick={() => onTakeOver(holder)}>
                    Take over from {holder.name.split(' ')[0]}
                  </Button>
                )}
                <Button variant="default" onClick={onRetry}>
                  Send again
                </Button>
                <Button variant="subtle" onClick={onEdit}>
                  Edit
                </Button>
              </>
            )}
          </Group>
        </div>
      )}
    </article>
  );
}
