import { ActionIcon, Button, Text, TextInput } from '@mantine/core';
import { IconPencil, IconPlus, IconTrash } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { Dialog } from './Dialog.tsx';
import { findMissing } from './faults.ts';
import { formatNumber } from './formats.ts';
import { Picker } from './Picker.tsx';
import { Tag } from './Tag.tsx';
import type { ShownTag } from './TagMenu.tsx';
import { colours, type ShownTier, toneOf } from './tiers.ts';
import { showDone } from './toasts.tsx';
import { useDraft } from './useDraft.ts';

type TagInput = { name: string; colour: ShownTier['colour'] };
type TagCalls = {
  make: (tag: TagInput) => Promise<unknown>;
  change: (id: number, tag: TagInput) => Promise<unknown>;
  /** How many records have the tag. */
  count: (id: number) => Promise<number>;
  remove: (id: number) => Promise<unknown>;
};
type TagSettingsProps = {
  tags: ShownTag[];
  calls: TagCalls;
  /** What has the tags, such as `customers`. */
  records: string;
  classes: Record<string, string | undefined>;
  /** Whether this person may rename and remove; everybody may make tags. */
  mayEdit?: boolean;
  /** The tag as the list shows it, such as a link to the records that have it. */
  draw?: (tag: ShownTag, shown: ReactNode) => ReactNode;
};

/** The tags of an app, for administrators: made, renamed, coloured, removed. */
export function TagSettings(props: TagSettingsProps) {
  const { tags, calls, records, classes, mayEdit = true, draw = (_, shown) => shown } = props;
  const client = useQueryClient();
  const [edited, setEdited] = useState<ShownTag | 'new' | undefined>();
  const [removed, setRemoved] = useState<ShownTag | undefined>();
  const close = () => {
    setEdited(undefined);
    setRemoved(undefined);
  };
  const onSaved = () => {
    close();
    void client.invalidateQueries({ queryKey: ['tags'] });
    void client.invalidateQueries({ queryKey: [records] });
  };
  return (
    <section aria-label="Tags">
      <h2 className={classes.title}>
        Tags
        <Button variant="subtle" leftSection={<IconPlus size={15} />} onClick={() => setEdited('new')}>
          New tag
        </Button>
      </h2>
      {tags.length === 0 && <p className={classes.intro}>None yet.</p>}
      <ul className={classes.list}>
        {tags.map((tag) => (
          <li key={tag.id} className={classes.row}>
            <span className={classes.name}>{draw(tag, <Tag tone={toneOf(tag.colour)}>{tag.name}</Tag>)}</span>
            {mayEdit && (
              <span>
                <ActionIcon aria-label={`Change ${tag.name}`} onClick={() => setEdited(tag)}>
                  <IconPencil size={15} />
                </ActionIcon>
                <ActionIcon aria-label={`Remove ${tag.name}`} onClick={() => setRemoved(tag)}>
                  <IconTrash size={15} />
                </ActionIcon>
              </span>
            )}
          </li>
        ))}
      </ul>
      {edited && (
        <TagDialog tag={edited === 'new' ? undefined : edited} calls={calls} onSaved={onSaved} onClose={close} />
      )}
      {removed && <RemoveTag tag={removed} calls={calls} records={records} onSaved={onSaved} onClose={close} />}
    </section>
  );
}

type DialogProps = { calls: TagCalls; onSaved: () => void; onClose: () => void };

/** Makes a tag, or gives one another name or colour. */
function TagDialog({ tag, calls, onSaved, onClose }: DialogProps & { tag: ShownTag | undefined }) {
  const draft = useDraft<TagInput>(tag ? `tag:${tag.id}` : 'new-tag', {
    name: tag?.name ?? '',
    colour: tag?.colour ?? 'grey',
  });
  const { name, colour } = draft.value;
  return (
    <Dialog
      title={tag ? tag.name : 'New tag'}
      verb={tag ? 'Save' : 'Make'}
      draft={draft}
      faults={findMissing({ name }, { name: 'Write a name.' })}
      save={() => (tag ? calls.change(tag.id, { name, colour }) : calls.make({ name, colour }))}
      onSaved={onSaved}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <TextInput
            label="Name"
            name="name"
            withAsterisk
            data-autofocus
            maxLength={40}
            value={name}
            error={errors.name}
            onChange={(event) => draft.change({ name: event.currentTarget.value })}
          />
          <Picker
            label="Colour"
            name="colour"
            data={colours}
            value={colour}
            error={errors.colour}
            drawChoice={(choice) => <Tag tone={toneOf(choice.value as TagInput['colour'])}>{choice.label}</Tag>}
            onChange={(next) => draft.change({ colour: next as TagInput['colour'] })}
          />
        </>
      )}
    </Dialog>
  );
}

/** Asks before a tag is taken from all records, and says how many they are. */
function RemoveTag({ tag, calls, records, onSaved, onClose }: DialogProps & { tag: ShownTag; records: string }) {
  const { data } = useQuery({ queryKey: ['tagged', tag.id], queryFn: () => calls.count(tag.id), gcTime: 0 });
  return (
    <Dialog
      title={`Remove ${tag.name}?`}
      verb="Remove for good"
      save={() => calls.remove(tag.id)}
      onSaved={() => {
        showDone(`${tag.name} was removed.`);
        onSaved();
      }}
      onClose={onClose}
    >
      {() => (
        <Text size="sm">
          {data === undefined ? `All ${records} lose it.` : `${formatNumber(data)} ${records} lose it.`} This cannot be
          undone.
        </Text>
      )}
    </Dialog>
  );
}
