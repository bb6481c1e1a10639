import { setTimeout as wait } from 'node:timers/promises';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { isUnderWay, ofEachTest, scopeOf, until } from './testing.scope.ts';

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

const found: Record<string, unknown> = {};
beforeAll(async () => {
  found.file = scopeOf();
  found.refused = await (async () => own())().catch((error) => error.message);
});
beforeEach(() => {
  found.test = scopeOf();
});

test('a hook of the file ends with the file, and has nothing that is a test’s own', () => {
  expect(found).toEqual({ file: 'file', test: 'test', refused: expect.stringMatching(/^Only a test/) });
});
