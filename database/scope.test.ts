import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { isUnderWay, ofEachTest, until } from './testing.scope.ts';

let next = 0;
const own = ofEachTest(() => ({ number: ++next, said: [] as string[] }));
const released = Promise.withResolvers<void>();
const ended = Promise.withResolvers<PromiseSettledResult<unknown>[]>();

async function outlast(): Promise<void> {
  const { said } = own();
  await released.promise; // the next test is under way by then
  while (isUnderWay()) await wait(5);
  ended.resolve(await Promise.allSettled([until(() => true), (async () => own())()]));
  said.push('late');
}

test.fails('a test takes longer than it may', { timeout: 50 }, outlast);

test('the one after it has its own, and the former one ends', async () => {
  const { said, number } = own();
  expect(number).toBe(2);
  released.resolve();
  const refused = { status: 'rejected', reason: { message: expect.stringMatching(/^This test is over/) } };
  expect(await ended.promise).toMatchObject([refused, refused]);
  expect(own()).toEqual({ number: 2, said: [] });
  expect(own().said).toBe(said);
});
