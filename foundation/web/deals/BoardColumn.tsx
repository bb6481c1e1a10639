import { formatNumber, formatSums } from '@aether/ui/formats.ts';
import { dropTargetForElements } from '@atlaskit/pragmatic-drag-and-drop/element/adapter';
import { Link } from '@tanstack/react-router';
import { memo, useEffect, useRef, useState } from 'react';
import type { BoardColumn as Column } from '../api/records.ts';
import classes from './board.module.css';
import { DealCard } from './DealCard.tsx';

type BoardColumnProps = {
  column: Column;
  /** The card of this column that is in the tab order, if there is one. */
  activeId: number | undefined;
  pickedId: number | undefined;
  /** True if a deal that was picked up by keyboard would be dropped here. */
  isTarget: boolean;
  /** The cards stay where they are. */
  isFixed: boolean;
};

/** One stage: the number and the value of its deals, and the cards. */
export const BoardColumn = memo(function BoardColumn({
  column,
  activeId,
  pickedId,
  isTarget,
  isFixed,
}: BoardColumnProps) {
  const { stage, count, sums, weighted, deals } = column;
  const { ref, isOver } = useDropTarget(stage.id);
  return (
    <section ref={ref} className={classes.column} data-over={isOver || isTarget} aria-label={stage.name}>
      <header className={classes.columnHead}>
        <h2 className={classes.stage}>
          {stage.name} <span className={classes.count}>{formatNumber(count)}</span>
        </h2>
        <div className={classes.sums}>
          <span title={`Sum of ${stage.name}: ${formatSums(sums)}`}>{formatSums(sums, { short: true })}</span>
          <span title={`Weighted by ${stage.probability_percent} %: ${formatSums(weighted)}`}>
            weighted {formatSums(weighted, { short: true })}
          </span>
        </div>
      </header>
      <ul className={classes.cards}>
        {deals.map((deal) => (
          <DealCard
            key={deal.id}
            deal={deal}
            isActive={deal.id === activeId}
            isPicked={deal.id === pickedId}
            isFixed={isFixed}
          />
        ))}
        {count > deals.length && (
          <li className={classes.more}>
            <Link from="/deals" search={(search) => ({ ...search, view: 'list', stage: stage.id })}>
              {formatNumber(count - deals.length)} more in the list
            </Link>
          </li>
        )}
      </ul>
    </section>
  );
});

/** Makes an element accept dropped deals. The data of the drop target names the stage. */
export function useDropTarget(stageId: number) {
  const ref = useRef<HTMLElement>(null);
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    if (!ref.current) return;
    return dropTargetForElements({
      element: ref.current,
      getData: () => ({ stageId }),
      onDragEnter: () => setOver(true),
      onDragLeave: () => setOver(false),
      onDrop: () => setOver(false),
    });
  }, [stageId]);
  return { ref, isOver };
}
