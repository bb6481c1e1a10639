import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ofEachTest, requireUnderWay } from './testing.scope.ts';

let next = 0;
const own = ofEachTest(() => ({ number: ++next, said: [] as string[] }));
const released = Promise.withResolvers<void>();
const ended = Promise.withResolvers<{ seen: unknown; error: unknown }>();

async function outlast(): Promise<void> {
  const { said } = own();
  await released.promise; // the next test is under way by then
  let seen: unknown;
  try {
    seen = own();
    for (;;) {
      requireUnderWay();
      await wait(5);
    }
  } catch (error) {
    ended.resolve({ seen, error });
  }
  said.push('late');
}

test.fails('a test takes longer than it may', { timeout: 50 }, outlast);

test('the one after it has its own, and the former one ends', async () => {
  const { said, number } = own();
  expect(number).toBe(2);
  released.resolve();
  expect(await ended.promise).toMatchObject({ seen: undefined, error: { message: /This test is over/ } });
  expect(own()).toEqual({ number: 2, said: [] });
  expect(own().said).toBe(said);
});
