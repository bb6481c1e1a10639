import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { Picker } from '@aether/ui/Picker.tsx';
import { showDone, showUndo } from '@aether/ui/toasts.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Button, Text, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { changeChatbot, chatbotsQuery, createChatbot, deleteChatbot } from '../api/chatbots.ts';
import type { Chatbot } from '../api/records.ts';
import { widgetsQuery } from '../api/widgets.ts';
import { useMe } from '../shell/person.ts';

const nameMax = 80;

/** Copies or deletes a chatbot. */
export function ChatbotActions({ chatbot }: { chatbot: Chatbot }) {
  const { isAdmin } = useMe();
  const [asked, setAsked] = useState<'copy' | 'delete' | undefined>();
  const close = () => setAsked(undefined);
  if (!isAdmin) return null;
  return (
    <>
      <Button variant="default" onClick={() => setAsked('copy')}>
        Copy…
      </Button>
      <Button variant="default" onClick={() => setAsked('delete')}>
        Delete…
      </Button>
      {asked === 'copy' && <CopyChatbot chatbot={chatbot} onClose={close} />}
      {asked === 'delete' && <DeleteChatbot chatbot={chatbot} onClose={close} />}
    </>
  );
}

type AskedProps = { chatbot: Chatbot; onClose: () => void };

function CopyChatbot({ chatbot, onClose }: AskedProps) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { data } = useQuery(widgetsQuery);
  const draft = useDraft<{ name: string; widget_id: string | null }>(`copy-chatbot:${chatbot.id}`, {
    name: `Copy of ${chatbot.name}`.slice(0, nameMax),
    widget_id: chatbot.widget.id,
  });
  const { name, widget_id } = draft.value;
  return (
    <Dialog
      title={`Copy ${chatbot.name}`}
      verb="Copy"
      draft={draft}
      faults={findMissing({ name, widget_id }, { name: 'Write a name.', widget_id: 'Choose a widget.' })}
      save={() => createChatbot({ widget_id: widget_id ?? '', name: name.trim(), rules: chatbot.rules })}
      onSaved={(made) => {
        void client.invalidateQueries({ queryKey: chatbotsQuery.queryKey });
        onClose();
        void navigate({ to: '/settings/chatbots/$id', params: { id: made.id } });
        showDone(`${made.name} has the saved rules of ${chatbot.name}, and is not live.`);
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <TextInput
            label="Name"
            name="name"
            withAsterisk
            data-autofocus
            maxLength={nameMax}
            value={name}
            error={errors.name}
            onChange={(event) => draft.change({ name: event.currentTarget.value })}
          />
          <Picker
            label="Widget"
            name="widget_id"
            withAsterisk
            data={(data?.widgets ?? []).map((each) => ({ value: each.id, label: each.name }))}
            value={widget_id}
            error={errors.widget_id}
            onChange={(next) => draft.change({ widget_id: next })}
          />
        </>
      )}
    </Dialog>
  );
}

function DeleteChatbot({ chatbot, onClose }: AskedProps) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { id, name, widget, rules, is_live } = chatbot;
  const refresh = () => client.invalidateQueries({ queryKey: chatbotsQuery.queryKey });
  return (
    <Dialog
      title={`Delete ${name}`}
      verb="Delete"
      color="red"
      save={() => deleteChatbot(id)}
      onSaved={() => {
        onClose();
        void navigate({ to: '/settings/chatbots' });
        void refresh();
        showUndo({
          message: `${name} is deleted.`,
          undo: async () => {
            const made = await createChatbot({ widget_id: widget.id, name, rules });
            if (is_live) await changeChatbot(made.id, { is_live }, made.version);
            await refresh();
          },
        });
      }}
      onClose={onClose}
    >
      {() => (
        <Text size="sm">
          {rules.questions.length === 1 ? '1 question goes' : `${rules.questions.length} questions go`} with it. What it
          said to visitors stays in their conversations.
          {is_live &&
            ` It is live: visitors of ${widget.name} write to agents from now on, and the conversations that it leads go to agents with the visitor’s next message.`}
        </Text>
      )}
    </Dialog>
  );
}
