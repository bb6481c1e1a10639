import { dayOf, formatAgo, formatDay } from '@aether/ui/formats.ts';
import { Link } from '@tanstack/react-router';
import type { Task } from '../api/records.ts';
import classes from './TaskList.module.css';
import { TickBox } from './TickBox.tsx';

type TaskListProps = {
  tasks: Task[];
  /** True if all tasks belong to one customer, who is then not named in each. */
  isOfOne?: boolean;
};

/** Tasks with a tick box each; ticking can be undone. */
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
  const { id, description, due_at, done_at, customer } = task;
  const isLate = due_at !== null && done_at === null && dayOf(due_at) < dayOf(new Date());
  return (
    <li className={classes.task}>
      <TickBox id={id} isDone={done_at !== null} aria-label={`Done: ${description}`} />
      <div className={classes.text}>
        <span>{description}</span>
        <span className={classes.detail}>
          {!isOfOne && customer && (
            <Link to="/customers/$id" params={{ id: customer.id }}>
              {customer.name}
            </Link>
          )}
          {due_at && (
            <span data-late={isLate} className={classes.due} title={formatDay(due_at)}>
              {isLate ? `Due ${formatAgo(due_at)}` : `Due ${formatDay(due_at)}`}
            </span>
          )}
        </span>
      </div>
    </li>
  );
}
