import { nameMentions } from '@aether/platform/mentions';
import { formatDay } from '@aether/ui/formats.ts';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { ActionIcon, Menu } from '@mantine/core';
import { IconCalendarShare, IconEdit, IconUser } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import type { Task } from '../api/records.ts';
import { changeActivity } from '../api/timeline.ts';
import { useMe } from '../shell/person.ts';
import { dayAfter, nextMonday, noonOf } from './days.ts';

/** What can be done with a task beside ticking it: changed, put off, taken over. */
export function TaskMenu({ task, onEdit }: { task: Task; onEdit: () => void }) {
  const me = useMe();
  const client = useQueryClient();
  const now = new Date();
  const isMine = (task.assigned_to ?? task.created_by)?.id === me.id;
  const save = async (change: Parameters<typeof changeActivity>[1]) => {
    await changeActivity(task.id, change);
    void client.invalidateQueries({ queryKey: ['tasks'] });
  };
  const change = (message: string, to: Parameters<typeof changeActivity>[1], back: typeof to) =>
    save(to).then(
      () => showUndo({ message, undo: () => save(back) }),
      (error) => showRefusal('The task was not changed', error),
    );
  const move = (day: string) =>
    void change(`The task is due on ${formatDay(day)}.`, { due_at: noonOf(day) }, { due_at: task.due_at });
  const days = [
    { label: 'Today', day: dayAfter(now, 0) },
    { label: 'Tomorrow', day: dayAfter(now, 1) },
    { label: 'Next Monday', day: nextMonday(now) },
    { label: 'In a month', day: dayAfter(now, 30) },
  ];
  return (
    <Menu position="bottom-end" width={210} trapFocus>
      <Menu.Target>
        <ActionIcon aria-label={`Change: ${nameMentions(task.description, task.mentions).slice(0, 40)}`}>
          <IconEdit size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconEdit size={15} />} onClick={onEdit}>
          Change…
        </Menu.Item>
        {!isMine && (
          <Menu.Item
            leftSection={<IconUser size={15} />}
            onClick={() =>
              void change('The task is yours.', { assigned_to: me.id }, { assigned_to: task.assigned_to?.id ?? null })
            }
          >
            Take it over
          </Menu.Item>
        )}
        {task.done_at === null && (
          <>
            <Menu.Label>Move to</Menu.Label>
            {days.map(({ label, day }) => (
              <Menu.Item key={label} leftSection={<IconCalendarShare size={15} />} onClick={() => move(day)}>
                {label}
              </Menu.Item>
            ))}
          </>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
