import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, TextInput } from '@mantine/core';
import { IconPlus, IconWorldWww } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { createWidget, widgetsQuery } from '../api/widgets.ts';
import { useMe } from '../shell/person.ts';
import { ReadOnly } from './ReadOnly.tsx';
import classes from './settings.module.css';

/** The chats on websites: each has its own look, words and team. */
export function WidgetsPage() {
  const me = useMe();
  const { data, error, refetch } = useQuery(widgetsQuery);
  const [isAdding, setAdding] = useState(false);
  return (
    <>
      <PageHead title="Widgets">
        {me.isAdmin && (
          <Button leftSection={<IconPlus size={15} />} onClick={() => setAdding(true)}>
            New widget
          </Button>
        )}
      </PageHead>
      <div className={classes.page}>
        <p className={classes.intro}>
          A widget is the chat on a website: one line in the page, and visitors write to you.
        </p>
        <LastChanged kind="widget" />
        {error && <ErrorNotice title="The widgets could not be loaded" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data && (
          <ReadOnly what="widgets">
            {data.widgets.length === 0 ? (
              <Nothing icon={<IconWorldWww size={28} />} title="No widget yet">
                Make one, and put its line into the website.
              </Nothing>
            ) : (
              <ul className={classes.list}>
                {data.widgets.map((widget) => (
                  <li key={widget.id} className={classes.row}>
                    <span className={classes.name}>
                      <Link to="/settings/widgets/$id" params={{ id: widget.id }}>
                        {widget.name}
                      </Link>
                      <div className={classes.detail}>
                        {widget.allowed_origins.length === 0 ? 'On any website' : widget.allowed_origins.join(', ')}
                      </div>
                    </span>
                    <span className={classes.detail}>
                      {widget.team.length === 0 ? 'All agents' : widget.team.map((agent) => agent.name).join(', ')}
                    </span>
                    {widget.is_active ? <Tag tone="good">Active</Tag> : <Tag>Switched off</Tag>}
                  </li>
                ))}
              </ul>
            )}
          </ReadOnly>
        )}
      </div>
      {isAdding && <NewWidget onClose={() => setAdding(false)} />}
    </>
  );
}

function NewWidget({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const draft = useDraft('new-widget', { name: '' });
  const { name } = draft.value;
  return (
    <Dialog
      title="New widget"
      verb="Create"
      draft={draft}
      faults={findMissing({ name }, { name: 'Write a name.' })}
      save={() => createWidget(name.trim())}
      onSaved={({ id }) => {
        void client.invalidateQueries({ queryKey: ['widgets'] });
        onClose();
        void navigate({ to: '/settings/widgets/$id', params: { id } });
      }}
      onClose={onClose}
    >
      {(errors) => (
        <TextInput
          label="Name"
          name="name"
          description="For you: the website it is on. Visitors see the title, which you write next."
          withAsterisk
          data-autofocus
          maxLength={80}
          value={name}
          error={errors.name}
          onChange={(event) => draft.change({ name: event.currentTarget.value })}
        />
      )}
    </Dialog>
  );
}
