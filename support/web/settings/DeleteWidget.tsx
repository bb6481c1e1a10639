import { Dialog } from '@aether/ui/Dialog.tsx';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { showDone } from '@aether/ui/toasts.tsx';
import { Button, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import type { Widget } from '../api/records.ts';
import { deleteWidget, holdingsQuery } from '../api/widgets.ts';
import { useMe } from '../shell/person.ts';

/** Deletes a widget through which nobody came, and says what goes with it. */
export function DeleteWidget({ widget }: { widget: Widget }) {
  const { isAdmin } = useMe();
  const [isAsked, setAsked] = useState(false);
  if (!isAdmin) return null;
  return (
    <>
      <Button variant="default" onClick={() => setAsked(true)}>
        Delete…
      </Button>
      {isAsked && <AskedDialog widget={widget} onClose={() => setAsked(false)} />}
    </>
  );
}

function AskedDialog({ widget: { id, name }, onClose }: { widget: Widget; onClose: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { data, error, refetch } = useQuery(holdingsQuery(id));
  return (
    <Dialog
      title={`Delete ${name}`}
      verb="Delete"
      color="red"
      isReady={data?.conversations === 0}
      save={() => deleteWidget(id)}
      onSaved={() => {
        onClose();
        void navigate({ to: '/settings/widgets' });
        for (const key of ['widgets', 'chatbots']) void client.invalidateQueries({ queryKey: [key] });
        showDone(`${name} is deleted.`);
      }}
      onClose={onClose}
    >
      {() => (
        <>
          {error && <ErrorNotice title="What it holds could not be read" error={error} onRetry={refetch} />}
          {data && <Text size="sm">{sayWhatGoes(data)}</Text>}
        </>
      )}
    </Dialog>
  );
}

type Holdings = { conversations: number; chatbots: string[]; agents: number; secrets: number };

function sayWhatGoes({ conversations, chatbots, agents, secrets }: Holdings): string {
  if (conversations > 0)
    return `Visitors came through it: ${count(conversations, 'conversation')}. What they wrote is a record and names this widget, so it stays. Switch it off instead: then no website shows it.`;
  const parts = [
    ...chatbots.map((bot) => `the chatbot ${bot}`),
    ...(agents > 0 ? [`its team of ${count(agents, 'agent')}`] : []),
    ...(secrets > 0 ? [count(secrets, 'secret')] : []),
  ];
  const goes = parts.length === 0 ? 'Nothing else goes with it.' : `It takes along ${listed.format(parts)}.`;
  return `Nobody ever came through it. ${goes} Websites that have its snippet show nothing. This cannot be undone.`;
}

const listed = new Intl.ListFormat('en');
const count = (number: number, of: string) => `${number.toLocaleString('en')} ${of}${number === 1 ? '' : 's'}`;
