import { formatNumber, formatSums } from '@aether/ui/formats.ts';
import { IconThumbDown, IconTrophy } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import type { BoardColumn } from '../api/records.ts';
import { useDropTarget } from './BoardColumn.tsx';
import classes from './board.module.css';

/** The place where a deal is dropped to close it. Closed deals are many: the list has all of them, and this place counts those of a month. */
export function CloseTarget({ column: { stage, count, sums }, isTarget }: { column: BoardColumn; isTarget: boolean }) {
  const { ref, isOver } = useDropTarget(stage.id);
  const Icon = stage.outcome === 'won' ? IconTrophy : IconThumbDown;
  return (
    <section
      ref={ref}
      className={classes.closeTarget}
      data-outcome={stage.outcome}
      data-over={isOver || isTarget}
      aria-label={stage.name}
    >
      <Icon size={20} aria-hidden />
      <h2 className={classes.stage}>{stage.name}</h2>
      <Link from="/deals" search={(search) => ({ ...search, view: 'list', status: stage.outcome, stage: undefined })}>
        {formatNumber(count)} in 30 days
      </Link>
      <span className={classes.count}>{formatSums(sums, { short: true })}</span>
    </section>
  );
}
