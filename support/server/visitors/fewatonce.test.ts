import { DatabaseBusy } from '@aether/platform';
import { expect, test } from 'vitest';
import { fewAtOnce } from './fewatonce.ts';

const isNeeded = () => true;

test('at most so many pieces of work run at once, and all run in their order, also after one that fails', async () => {
  const inTurn = fewAtOnce(2, 60_000);
  const begun: number[] = [];
  const ends: ((error?: Error) => void)[] = [];
  const works = Array.from({ length: 5 }, (_, n) =>
    inTurn(isNeeded, () => {
      begun.push(n);
      return new Promise<number>((resolve, reject) => {
        ends[n] = (error) => (error ? reject(error) : resolve(n));
      });
    }),
  );
  const settled = Promise.allSettled(works);
  await Promise.resolve();
  expect(begun).toEqual([0, 1]);
  ends[1]?.(new Error('it failed'));
  await expect(works[1]).rejects.toThrow('it failed');
  expect(begun).toEqual([0, 1, 2]);
  ends[0]?.();
  await works[0];
  expect(begun).toEqual([0, 1, 2, 3]);
  ends[3]?.();
  await works[3];
  ends[2]?.();
  await works[2];
  ends[4]?.();
  expect((await settled).map(({ status }) => status)).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
    'fulfilled',
    'fulfilled',
  ]);
  const after: number[] = [];
  await Promise.all([6, 7].map((n) => inTurn(isNeeded, async () => after.push(n))));
  expect(after).toEqual([6, 7]);
});

test('whoever waits for longer than the limit is refused and has no turn, and nobody else loses one', async () => {
  const inTurn = fewAtOnce(1, 20);
  const held = Promise.withResolvers<string>();
  const begun: string[] = [];
  const first = inTurn(isNeeded, () => held.promise);
  await expect(inTurn(isNeeded, async () => begun.push('late'))).rejects.toBeInstanceOf(DatabaseBusy);
  const next = inTurn(isNeeded, async () => begun.push('next'));
  held.resolve('held');
  expect(await first).toBe('held');
  await next;
  expect(begun).toEqual(['next']);
});

test('work that nobody needs any more when its turn comes is not begun, and the next one has its turn', async () => {
  const inTurn = fewAtOnce(1, 60_000);
  const held = Promise.withResolvers<void>();
  const begun: string[] = [];
  let isOver = false;
  const first = inTurn(isNeeded, () => held.promise);
  const gone = inTurn(
    () => !isOver,
    async () => begun.push('gone'),
  );
  const next = inTurn(isNeeded, async () => begun.push('next'));
  isOver = true;
  held.resolve();
  expect(await gone).toBeUndefined();
  await Promise.all([first, next]);
  expect(begun).toEqual(['next']);
});
