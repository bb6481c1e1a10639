import { dayOf } from '@aether/ui/formats.ts';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, SegmentedControl } from '@mantine/core';
import { IconChecklist } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Task } from '../api/records.ts';
import { tasksQuery } from '../api/timeline.ts';
import { TaskList } from './TaskList.tsx';
import classes from './TasksPage.module.css';

/** Open tasks by due date: the person's own or everybody's. */
export function TasksPage() {
  const [isMine, setMine] = useState(true);
  const { data, error, hasNextPage, fetchNextPage, refetch } = useInfiniteQuery(tasksQuery({ isMine }));
  const tasks = data?.pages.flatMap(({ activities }) => activities) ?? [];
  return (
    <>
      <PageHead title="Tasks">
        <SegmentedControl
          aria-label="Whose tasks"
          data={[
            { value: 'mine', label: 'Mine' },
            { value: 'all', label: 'Everybody’s' },
          ]}
          value={isMine ? 'mine' : 'all'}
          onChange={(value) => setMine(value === 'mine')}
        />
      </PageHead>
      <div className={classes.page}>
        {!data && !error && <Waiting />}
        {error && <ErrorNotice title="The tasks could not be loaded" error={error} onRetry={refetch} />}
        {data && tasks.length === 0 && (
          <Nothing icon={<IconChecklist size={28} />} title="Nothing is to be done">
            Add a task on a customer’s page: write what it is and by when.
          </Nothing>
        )}
        {groupByDue(tasks, new Date()).map(({ label, tasks: group }) => (
          <section key={label} className={classes.group} aria-label={label}>
            <h2 className={classes.title}>
              {label} <span className={classes.count}>{group.length}</span>
            </h2>
            <TaskList tasks={group} />
          </section>
        ))}
        {hasNextPage && (
          <Button variant="default" onClick={() => fetchNextPage()}>
            Show more
          </Button>
        )}
      </div>
    </>
  );
}

function groupByDue(tasks: Task[], now: Date): { label: string; tasks: Task[] }[] {
  const today = dayOf(now);
  const inAWeek = dayOf(new Date(now.getFullYear(), now.getMonth(), now.getDate() + 7));
  const labelOf = ({ due_at }: Task) => {
    if (!due_at) return 'Without a date';
    const due = dayOf(due_at);
    if (due < today) return 'Overdue';
    if (due === today) return 'Today';
    return due < inAWeek ? 'This week' : 'Later';
  };
  const groups = Map.groupBy<string, Task>(tasks, labelOf);
  return ['Overdue', 'Today', 'This week', 'Later', 'Without a date'].flatMap((label) => {
    const group = groups.get(label);
    return group ? [{ label, tasks: group }] : [];
  });
}
