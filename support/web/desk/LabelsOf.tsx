import { showDone } from '@aether/ui/toasts.tsx';
import { ActionIcon, Popover, Stack, Text } from '@mantine/core';
import { IconTag } from '@tabler/icons-react';
import { useState } from 'react';
import type { Session } from '../api/records.ts';
import { PriorityMenu, SessionTagMenu } from './LabelMenus.tsx';
import { priorityNames } from './priorities.ts';
import { useActing } from './useActing.ts';

/** The tags and the priority of the open conversation. */
export function LabelsOf({ session }: { session: Session }) {
  const [isOpen, setOpen] = useState(false);
  const { run, isPending } = useActing(({ refused }) => showDone(refused[0]?.detail ?? ''));
  const ids = [session.id];
  return (
    <Popover opened={isOpen} onChange={setOpen} width={260} trapFocus returnFocus position="bottom-end">
      <Popover.Target>
        <ActionIcon
          size="md"
          aria-label="Tags and priority"
          title="Tags and priority"
          disabled={isPending}
          onClick={() => setOpen((was) => !was)}
        >
          <IconTag size={18} />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap="xs">
          <SessionTagMenu
            onPick={(tag_id, isAdded) => {
              setOpen(false);
              run(
                isAdded
                  ? { ids, act: { kind: 'tag', tag_id }, done: 'have the tag now' }
                  : { ids, act: { kind: 'untag', tag_id }, done: 'have the tag no more' },
              );
            }}
          />
          <Text size="sm" fw={550}>
            Priority
          </Text>
          <PriorityMenu
            onPick={(priority) => {
              setOpen(false);
              const name = priorityNames[priority].toLowerCase();
              run({ ids, act: { kind: 'priority', priority }, done: `have the priority ${name} now` });
            }}
          />
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
