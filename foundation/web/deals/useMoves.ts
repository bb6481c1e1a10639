import { followOwnWrites, noteOwnWrite } from '@aether/ui/ownwrites.ts';
import { describeError } from '@aether/ui/refusal.ts';
import { describeTier } from '@aether/ui/tiers.ts';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { type Closing, closeDeal, moveDeal, reopenDeal } from '../api/deals.ts';
import type { Board, Deal, ListedDeal, Stage } from '../api/records.ts';
import { tiersQuery } from '../api/tiers.ts';
import { moveOnBoard, renewOnBoard } from './board.ts';

/** Moves deals from stage to stage with undo. The screen changes at once; if the server refuses, the deal goes back and the reason is shown. */
export function useMoves() {
  const client = useQueryClient();
  const [closing, setClosing] = useState<{ deal: ListedDeal; outcome: 'won' | 'lost' } | undefined>();
  const [said, say] = useState('');

  const onBoards = (change: (board: Board) => Board) =>
    client.setQueriesData<Board>({ queryKey: ['board'] }, (board) => board && change(board));
  const refresh = (deal: Deal) => {
    void client.invalidateQueries({ queryKey: ['deals'] });
    void client.invalidateQueries({ queryKey: ['deal', deal.id] });
    void client.invalidateQueries({ queryKey: ['board'] });
    void client.invalidateQueries({ queryKey: ['reports'] });
    void client.invalidateQueries({ queryKey: ['customer', deal.customer_id] });
  };

  /** Shows the move before the server has answered. @throws Refusal, after the deal is back in its place. */
  async function assume<Saved extends Deal>(
    deal: ListedDeal,
    stageId: number,
    ask: () => Promise<Saved>,
  ): Promise<Saved> {
    await client.cancelQueries({ queryKey: ['board'] });
    onBoards((board) => moveOnBoard(board, deal.id, stageId));
    try {
      const saved = await ask();
      noteOwnWrite(keyOf(deal), deal.version, saved.version);
      onBoards((board) => renewOnBoard(board, saved));
      refresh(saved);
      return saved;
    } catch (error) {
      onBoards((board) => moveOnBoard(board, deal.id, deal.stage_id));
      refresh(deal);
      say(`${deal.name} stays in ${deal.stage_name}. ${describeError(error)}`);
      throw error;
    }
  }

  async function move(deal: ListedDeal, stage: Stage): Promise<void> {
    if (stage.id === deal.stage_id) return;
    if (stage.outcome !== 'open') return setClosing({ deal, outcome: stage.outcome });
    try {
      const isReopening = deal.status !== 'open';
      const saved = await assume<Deal>(deal, stage.id, () =>
        isReopening
          ? reopenDeal(deal.id, { stage_id: stage.id, expected_version: deal.version })
          : moveDeal(deal.id, stage.id, deal.version),
      );
      const message = isReopening
        ? `${deal.name} is open again, in ${stage.name}.${deal.status === 'won' ? ' The customer’s tier stays as it is.' : ''}`
        : `${deal.name} was moved to ${stage.name}.`;
      say(message);
      showUndo({
        message,
        undo: () => {
          const version = followOwnWrites(keyOf(deal), saved.version);
          return assume({ ...deal, ...saved, version }, deal.stage_id, () =>
            deal.status === 'open'
              ? moveDeal(deal.id, deal.stage_id, version)
              : closeDeal(deal.id, { outcome: deal.status }).then(({ deal: closed }) => closed),
          );
        },
      });
    } catch (error) {
      showRefusal(`${deal.name} stays in ${deal.stage_name}`, error);
    }
  }

  /** @throws Refusal, which the dialog shows. */
  async function close(deal: ListedDeal, closing: Closing): Promise<void> {
    const { outcome, tier } = closing;
    const { deal: closed, undo, account_tier } = await closeDeal(deal.id, closing);
    setClosing(undefined);
    noteOwnWrite(keyOf(deal), deal.version, closed.version);
    onBoards((board) => renewOnBoard(moveOnBoard(board, deal.id, closed.stage_id), closed));
    refresh(closed);
    const message =
      outcome === 'won' && tier
        ? `${deal.name} is won; ${deal.customer.name} is ${describeTier(account_tier ?? tier, client.getQueryData(tiersQuery.queryKey)?.tiers).label} now.`
        : `${deal.name} is ${outcome}.`;
    say(message);
    if (undo)
      showUndo({
        message,
        undo: async () => {
          const reopened = await reopenDeal(deal.id, {
            stage_id: undo.stage_id,
            expected_version: followOwnWrites(keyOf(deal), closed.version),
            restore_tier: tier !== undefined,
          });
          noteOwnWrite(keyOf(deal), closed.version, reopened.version);
          onBoards((board) => renewOnBoard(moveOnBoard(board, deal.id, reopened.stage_id), reopened));
          refresh(reopened);
          return reopened.tier_stays ? `${deal.name} is open again. ${reopened.tier_stays.detail}` : undefined;
        },
      });
  }

  return { move, close, closing, setClosing, said, say };
}

const keyOf = ({ id }: { id: number }): string => `deal:${id}`;

export type Moves = ReturnType<typeof useMoves>;
