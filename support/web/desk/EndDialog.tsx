import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { showUndo } from '@aether/ui/toasts.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Radio, Stack, Text, Textarea } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { conversationQuery, endSession, reopenSession } from '../api/conversation.ts';
import type { Session } from '../api/records.ts';
import { useActions } from './actions.ts';
import { nameVisitor } from './order.ts';

const summaryCharactersMax = 400;

/** Ends the conversation, records its result, and says what the CRM shows of it from then on. */
export function EndDialog({ session, onClose }: { session: Session; onClose: () => void }) {
  const { show } = useActions();
  const { data } = useQuery(conversationQuery(session.id, session.message_count));
  const asked = data?.messages.find(({ author, number }) => author === 'visitor' && number <= 10)?.body ?? '';
  const draft = useDraft<{ how: string; summary?: string }>(`end:${session.id}`, { how: '' });
  const { how } = draft.value;
  const summary = draft.value.summary ?? asked.replace(/\s+/g, ' ').slice(0, summaryCharactersMax);
  return (
    <Dialog
      title={`End ${nameVisitor(session)}’s conversation`}
      verb="End conversation"
      draft={draft}
      faults={findMissing({ how }, { how: 'Say whether it was resolved.' })}
      save={() => endSession(session.id, how === 'resolved', summary.trim() || undefined)}
      onSaved={({ session: ended }) => {
        show(ended);
        onClose();
        showUndo({
          message: `Ended as ${ended.resolved ? 'resolved' : 'not resolved'}. Foundation’s timeline tells of it.`,
          undo: async () => show((await reopenSession(ended.id)).session),
        });
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <Radio.Group
            label="Was it resolved?"
            name="how"
            error={errors.how}
            value={how}
            onChange={(next) => draft.change({ how: next })}
            withAsterisk
          >
            <Stack gap={6} mt={6}>
              <Radio size="xs" value="resolved" label="Resolved" data-autofocus />
              <Radio size="xs" value="open" label="Not resolved" />
            </Stack>
          </Radio.Group>
          <Textarea
            label="What it was about"
            name="summary"
            description="Goes to the customer’s timeline in Foundation, where sales reads it. From the visitor’s first message; change it as you like."
            autosize
            minRows={2}
            maxRows={6}
            maxLength={summaryCharactersMax}
            value={summary}
            error={errors.summary}
            onChange={(event) => draft.change({ summary: event.currentTarget.value })}
          />
          {!session.customer_id && (
            <Text size="xs" c="dimmed">
              The visitor gave no address, so there is no customer in Foundation whose timeline could tell of it.
            </Text>
          )}
          <Text size="xs" c="dimmed">
            It opens again when the visitor writes within the days that the widget says, or when you open it.
          </Text>
        </>
      )}
    </Dialog>
  );
}
