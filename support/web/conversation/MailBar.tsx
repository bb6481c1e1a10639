import { formatTime } from '@aether/ui/formats.ts';
import { allowAddress, sendMailAgain, takeMailBack } from '@aether/ui/mail/calls.ts';
import classes from '@aether/ui/mail/mail.module.css';
import { ForChanges } from '@aether/ui/reading.tsx';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { Button } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { catchUp } from '../api/conversation.ts';
import type { Conversation } from '../api/records.ts';

/** What goes to the visitor by e-mail, or does not, and what can be done about it. Without anything of that it is not there. */
export function MailBar({ conversation: { session, mail } }: { conversation: Conversation }) {
  const client = useQueryClient();
  const act = useMutation({
    mutationFn: ({ run }: { run: () => Promise<unknown>; done: string }) => run(),
    onSuccess: (_, { done }) => showDone(done),
    onError: (error) => showRefusal('That was not possible', error),
    onSettled: () => catchUp(client, session.id),
  });
  const last = mail.mails.at(-1);
  if (mail.failing && session.visitor_email !== null) {
    const address = session.visitor_email;
    return (
      <Bar
        isWarning
        words={`E-mail to ${address} did not arrive (${mail.failing.code}), so nothing is sent there.`}
        verb="Allow it again"
        isBusy={act.isPending}
        run={() => act.mutate({ run: () => allowAddress(address), done: `${address} may be written to again` })}
      />
    );
  }
  if (!last) return null;
  const { id, to, state, not_before } = last;
  const again = () => act.mutate({ run: () => sendMailAgain(id), done: 'It is sent again' });
  switch (state) {
    case 'waiting':
      return (
        <Bar
          words={
            last.code
              ? `The e-mail to ${to} could not be sent yet (${last.code}). It is tried again at ${formatTime(not_before)}.`
              : `Goes to ${to} by e-mail, unless it is read here first.`
          }
          verb="Do not send"
          isBusy={act.isPending}
          run={() => act.mutate({ run: () => takeMailBack(id), done: 'It is not sent by e-mail' })}
        />
      );
    case 'doubtful':
      return (
        <Bar
          isWarning
          words={`The e-mail to ${to} may have gone: the connection ended before the mail server answered.`}
          verb="Send it again"
          isBusy={act.isPending}
          run={again}
        />
      );
    case 'failed':
    case 'bounced':
      return (
        <Bar
          isWarning
          words={`The e-mail to ${to} did not arrive${last.code ? ` (${last.code})` : ''}.`}
          verb="Send it again"
          isBusy={act.isPending}
          run={again}
        />
      );
    default:
      return null;
  }
}

type BarProps = { words: string; verb: string; isWarning?: boolean; isBusy: boolean; run: () => void };

function Bar({ words, verb, isWarning = false, isBusy, run }: BarProps) {
  return (
    <div className={classes.bar} data-tone={isWarning ? 'warn' : undefined} role="status">
      <span>{words}</span>
      <ForChanges>
        <Button size="compact-xs" variant="default" loading={isBusy} onClick={run}>
          {verb}
        </Button>
      </ForChanges>
    </div>
  );
}
