import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, TextInput } from '@mantine/core';
import { IconPlus, IconRobot } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { chatbotsQuery, createChatbot } from '../api/chatbots.ts';
import { widgetsQuery } from '../api/widgets.ts';
import { useMe } from '../shell/person.ts';
import { ReadOnly } from './ReadOnly.tsx';
import { newRules } from './rules.ts';
import classes from './settings.module.css';

/** The chatbots, which answer before a person does. */
export function ChatbotsPage() {
  const me = useMe();
  const { data, error, refetch } = useQuery(chatbotsQuery);
  const [isCreating, setCreating] = useState(false);
  return (
    <>
      <PageHead title="Chatbots">
        {me.isAdmin && (
          <Button leftSection={<IconPlus size={15} />} onClick={() => setCreating(true)}>
            New chatbot
          </Button>
        )}
      </PageHead>
      <div className={classes.page}>
        <p className={classes.intro}>
          A chatbot greets, answers what it has answers for, and hands over to an agent. What it says is marked as
          automatic. One per widget is live.
        </p>
        <LastChanged kind="chatbot" />
        {error && <ErrorNotice title="The chatbots could not be loaded" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data && (
          <ReadOnly what="chatbots">
            {data.chatbots.length === 0 ? (
              <Nothing icon={<IconRobot size={28} />} title="No chatbot yet">
                Without one, visitors write to agents at once.
              </Nothing>
            ) : (
              <ul className={classes.list}>
                {data.chatbots.map(({ id, name, widget, rules, is_live }) => (
                  <li key={id} className={classes.row}>
                    <span className={classes.name}>
                      <Link to="/settings/chatbots/$id" params={{ id }}>
                        {name}
                      </Link>
                      <div className={classes.detail}>
                        {widget.name} ·{' '}
                        {rules.questions.length === 1 ? '1 question' : `${rules.questions.length} questions`}
                      </div>
                    </span>
                    {is_live ? <Tag tone="good">Live</Tag> : <Tag>Not live</Tag>}
                  </li>
                ))}
              </ul>
            )}
          </ReadOnly>
        )}
      </div>
      {isCreating && <NewChatbot onClose={() => setCreating(false)} />}
    </>
  );
}

function NewChatbot({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { data } = useQuery(widgetsQuery);
  const draft = useDraft<{ name: string; widget_id: string | null }>('new-chatbot', { name: '', widget_id: null });
  const { name } = draft.value;
  const widgets = data?.widgets ?? [];
  const widget = draft.value.widget_id ?? widgets[0]?.id ?? null;
  return (
    <Dialog
      title="New chatbot"
      verb="Create"
      draft={draft}
      faults={findMissing({ name, widget_id: widget }, { name: 'Write a name.', widget_id: 'Choose a widget.' })}
      save={() => createChatbot({ widget_id: widget ?? '', name: name.trim(), rules: newRules })}
      onSaved={({ id }) => {
        void client.invalidateQueries({ queryKey: ['chatbots'] });
        onClose();
        void navigate({ to: '/settings/chatbots/$id', params: { id } });
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
            maxLength={80}
            value={name}
            error={errors.name}
            onChange={(event) => draft.change({ name: event.currentTarget.value })}
          />
          <Picker
            label="Widget"
            name="widget_id"
            withAsterisk
            data={widgets.map((each) => ({ value: each.id, label: each.name }))}
            value={widget}
            error={errors.widget_id}
            onChange={(widget_id) => draft.change({ widget_id })}
          />
        </>
      )}
    </Dialog>
  );
}
