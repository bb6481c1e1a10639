import { Stack, Text } from '@mantine/core';
import type { Act } from '../api/acts.ts';
import { PriorityMenu, SessionTagMenu } from './LabelMenus.tsx';
import { priorityNames } from './priorities.ts';

/** The choice of a tag or a priority. `done` says what the conversation has then. */
export function LabelsPanel({ onPick }: { onPick: (act: Act, done: string) => void }) {
  return (
    <Stack gap="xs">
      <SessionTagMenu
        onPick={(tag_id, isAdded) =>
          isAdded
            ? onPick({ kind: 'tag', tag_id }, 'have the tag now')
            : onPick({ kind: 'untag', tag_id }, 'have the tag no more')
        }
      />
      <Text size="sm" fw={550}>
        Priority
      </Text>
      <PriorityMenu
        onPick={(priority) =>
          onPick({ kind: 'priority', priority }, `have the priority ${priorityNames[priority].toLowerCase()} now`)
        }
      />
    </Stack>
  );
}
