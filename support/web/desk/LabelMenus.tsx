import { TagMenu } from '@aether/ui/TagMenu.tsx';
import { Button, Stack } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import type { Priority } from '../api/acts.ts';
import { createTag, tagsQuery } from '../api/tags.ts';
import { priorities, priorityNames } from './priorities.ts';

/** The tags of conversations, to give one, to take one away, or to make one. */
export function SessionTagMenu({ onPick }: { onPick: (id: number, isAdded: boolean) => void }) {
  const client = useQueryClient();
  const { data } = useQuery(tagsQuery);
  const make = async (name: string) => {
    const made = await createTag({ name, colour: 'grey' });
    void client.invalidateQueries({ queryKey: ['tags'] });
    return made;
  };
  return <TagMenu tags={data?.tags ?? []} make={make} onPick={onPick} />;
}

export function PriorityMenu({ onPick }: { onPick: (priority: Priority) => void }) {
  return (
    <Stack gap={6}>
      {priorities.toReversed().map((priority) => (
        <Button key={priority} variant="default" justify="start" onClick={() => onPick(priority)}>
          {priorityNames[priority]}
        </Button>
      ))}
    </Stack>
  );
}
