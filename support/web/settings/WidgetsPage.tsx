import { Dialog } from '@aether/ui/Dialog.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
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
  const navigate = useNavigate();
  const client = useQueryClient();
  const { data, error, refetch } = useQuery(widgetsQuery);
  const [name, setName] = useState<string | undefined>();
  return (
    <>
      <PageHead title="Widgets">
        {me.isAdmin && (
          <Button leftSection={<IconPlus size={15} />} onClick={() => setName('')}>
            New widget
          </Button>
        )}
      </PageHead>
      <div className={classes.page}>
        <p className={classes.intro}>
          A widget is the chat on a website: one line in the page, and visitors write to you.
        </p>
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
      {name !== undefined && (
        <Dialog
          title="New widget"
          verb="Create"
          isReady={name.trim() !== ''}
          save={() => createWidget(name.trim())}
          onSaved={(made) => {
            void client.invalidateQueries({ queryKey: ['widgets'] });
            setName(undefined);
            void navigate({ to: '/settings/widgets/$id', params: { id: made.id } });
          }}
          onClose={() => setName(undefined)}
        >
          {(errors) => (
            <TextInput
              label="Name"
              description="For you: the website it is on. Visitors see the title, which you write next."
              withAsterisk
              data-autofocus
              maxLength={80}
              value={name}
              error={errors.name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
          )}
        </Dialog>
      )}
    </>
  );
}
