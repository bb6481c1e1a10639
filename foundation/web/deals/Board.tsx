import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { useMayChange } from '@aether/ui/reading.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { monitorForElements } from '@atlaskit/pragmatic-drag-and-drop/element/adapter';
import { IconCash } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useEffectEvent } from 'react';
import { type BoardFilters, boardQuery } from '../api/deals.ts';
import type { Stage } from '../api/records.ts';
import { BoardColumn } from './BoardColumn.tsx';
import classes from './board.module.css';
import { findOnBoard } from './board.ts';
import { CloseDialog } from './CloseDialog.tsx';
import { CloseTarget } from './CloseTarget.tsx';
import { MoveMenu } from './MoveMenu.tsx';
import { useBoardKeys } from './useBoardKeys.ts';
import { useMoves } from './useMoves.ts';

/** A pipeline's open deals by stage. They can be moved by mouse, keyboard or menu. */
export function Board({ pipelineId, filters }: { pipelineId: number; filters: BoardFilters }) {
  const { data, error, refetch } = useQuery(boardQuery(pipelineId, filters));
  const moves = useMoves();
  const columns = data?.columns ?? [];
  const openColumns = columns.filter(({ stage }) => stage.outcome === 'open');
  const stages = columns.map(({ stage }) => stage);
  const moveTo = (dealId: number, stage: Stage | undefined) => {
    const found = data && findOnBoard(data, dealId);
    if (found && stage) void moves.move(found.deal, stage);
  };
  const mayChange = useMayChange();
  const keys = useBoardKeys({ columns: openColumns, stages, isFixed: !mayChange, onMove: moveTo, say: moves.say });
  const drop = useEffectEvent((dealId: number, stageId: number) =>
    moveTo(
      dealId,
      stages.find(({ id }) => id === stageId),
    ),
  );
  useEffect(
    () =>
      monitorForElements({
        canMonitor: ({ source }) => typeof source.data.dealId === 'number',
        onDrop: ({ source, location }) => {
          const stageId = location.current.dropTargets[0]?.data.stageId;
          if (typeof stageId === 'number') drop(Number(source.data.dealId), stageId);
        },
      }),
    [],
  );
  if (error) return <ErrorNotice title="The board could not be loaded" error={error} onRetry={refetch} />;
  if (!data) return <Waiting lines={8} height={40} />;
  const isEmpty = openColumns.every(({ count }) => count === 0);
  return (
    <>
      <p id="board-help" className={classes.unseen}>
        Arrows lead from card to card.{' '}
        {mayChange &&
          'Space picks a deal up; then left and right choose the stage, Space drops, Escape leaves it where it was.'}
      </p>
      <div className={classes.said} role="status" aria-live="assertive">
        {moves.said}
      </div>
      {isEmpty && (
        <Nothing icon={<IconCash size={28} />} title="No open deals here">
          {filters.search || filters.owner
            ? 'Take the search or the owner away.'
            : mayChange && 'Press C to create the first one.'}
        </Nothing>
      )}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the keys are those of the links within */}
      <div
        ref={keys.ref}
        className={classes.board}
        data-sideways
        onKeyDown={keys.onKeyDown}
        onFocus={keys.onFocus}
        onClick={keys.onClick}
        onPointerDown={keys.onPointerDown}
      >
        {openColumns.map((column) => (
          <BoardColumn
            key={column.stage.id}
            column={column}
            activeId={column.deals.some(({ id }) => id === keys.activeId) ? keys.activeId : undefined}
            pickedId={
              keys.picked && column.deals.some(({ id }) => id === keys.picked?.dealId) ? keys.picked.dealId : undefined
            }
            isTarget={keys.picked?.stage.id === column.stage.id}
            isFixed={!mayChange}
          />
        ))}
        <div className={classes.closing}>
          {columns
            .filter(({ stage }) => stage.outcome !== 'open')
            .map((column) => (
              <CloseTarget key={column.stage.id} column={column} isTarget={keys.picked?.stage.id === column.stage.id} />
            ))}
        </div>
      </div>
      <MoveMenu opened={keys.menu} stages={stages} onMove={keys.move} onClose={keys.closeMenu} />
      <CloseDialog moves={moves} />
    </>
  );
}
