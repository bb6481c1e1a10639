import { formatDay } from '@aether/ui/formats.ts';
import { Words } from '@aether/ui/mentions/Words.tsx';
import type { ActivityEntry } from '../api/records.ts';
import { repetitionWords } from '../tasks/days.ts';
import { TickBox } from '../tasks/TickBox.tsx';
import classes from './timeline.module.css';

/** A task in the timeline, with its tick box. */
export function TaskEntry({
  entry: { id, description, mentions, due_at, done_at, repeats, assigned_to },
}: {
  entry: ActivityEntry;
}) {
  return (
    <div className={classes.task}>
      <TickBox id={id} isDone={done_at !== null} label={<Words text={description} mentions={mentions} />} />
      {due_at && <span className={classes.fact}>due {formatDay(due_at)}</span>}
      {repeats && <span className={classes.fact}>{repetitionWords[repeats].toLowerCase()}</span>}
      {assigned_to && <span className={classes.fact}>for {assigned_to.name}</span>}
    </div>
  );
}
