import { dayOf } from '@aether/ui/formats.ts';
import { useKeys } from '@aether/ui/Keys.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { ForChanges } from '@aether/ui/reading.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, SegmentedControl } from '@mantine/core';
import { IconChecklist, IconPlus } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import type { Task } from '../api/records.ts';
import { usersQuery } from '../api/settings.ts';
import { type TaskFilters, tasksQuery } from '../api/tasks.ts';
import { useMe } from '../shell/person.ts';
import { dayAfter } from './days.ts';
import { dues, type TaskSearch } from './search.ts';
import { TaskDialog } from './TaskDialog.tsx';
import { TaskList } from './TaskList.tsx';
import classes from './TasksPage.module.css';

const dueWords = { overdue: 'Overdue', today: 'Due today', week: 'Due in a week' };

const filtersOf = ({ whose, state, due }: TaskSearch, now: Date): TaskFilters => ({
  ...(whose === undefined ? { isMine: true } : whose !== 'all' && { person: whose }),
  state: state ?? 'open',
  ...(due === 'overdue' && { before: dayAfter(now, 0) }),
  ...(due === 'today' && { from: dayAfter(now, 0), before: dayAfter(now, 1) }),
  ...(due === 'week' && { before: dayAfter(now, 7) }),
});

/** The tasks of a person or of everybody: open ones by due date, done ones the last done first. */
export function TasksPage() {
  const me = useMe();
  const search = useSearch({ from: '/tasks' });
  const navigate = useNavigate({ from: '/tasks' });
  const change = (part: Partial<TaskSearch>) =>
    void navigate({ search: (before) => ({ ...before, ...part }), replace: true });
  const { whose, state, due, create } = search;
  const { data, error, hasNextPage, fetchNextPage, refetch } = useInfiniteQuery(
    tasksQuery(filtersOf(search, new Date())),
  );
  const { data: staff } = useQuery(usersQuery);
  const people = (staff?.users ?? [])
    .filter(({ id }) => id !== me.id)
    .map(({ id, name }) => ({ value: id, label: name }));
  const tasks = data?.pages.flatMap(({ activities }) => activities) ?? [];
  const groups = state === 'done' ? [{ label: 'Done', tasks }] : groupByDue(tasks, new Date());
  useKeys([
    ...(me.isReader ? [] : [{ keys: 'c', label: 'New task', group: 'Tasks', run: () => change({ create: true }) }]),
    {
      keys: 'v',
      label: 'Open or done',
      group: 'Tasks',
      run: () => change({ state: state ? undefined : 'done', due: undefined }),
    },
  ]);
  return (
    <>
      <PageHead title="Tasks">
        <Picker
          aria-label="Whose tasks"
          w={170}
          data={[{ value: 'mine', label: 'Mine' }, { value: 'all', label: 'Everybody’s' }, ...people]}
          value={whose ?? 'mine'}
          onChange={(value) => change({ whose: value === 'mine' || !value ? undefined : value })}
        />
        {!state && (
          <Picker
            aria-label="Due"
            w={150}
            clearable
            placeholder="Whenever due"
            data={dues.map((value) => ({ value, label: dueWords[value] }))}
            value={due ?? null}
            onChange={(value) => change({ due: dues.find((each) => each === value) })}
          />
        )}
        <SegmentedControl
          aria-label="Open or done"
          data={[
            { value: 'open', label: 'Open' },
            { value: 'done', label: 'Done' },
          ]}
          value={state ?? 'open'}
          onChange={(value) => change({ state: value === 'done' ? 'done' : undefined, due: undefined })}
        />
        <ForChanges>
          <Button leftSection={<IconPlus size={15} />} onClick={() => change({ create: true })}>
            New task
          </Button>
        </ForChanges>
      </PageHead>
      <div className={classes.page}>
        {!data && !error && <Waiting />}
        {error && <ErrorNotice title="The tasks could not be loaded" error={error} onRetry={refetch} />}
        {data && tasks.length === 0 && (
          <Nothing
            icon={<IconChecklist size={28} />}
            title={state === 'done' ? 'Nothing is done yet' : 'Nothing is to be done'}
          >
            {state === 'done'
              ? 'A task stands here once it is ticked.'
              : me.isReader
                ? 'Tasks of others are under Everybody’s.'
                : 'Add a task here, or on a customer’s page.'}
          </Nothing>
        )}
        {groups
          .filter(({ tasks: group }) => group.length > 0)
          .map(({ label, tasks: group }) => (
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
      {create && !me.isReader && <TaskDialog onClose={() => change({ create: undefined })} />}
    </>
  );
}

function groupByDue(tasks: Task[], now: Date): { label: string; tasks: Task[] }[] {
  const today = dayOf(now);
  const inAWeek = dayAfter(now, 7);
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
