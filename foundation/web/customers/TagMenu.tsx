import { showRefusal } from '@aether/ui/toasts.tsx';
import { Button, Group, SegmentedControl, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { createTag } from '../api/tags.ts';
import { TagInput } from '../inputs/TagInput.tsx';

/** Gives a tag or takes one away; a new one is made on the way. */
export function TagMenu({
  onPick,
  onlyAdds = false,
}: {
  onPick: (id: number, isAdded: boolean) => void;
  onlyAdds?: boolean;
}) {
  const client = useQueryClient();
  const [verb, setVerb] = useState<'add' | 'remove'>('add');
  const [name, setName] = useState('');
  const making = useMutation({
    mutationFn: () => createTag({ name: name.trim(), colour: 'grey' }),
    onSuccess: ({ id }) => {
      void client.invalidateQueries({ queryKey: ['tags'] });
      onPick(id, true);
    },
    onError: (error) => showRefusal('The tag was not made', error),
  });
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
      <TagInput
        label="Tag"
        placeholder="Choose a tag"
        data-autofocus
        comboboxProps={{ withinPortal: false }}
        value={null}
        onChange={(id) => id !== null && onPick(Number(id), verb === 'add')}
      />
      {verb === 'add' && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (name.trim() !== '') making.mutate();
          }}
        >
          <Group gap={6} align="end" wrap="nowrap">
            <TextInput
              label="Or a new one"
              flex={1}
              maxLength={40}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
            <Button type="submit" variant="default" loading={making.isPending} disabled={name.trim() === ''}>
              Make
            </Button>
          </Group>
        </form>
      )}
    </>
  );
}
