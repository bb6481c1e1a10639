import { expect, test } from 'vitest';
import { createReadAhead } from './readahead.ts';

/** A backlog without an end, of which each page is given when the test says so. */
function openBacklog() {
  const asked: { after: number; give: () => void }[] = [];
  let isReading = 0;
  let readingMax = 0;
  async function copy(text: string): Promise<string[]> {
    const after = Number(/position > (\d+)/.exec(text)?.[1]);
    readingMax = Math.max(readingMax, ++isReading);
    const { promise, resolve } = Promise.withResolvers<void>();
    asked.push({ after, give: resolve });
    await promise;
    isReading--;
    return [1, 2].map((n) =>
      [after + n, after + n, 'support.read', 'key', '', 'row', '', 'support', '', '{}', '{}', '', 0].join('\t'),
    );
  }
  return { copy, asked, readingMax: () => readingMax };
}

test('a subscription that loses its place again and again reads one page at a time, and stops when that is read', async () => {
  const backlog = openBacklog();
  const ahead = createReadAhead(backlog, undefined);
  for (const position of [10, 20, 30]) ahead.begin(position);
  expect(backlog.readingMax()).toBe(1);
  expect(await ahead.take(30, 2)).toBeUndefined();
  let isStopped = false;
  const stopped = ahead.stop().then(() => {
    isStopped = true;
  });
  await new Promise(setImmediate);
  expect(isStopped).toBe(false);
  backlog.asked[0]?.give();
  await stopped;
  ahead.begin(40);
  backlog.asked[1]?.give();
  expect((await ahead.take(40, 1))?.rows.map(({ position }) => position)).toEqual([41]);
});
