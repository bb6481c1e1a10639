import { sendMailAgain, takeMailBack } from '@aether/ui/mail/calls.ts';
import { MailNote } from '@aether/ui/mail/MailNote.tsx';
import { lazyDialog } from '@aether/ui/parts/lazy.tsx';
import { useMayChange } from '@aether/ui/reading.tsx';
import { Tag, type Tone } from '@aether/ui/Tag.tsx';
import { showRefusal } from '@aether/ui/toasts.tsx';
import { Button } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import type { ActivityEntry } from '../api/records.ts';
import classes from './timeline.module.css';

const WriteMail = lazyDialog(() => import('./WriteMail.tsx'), 'WriteMail');

type State = 'waiting' | 'sent' | 'cancelled' | 'failed' | 'bounced' | 'doubtful';

const states: Record<State, [words: string, tone: Tone]> = {
  waiting: ['Goes in a moment', 'accent'],
  sent: ['Sent', 'good'],
  cancelled: ['Taken back, not sent', 'plain'],
  failed: ['Not sent', 'bad'],
  bounced: ['Did not arrive', 'bad'],
  doubtful: ['May have gone: the mail server did not answer', 'warn'],
};

type MailEntryProps = { entry: ActivityEntry; customerId: string; onChanged: () => void };

/** An e-mail of the timeline: its subject, its text, what became of it, or the whole of what came. */
export function MailEntry({ entry, customerId, onChanged }: MailEntryProps) {
  const [isAnswering, setAnswering] = useState(false);
  const mayChange = useMayChange();
  const { metadata, description, type } = entry;
  const { subject, to, from, mail } = metadata;
  const act = useMutation({
    mutationFn: (run: () => Promise<unknown>) => run(),
    onError: (error) => showRefusal('That was not possible', error),
    onSettled: onChanged,
  });
  const state = mail?.state as State | undefined;
  const [words, tone] =
    mail?.code === 'address-changed'
      ? (['Not sent: the customer does not have this address any more', 'warn'] as const)
      : (state && Object.hasOwn(states, state) && states[state]) || ['', 'plain' as const];
  const isSent = type === 'email_sent';
  return (
    <>
      <p className={classes.words}>
        {subject && <strong>{subject}</strong>}{' '}
        <span className={classes.field}>
          {isSent ? `to ${to ?? 'an erased address'}` : `from ${from ?? 'an unknown address'}`}
        </span>
      </p>
      <p className={classes.words}>{description}</p>
      {isSent && state && (
        <p className={classes.words}>
          <Tag tone={tone}>
            {words}
            {mail.code && state !== 'cancelled' ? ` (${mail.code})` : ''}
          </Tag>{' '}
          {mayChange && state === 'waiting' && (
            <Button
              size="compact-xs"
              variant="default"
              loading={act.isPending}
              onClick={() => act.mutate(() => takeMailBack(mail.id))}
            >
              Take back
            </Button>
          )}
          {mayChange && (state === 'failed' || state === 'bounced' || state === 'doubtful') && (
            <Button
              size="compact-xs"
              variant="default"
              loading={act.isPending}
              onClick={() => act.mutate(() => sendMailAgain(mail.id))}
            >
              Send it again
            </Button>
          )}
        </p>
      )}
      {!isSent && mail && (
        <div>
          <MailNote mail={mail} />
          {mayChange && !mail.is_automatic && (
            <Button size="compact-xs" variant="default" mt={4} onClick={() => setAnswering(true)}>
              Answer
            </Button>
          )}
        </div>
      )}
      {isAnswering && (
        <WriteMail
          customer={{ id: customerId }}
          answers={{ id: mail.id, subject: subject ?? '' }}
          onClose={() => setAnswering(false)}
        />
      )}
    </>
  );
}
