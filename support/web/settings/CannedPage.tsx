import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { ForChanges } from '@aether/ui/reading.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { ActionIcon, Button, Text, Textarea, TextInput } from '@mantine/core';
import { IconPencil, IconPlus, IconTextPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { cannedQuery, changeCanned, createCanned, deleteCanned } from '../api/canned.ts';
import type { CannedAnswer } from '../api/records.ts';
import { NoAgent } from '../shell/NoAgent.tsx';
import { useMe } from '../shell/person.ts';
import classes from './settings.module.css';

/** Shared answers: every agent uses and changes them. */
export function CannedPage() {
  const me = useMe();
  const client = useQueryClient();
  const { data, error, refetch } = useQuery(cannedQuery);
  const [edited, setEdited] = useState<CannedAnswer | 'new' | undefined>();
  const refresh = () => client.invalidateQueries({ queryKey: ['canned'] });
  const removing = useMutation({
    mutationFn: ({ id }: CannedAnswer) => deleteCanned(id),
    onSuccess: (_, { id: _id, ...answer }) => {
      void refresh();
      showUndo({
        message: `/${answer.shortcut} was removed.`,
        undo: async () => {
          await createCanned(answer);
          await refresh();
        },
      });
    },
    onError: (refusal) => showRefusal('Not removed', refusal),
  });
  if (!me.agent && !me.isAdmin) return <NoAgent />;
  const answers = data?.canned_answers ?? [];
  return (
    <>
      <PageHead title="Canned answers">
        <ForChanges>
          <Button leftSection={<IconPlus size={15} />} onClick={() => setEdited('new')}>
            New answer
          </Button>
        </ForChanges>
      </PageHead>
      <div className={classes.page}>
        <p className={classes.intro}>
          Type / at the beginning of an answer to choose one. All agents use them, and any agent may change them.
        </p>
        <LastChanged kind="canned_answer" />
        {error && <ErrorNotice title="The canned answers could not be loaded" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data && answers.length === 0 && (
          <Nothing icon={<IconTextPlus size={28} />} title="No canned answers yet">
            Write down what you answer again and again.
          </Nothing>
        )}
        {answers.length > 0 && (
          <ul className={classes.list}>
            {answers.map((answer) => (
              <li key={answer.id} className={classes.row}>
                <span className={classes.name}>
                  <span className={classes.mono}>/{answer.shortcut}</span> {answer.title}
                  <div className={`${classes.detail} ${classes.clamp}`}>{answer.body}</div>
                </span>
                <ForChanges>
                  <ActionIcon onClick={() => setEdited(answer)} aria-label={`Edit /${answer.shortcut}`}>
                    <IconPencil size={16} />
                  </ActionIcon>
                  <ActionIcon onClick={() => removing.mutate(answer)} aria-label={`Remove /${answer.shortcut}`}>
                    <IconTrash size={16} />
                  </ActionIcon>
                </ForChanges>
              </li>
            ))}
          </ul>
        )}
      </div>
      {edited && (
        <CannedDialog
          answer={edited === 'new' ? undefined : edited}
          onClose={() => setEdited(undefined)}
          onSaved={refresh}
        />
      )}
    </>
  );
}

type CannedDialogProps = { answer: CannedAnswer | undefined; onClose: () => void; onSaved: () => void };

function CannedDialog({ answer, onClose, onSaved }: CannedDialogProps) {
  const draft = useDraft(answer ? `canned:${answer.id}` : 'new-canned', {
    shortcut: answer?.shortcut ?? '',
    title: answer?.title ?? '',
    body: answer?.body ?? '',
  });
  const { value: values, change } = draft;
  const ready = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, value.trim()])) as typeof values;
  return (
    <Dialog
      title={answer ? `/${answer.shortcut}` : 'New canned answer'}
      verb={answer ? 'Save' : 'Create'}
      draft={draft}
      faults={findMissing(values, {
        shortcut: 'Write a shortcut of small letters, digits and hyphens.',
        title: 'Write a title.',
        body: 'Write the answer.',
      })}
      save={() => (answer ? changeCanned(answer.id, ready) : createCanned(ready))}
      onSaved={() => {
        onSaved();
        onClose();
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <TextInput
            label="Shortcut"
            name="shortcut"
            description="Typed behind /. Small letters, digits and hyphens."
            withAsterisk
            data-autofocus
            leftSection="/"
            value={values.shortcut}
            error={errors.shortcut}
            onChange={(event) => change({ shortcut: event.currentTarget.value })}
          />
          <TextInput
            label="Title"
            name="title"
            withAsterisk
            value={values.title}
            error={errors.title}
            onChange={(event) => change({ title: event.currentTarget.value })}
          />
          <Textarea
            label="Answer"
            name="body"
            withAsterisk
            autosize
            minRows={4}
            maxRows={14}
            maxLength={4_000}
            value={values.body}
            error={errors.body}
            onChange={(event) => change({ body: event.currentTarget.value })}
          />
          <Text size="xs" c="dimmed">
            {'{{customer.name}}, {{customer.first_name}} and {{agent.name}} are filled in when the answer is inserted.'}
          </Text>
        </>
      )}
    </Dialog>
  );
}
