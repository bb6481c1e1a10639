import { Button, Group, SegmentedControl, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { Picker, type PickerProps } from './Picker.tsx';
import { Tag } from './Tag.tsx';
import { type ShownTier, toneOf } from './tiers.ts';
import { showRefusal } from './toasts.tsx';

export type ShownTag = { id: number; name: string; colour: ShownTier['colour'] };

/** The choice of one of the tags that there are; its values are their ids. */
export function TagPicker({ tags, ...props }: Omit<PickerProps, 'data'> & { tags: ShownTag[] }) {
  return (
    <Picker
      clearable
      placeholder="None"
      nothingFound="No tag is called so"
      data={tags.map(({ id, name }) => ({ value: String(id), label: name }))}
      drawChoice={({ value, label }) => (
        <Tag tone={toneOf(tags.find(({ id }) => String(id) === value)?.colour)}>{label}</Tag>
      )}
      {...props}
    />
  );
}

type TagMenuProps = {
  tags: ShownTag[];
  /** Makes a tag of this name. */
  make: (name: string) => Promise<{ id: number }>;
  onPick: (id: number, isAdded: boolean) => void;
  onlyAdds?: boolean;
};

/** Gives a tag or takes one away; a new one is made on the way. */
export function TagMenu({ tags, make, onPick, onlyAdds = false }: TagMenuProps) {
  const [verb, setVerb] = useState<'add' | 'remove'>('add');
  const [name, setName] = useState('');
  const [isMaking, setMaking] = useState(false);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() === '' || isMaking) return;
    setMaking(true);
    make(name.trim()).then(
      ({ id }) => onPick(id, true),
      (error) => {
        setMaking(false);
        showRefusal('The tag was not made', error);
      },
    );
  };
  return (
    <>
      {!onlyAdds && (
        <SegmentedControl
          aria-label="What to do with the tag"
          data={[
            { value: 'add', label: 'Add' },
            { value: 'remove', label: 'Take away' },
          ]}
          value={verb}
          onChange={(next) => setVerb(next as 'add' | 'remove')}
        />
      )}
      <TagPicker
        tags={tags}
        label="Tag"
        placeholder="Choose a tag"
        data-autofocus
        comboboxProps={{ withinPortal: false }}
        value={null}
        onChange={(id) => id !== null && onPick(Number(id), verb === 'add')}
      />
      {verb === 'add' && (
        <form onSubmit={submit}>
          <Group gap={6} align="end" wrap="nowrap">
            <TextInput
              label="Or a new one"
              flex={1}
              maxLength={40}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
            <Button type="submit" variant="default" loading={isMaking} disabled={name.trim() === ''}>
              Make
            </Button>
          </Group>
        </form>
      )}
    </>
  );
}
