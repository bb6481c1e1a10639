import { Dialog } from '@aether/ui/Dialog.tsx';
import { formatNumber } from '@aether/ui/formats.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { toneOf } from '@aether/ui/tiers.ts';
import { showDone } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { ActionIcon, Button, Text } from '@mantine/core';
import { IconPencil, IconPlus, IconTrash } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { type CustomerTag, countTagged, deleteTag, tagsQuery } from '../api/tags.ts';
import { AdminOnly } from './AdminOnly.tsx';
import classes from './settings.module.css';
import { TagDialog } from './TagDialog.tsx';

/** The tags of customers, for administrators: renamed, coloured, removed. */
export function TagsPage() {
  return (
    <AdminOnly>
      <PageHead title="Tags" />
      <div className={classes.page}>
        <p className={classes.intro}>
          Words that people put on customers to find them together. Everybody makes tags while they use them; here they
          get another name or colour, or go.
        </p>
        <TagList />
      </div>
    </AdminOnly>
  );
}

function TagList() {
  const { data, error, refetch } = useQuery(tagsQuery);
  const [edited, setEdited] = useState<CustomerTag | 'new' | undefined>();
  const [removed, setRemoved] = useState<CustomerTag | undefined>();
  if (!data)
    return error ? (
      <ErrorNotice title="The tags could not be loaded" error={error} onRetry={refetch} />
    ) : (
      <Waiting lines={5} />
    );
  return (
    <section aria-label="Tags">
      <h2 className={classes.title}>
        Tags
        <Button variant="subtle" leftSection={<IconPlus size={15} />} onClick={() => setEdited('new')}>
          New tag
        </Button>
      </h2>
      {data.tags.length === 0 && <p className={classes.intro}>None yet.</p>}
      <ul className={classes.list}>
        {data.tags.map((tag) => (
          <li key={tag.id} className={classes.row}>
            <span className={classes.name}>
              <Link to="/customers" search={{ tag: tag.id }}>
                <Tag tone={toneOf(tag.colour)}>{tag.name}</Tag>
              </Link>
            </span>
            <span>
              <ActionIcon aria-label={`Change ${tag.name}`} onClick={() => setEdited(tag)}>
                <IconPencil size={15} />
              </ActionIcon>
              <ActionIcon aria-label={`Remove ${tag.name}`} onClick={() => setRemoved(tag)}>
                <IconTrash size={15} />
              </ActionIcon>
            </span>
          </li>
        ))}
      </ul>
      {edited && <TagDialog tag={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />}
      {removed && <RemoveTag tag={removed} onClose={() => setRemoved(undefined)} />}
    </section>
  );
}

/** Asks before a tag is taken from all customers, and says how many they are. */
function RemoveTag({ tag, onClose }: { tag: CustomerTag; onClose: () => void }) {
  const client = useQueryClient();
  const { data } = useQuery({ queryKey: ['tagged', tag.id], queryFn: () => countTagged(tag.id), gcTime: 0 });
  return (
    <Dialog
      title={`Remove ${tag.name}?`}
      verb="Remove for good"
      save={() => deleteTag(tag.id)}
      onSaved={() => {
        void client.invalidateQueries({ queryKey: ['tags'] });
        showDone(`${tag.name} was removed.`);
        onClose();
      }}
      onClose={onClose}
    >
      {() => (
        <Text size="sm">
          {data ? `${formatNumber(data.customers)} customers lose it.` : 'All customers lose it.'} This cannot be
          undone.
        </Text>
      )}
    </Dialog>
  );
}
