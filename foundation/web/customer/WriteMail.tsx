import { Dialog } from '@aether/ui/Dialog.tsx';
import { allowAddress, takeMailBack } from '@aether/ui/mail/calls.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Alert, Button, Textarea, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { mailAddressesQuery, writeMail } from '../api/mails.ts';

type Values = { to: string | null; subject: string; body: string };
const empty: Values = { to: null, subject: '', body: '' };
const subjectMax = 200;
const bodyMax = 4_000;

type WriteMailProps = {
  customer: { id: string; name?: string };
  /** The mail that it answers. */
  answers?: { id: string; subject: string };
  onClose: () => void;
};

/** The dialog for an e-mail to a customer. Sent, it can be taken back for some seconds. What is typed is kept. */
export function WriteMail({ customer: { id, name = 'the customer' }, answers, onClose }: WriteMailProps) {
  const begun = { ...empty, subject: answers ? answerSubject(answers.subject) : '' };
  const draft = useDraft<Values>(
    answers ? `mail:${id}:${answers.id}` : `mail:${id}`,
    begun,
    ({ subject, body }) => subject === begun.subject && body.trim() === '',
  );
  const { value, change } = draft;
  const { data, error, refetch } = useQuery(mailAddressesQuery(id));
  const addresses = data?.addresses ?? [];
  const chosen =
    addresses.find(({ email }) => email === value.to) ?? addresses.find(({ failing }) => !failing) ?? addresses[0];
  const allow = async (email: string) => {
    await allowAddress(email).catch((refusal) => showRefusal('The address was not allowed', refusal));
    await refetch();
  };
  const faults = {
    ...(value.subject.trim() === '' && { subject: 'Write what it is about.' }),
    ...(value.body.trim() === '' && { body: 'Write something.' }),
  };
  return (
    <Dialog
      title={`E-mail to ${name}`}
      verb="Send"
      size="lg"
      draft={draft}
      faults={faults}
      isReady={data?.is_on === true && chosen !== undefined && !chosen.failing}
      save={() =>
        writeMail(id, {
          client_id: draft.id,
          to: chosen?.email ?? '',
          subject: value.subject.trim(),
          body: value.body,
          ...(answers && { answers: answers.id }),
        })
      }
      onSaved={({ metadata }) => {
        const mail = String(metadata.mail?.id);
        showUndo({
          message: `The e-mail to ${name} goes in a moment`,
          undo: async () => {
            await takeMailBack(mail);
          },
        });
        onClose();
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          {error && <ErrorNotice title="The addresses could not be loaded" error={error} onRetry={refetch} />}
          {data && !data.is_on && (
            <Alert color="yellow" c="var(--warn)" role="alert">
              This installation sends no e-mail. Its operator sets MAIL_SMTP_URL and MAIL_FROM.
            </Alert>
          )}
          {data && addresses.length === 0 && (
            <Alert color="yellow" c="var(--warn)" role="alert">
              No address of this customer is known.
            </Alert>
          )}
          {addresses.length > 0 && (
            <Picker
              label="To"
              name="to"
              data={addresses.map(({ email }) => ({ value: email, label: email }))}
              value={chosen?.email ?? null}
              error={errors.to}
              onChange={(to) => change({ to })}
            />
          )}
          {chosen?.failing && (
            <Alert color="yellow" c="var(--warn)" role="alert">
              E-mail to {chosen.email} did not arrive ({chosen.failing.code}), so nothing is sent there.{' '}
              <Button size="compact-xs" variant="default" onClick={() => allow(chosen.email)}>
                Allow it again
              </Button>
            </Alert>
          )}
          <TextInput
            label="Subject"
            name="subject"
            withAsterisk
            maxLength={subjectMax}
            value={value.subject}
            error={errors.subject}
            onChange={(event) => change({ subject: event.currentTarget.value })}
          />
          <Textarea
            label="Text"
            name="body"
            withAsterisk
            autosize
            minRows={8}
            maxRows={20}
            maxLength={bodyMax}
            value={value.body}
            error={errors.body}
            onChange={(event) => change({ body: event.currentTarget.value })}
          />
        </>
      )}
    </Dialog>
  );
}

const answerSubject = (subject: string) => (/^re:/i.test(subject) ? subject : `Re: ${subject}`).slice(0, subjectMax);
