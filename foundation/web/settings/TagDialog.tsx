import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { Picker } from '@aether/ui/Picker.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { toneOf } from '@aether/ui/tiers.ts';
import { useDraft } from '@aether/ui/useDraft.ts';
import { TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type CustomerTag, changeTag, createTag, type NewTag } from '../api/tags.ts';
import { colours } from './TierDialog.tsx';

type Colour = NonNullable<NewTag['colour']>;

/** Makes a tag, or gives one another name or colour. */
export function TagDialog({ tag, onClose }: { tag: CustomerTag | undefined; onClose: () => void }) {
  const client = useQueryClient();
  const draft = useDraft<{ name: string; colour: Colour }>(
    tag ? `tag:${tag.id}` : 'new-tag',
    tag ?? { name: '', colour: 'grey' },
  );
  const { name, colour } = draft.value;
  return (
    <Dialog
      title={tag ? tag.name : 'New tag'}
      verb={tag ? 'Save' : 'Make'}
      draft={draft}
      faults={findMissing({ name }, { name: 'Write a name.' })}
      save={() => (tag ? changeTag(tag.id, { name, colour }) : createTag({ name, colour }))}
      onSaved={() => {
        void client.invalidateQueries({ queryKey: ['tags'] });
        void client.invalidateQueries({ queryKey: ['customers'] });
        onClose();
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
            drawChoice={(choice) => <Tag tone={toneOf(choice.value as Colour)}>{choice.label}</Tag>}
            onChange={(next) => draft.change({ colour: next as Colour })}
          />
        </>
      )}
    </Dialog>
  );
}
