import { expect, test } from 'vitest';
import { fewAtOnce } from './fewatonce.ts';

test('at most so many pieces of work run at once, and all run in their order, also after one that fails', async () => {
  const inTurn = fewAtOnce(2);
  const begun: number[] = [];
  const ends: ((error?: Error) => void)[] = [];
  const works = Array.from({ length: 5 }, (_, n) =>
    inTurn(() => {
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
  await Promise.all([6, 7].map((n) => inTurn(async () => after.push(n))));
  expect(after).toEqual([6, 7]);
});
