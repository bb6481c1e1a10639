import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Board, ListedDeal } from '../api/records.ts';
import { findOnBoard, moveOnBoard, renewOnBoard, stepOnBoard } from './board.ts';

const deal = (id: number, stage_id: number, amount = 100, currency = 'EUR') =>
  ({ id, stage_id, stage_name: `Stage ${stage_id}`, amount, currency, status: 'open', version: 1 }) as ListedDeal;

function makeBoard(...stages: ListedDeal[][]): Board {
  return {
    columns: stages.map((deals, index) => {
      const sums: Record<string, number> = {};
      for (const { currency, amount } of deals) sums[currency] = (sums[currency] ?? 0) + amount;
      const probability_percent = index * 25;
      const weighted = Object.fromEntries(
        Object.entries(sums).map(([currency, sum]) => [currency, (sum * probability_percent) / 100]),
      );
      const stage = { id: index + 1, name: `Stage ${index + 1}`, outcome: 'open' as const, probability_percent };
      return { stage, count: deals.length, sums, weighted, deals, next_cursor: null };
    }),
  };
}

test('a moved deal is at the top of its new stage, and the sums of both columns follow', () => {
  const board = moveOnBoard(makeBoard([deal(1, 1), deal(2, 1, 50)], [deal(3, 2, 10)]), 1, 2);
  expect(board.columns.map(({ deals }) => deals.map(({ id }) => id))).toEqual([[2], [1, 3]]);
  expect(board.columns.map(({ count }) => count)).toEqual([1, 2]);
  expect(board.columns.map(({ sums }) => sums)).toEqual([{ EUR: 50 }, { EUR: 110 }]);
  expect(board.columns[1]?.weighted).toEqual({ EUR: 27.5 });
  expect(findOnBoard(board, 1)?.deal.stage_name).toBe('Stage 2');
});

test('a move to the present stage, to an unknown stage, or of an unknown deal changes nothing', () => {
  const board = makeBoard([deal(1, 1)], []);
  expect(moveOnBoard(board, 1, 1)).toBe(board);
  expect(moveOnBoard(board, 1, 9)).toBe(board);
  expect(moveOnBoard(board, 9, 2)).toBe(board);
});

test('columns without a moved deal stay the same objects, so that they are not drawn again', () => {
  const board = makeBoard([deal(1, 1)], [], [deal(2, 3)]);
  expect(moveOnBoard(board, 1, 2).columns[2]).toBe(board.columns[2]);
});

test('any number of moves keeps the deals and the sums of the board', () => {
  const cents = fc.integer({ min: 0, max: 99_999_999 }).map((amount) => amount / 100);
  const moves = fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 3 })), { maxLength: 30 });
  fc.assert(
    fc.property(fc.array(cents, { minLength: 6, maxLength: 6 }), moves, (amounts, steps) => {
      const deals = amounts.map((amount, index) => deal(index + 1, 1, amount, index % 2 ? 'EUR' : 'USD'));
      const before = makeBoard(deals, [], []);
      const after = steps.reduce((board, [id, stage]) => moveOnBoard(board, id, stage), before);
      const total = (board: Board, currency: string) =>
        board.columns.reduce((sum, { sums }) => sum + Math.round((sums[currency] ?? 0) * 100), 0);
      expect(after.columns.flatMap((column) => column.deals).length).toBe(6);
      expect(after.columns.reduce((sum, { count }) => sum + count, 0)).toBe(6);
      for (const currency of ['EUR', 'USD']) expect(total(after, currency)).toBe(total(before, currency));
    }),
  );
});

test('the server’s version of a deal replaces the assumed one', () => {
  const board = renewOnBoard(makeBoard([deal(1, 1)]), { id: 1, version: 7 });
  expect(findOnBoard(board, 1)?.deal.version).toBe(7);
  expect(renewOnBoard(board, { id: 9, version: 7 })).toBe(board);
});

test('arrows lead to the card below, above or beside, and skip empty columns', () => {
  const { columns } = makeBoard([deal(1, 1), deal(2, 1)], [], [deal(3, 3)]);
  expect(stepOnBoard(columns, 1, 'ArrowDown')).toBe(2);
  expect(stepOnBoard(columns, 1, 'ArrowUp')).toBeUndefined();
  expect(stepOnBoard(columns, 2, 'ArrowRight')).toBe(3);
  expect(stepOnBoard(columns, 3, 'ArrowLeft')).toBe(1);
  expect(stepOnBoard(columns, 3, 'ArrowRight')).toBeUndefined();
});

test('a moved deal in dinars keeps its third decimal in the sums, and a deal in yen adds none', () => {
  const [dinars, yen] = [deal(1, 1, 1.005, 'KWD'), deal(2, 1, 1_001, 'JPY')];
  const board = moveOnBoard(moveOnBoard(makeBoard([dinars, yen], []), 1, 2), 2, 2);
  expect(board.columns[1]?.sums).toEqual({ KWD: 1.005, JPY: 1_001 });
  expect(board.columns[1]?.weighted).toEqual({ KWD: 0.251, JPY: 250 });
});
