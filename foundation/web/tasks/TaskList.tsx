import { nameMentions } from '@aether/platform/mentions';
import { dayOf, formatAgo, formatDay, formatMoment } from '@aether/ui/formats.ts';
import { Words } from '@aether/ui/mentions/Words.tsx';
import { lazyDialog } from '@aether/ui/parts/lazy.tsx';
import { IconBell, IconRepeat } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Task } from '../api/records.ts';
import { useMe } from '../shell/person.ts';
import { repetitionWords } from './days.ts';
import classes from './TaskList.module.css';
import { TaskMenu } from './TaskMenu.tsx';
import { TickBox } from './TickBox.tsx';

const TaskDialog = lazyDialog(() => import('./TaskDialog.tsx'), 'TaskDialog');

type TaskListProps = {
  tasks: Task[];
  /** True if all tasks belong to one customer, who is then not named in each. */
  isOfOne?: boolean;
};

/** Tasks with a tick box each; ticking and changes can be undone. */
export function TaskList({ tasks, isOfOne = false }: TaskListProps) {
  return (
    <ul className={classes.list}>
      {tasks.map((task) => (
        <TaskItem key={task.id} task={task} isOfOne={isOfOne} />
      ))}
    </ul>
  );
}

function TaskItem({ task, isOfOne }: { task: Task; isOfOne: boolean }) {
  const me = useMe();
  const [isEditing, setEditing] = useState(false);
  const { id, description, mentions, due_at, done_at, remind_at, repeats, customer } = task;
  const person = task.assigned_to ?? task.created_by;
  const isLate = due_at !== null && done_at === null && dayOf(due_at) < dayOf(new Date());
  return (
    <li className={classes.task}>
      <TickBox id={id} isDone={done_at !== null} aria-label={`Done: ${nameMentions(description, mentions)}`} />
      <div className={classes.text}>
        <span>
          <Words text={description} mentions={mentions} />
        </span>
        <span className={classes.detail}>
          {!isOfOne && customer && (
            <Link to="/customers/$id" params={{ id: customer.id }}>
              {customer.name}
            </Link>
          )}
          {done_at && <span title={formatMoment(done_at)}>Done {formatAgo(done_at)}</span>}
          {due_at && !done_at && (
            <span data-late={isLate} className={classes.due} title={formatDay(due_at)}>
              {isLate ? `Due ${formatAgo(due_at)}` : `Due ${formatDay(due_at)}`}
            </span>
          )}
          {repeats && (
            <span className={classes.mark}>
              <IconRepeat size={13} aria-hidden /> {repetitionWords[repeats]}
            </span>
          )}
          {remind_at && !done_at && (
            <span className={classes.mark}>
              <IconBell size={13} aria-hidden /> {formatMoment(remind_at)}
            </span>
          )}
          {person && person.id !== me.id && <span>{person.name}</span>}
        </span>
      </div>
      <span className={classes.menu}>{!me.isReader && <TaskMenu task={task} onEdit={() => setEditing(true)} />}</span>
      {isEditing && <TaskDialog task={task} onClose={() => setEditing(false)} />}
    </li>
  );
}
