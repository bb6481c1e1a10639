import { nameMentions } from '@aether/platform/mentions';
import { notifyDesktop } from '@aether/ui/desktop.ts';
import { formatMoment } from '@aether/ui/formats.ts';
import { showRefusal } from '@aether/ui/toasts.tsx';
import { Button, Group, Paper, Stack, Text } from '@mantine/core';
import { IconBell } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useEffect, useEffectEvent } from 'react';
import type { Task } from '../api/records.ts';
import { waitingQuery } from '../api/tasks.ts';
import { changeActivity } from '../api/timeline.ts';
import { dayAfter } from './days.ts';
import classes from './Reminders.module.css';

/** The number of due tasks of the signed-in person, and their reminders. */
export const useWaiting = () => useQuery(waitingQuery(dayAfter(new Date(), 1)));

/** How many reminders are shown at once; the others follow when these are answered. */
const shownMax = 3;

/** The reminders whose time has come, over the page until each is answered; and on the desktop, for whoever looks elsewhere. */
export function Reminders() {
  const { data } = useWaiting();
  const navigate = useNavigate();
  const reminders = data?.reminders ?? [];
  const names = reminders.map(({ id, remind_at }) => `${id} ${remind_at}`).join('\n');
  const notify = useEffectEvent(() => {
    for (const { id, description, mentions, remind_at, customer } of reminders)
      notifyDesktop({
        title: `${nameMentions(description, mentions).slice(0, 80)} · ${customer.name}`,
        tag: `task ${id} ${remind_at}`,
        onOpen: () => void navigate({ to: '/customers/$id', params: { id: customer.id } }),
      });
  });
  useEffect(() => {
    if (names) notify();
  }, [names]);
  if (reminders.length === 0) return null;
  return (
    <section className={classes.reminders} aria-label="Reminders" aria-live="polite">
      {reminders.slice(0, shownMax).map((task) => (
        <Reminder key={task.id} task={task} />
      ))}
      {reminders.length > shownMax && (
        <Text size="xs" c="dimmed">
          {reminders.length - shownMax} more
        </Text>
      )}
    </section>
  );
}

function Reminder({ task: { id, description, mentions, due_at, remind_at, customer } }: { task: Task }) {
  const client = useQueryClient();
  const answer = useMutation({
    mutationFn: (change: Parameters<typeof changeActivity>[1]) => changeActivity(id, change),
    onError: (error) => showRefusal('The task was not changed', error),
    onSettled: () => client.invalidateQueries({ queryKey: ['tasks'] }),
  });
  const later = (minutes: number) =>
    answer.mutate({ remind_at: new Date(Date.now() + minutes * 60_000).toISOString() });
  return (
    <Paper withBorder shadow="md" p="sm" className={classes.reminder}>
      <Stack gap={6}>
        <Group gap={8} wrap="nowrap" align="start">
          <IconBell size={16} className={classes.bell} aria-hidden />
          <div className={classes.words}>
            <Text size="sm">{nameMentions(description, mentions)}</Text>
            <Text size="xs" c="dimmed">
              <Link to="/customers/$id" params={{ id: customer.id }}>
                {customer.name}
              </Link>
              {remind_at && ` · ${formatMoment(due_at ?? remind_at)}`}
            </Text>
          </div>
        </Group>
        <Group gap={6}>
          <Button size="compact-sm" disabled={answer.isPending} onClick={() => answer.mutate({ is_done: true })}>
            Done
          </Button>
          <Button size="compact-sm" variant="default" disabled={answer.isPending} onClick={() => later(60)}>
            In an hour
          </Button>
          <Button size="compact-sm" variant="default" disabled={answer.isPending} onClick={() => later(24 * 60)}>
            Tomorrow
          </Button>
          <Button
            size="compact-sm"
            variant="subtle"
            color="gray"
            disabled={answer.isPending}
            onClick={() => answer.mutate({ remind_at: null })}
          >
            Hide
          </Button>
        </Group>
      </Stack>
    </Paper>
  );
}
