import { roundMoney } from '@aether/ui/formats.ts';
import type { Board, BoardColumn, ListedDeal, Sums } from '../api/records.ts';

type Found = { column: BoardColumn; deal: ListedDeal };

/** The place of a deal on the board. */
export function findOnBoard(board: Board, dealId: number): Found | undefined {
  for (const column of board.columns) {
    const deal = column.deals.find(({ id }) => id === dealId);
    if (deal) return { column, deal };
  }
  return undefined;
}

/** The board with the deal at the top of another stage, and with the new counts and sums of both stages. */
export function moveOnBoard(board: Board, dealId: number, stageId: number): Board {
  const found = findOnBoard(board, dealId);
  const target = board.columns.find(({ stage }) => stage.id === stageId);
  if (!found || !target || found.column === target) return board;
  const { name: stage_name, outcome: status } = target.stage;
  const moved: ListedDeal = { ...found.deal, stage_id: stageId, stage_name, status };
  return {
    columns: board.columns.map((column) => {
      if (column === found.column)
        return count(
          column,
          found.deal,
          -1,
          column.deals.filter(({ id }) => id !== dealId),
        );
      return column === target ? count(column, moved, 1, [moved, ...column.deals]) : column;
    }),
  };
}

/** The board with the server's version of a deal in its place. */
export function renewOnBoard(board: Board, deal: Partial<ListedDeal> & { id: number }): Board {
  const found = findOnBoard(board, deal.id);
  if (!found) return board;
  const renewed = { ...found.deal, ...deal };
  const deals = found.column.deals.map((each) => (each.id === deal.id ? renewed : each));
  return { columns: board.columns.map((column) => (column === found.column ? { ...column, deals } : column)) };
}

function count(column: BoardColumn, { amount, currency }: ListedDeal, by: 1 | -1, deals: ListedDeal[]): BoardColumn {
  const share = column.stage.probability_percent / 100;
  return {
    ...column,
    deals,
    count: column.count + by,
    sums: add(column.sums, currency, by * amount),
    weighted: add(column.weighted, currency, by * amount * share),
  };
}

function add(sums: Sums, currency: string, amount: number): Sums {
  return { ...sums, [currency]: roundMoney((sums[currency] ?? 0) + amount, currency) };
}

/** The card that an arrow key leads to: within the column, or at the same height of the next column that has cards. */
export function stepOnBoard(columns: BoardColumn[], dealId: number, key: string): number | undefined {
  const at = columns.findIndex(({ deals }) => deals.some(({ id }) => id === dealId));
  const deals = columns[at]?.deals ?? [];
  const height = deals.findIndex(({ id }) => id === dealId);
  if (key === 'ArrowDown') return deals[height + 1]?.id;
  if (key === 'ArrowUp') return deals[height - 1]?.id;
  const beside = key === 'ArrowRight' ? columns.slice(at + 1) : columns.slice(0, at).reverse();
  const next = beside.find((column) => column.deals.length > 0);
  return next?.deals[Math.min(height, next.deals.length - 1)]?.id;
}
