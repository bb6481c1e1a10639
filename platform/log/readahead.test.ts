import { expect, test } from 'vitest';
import { Lines } from './copying.ts';
import { createReadAhead } from './readahead.ts';

const full = 4_000_000;

/** A backlog of which each page is given when the test says so: with events at every position, or those that the test gives. */
function openBacklog() {
  type Asked = { after: number; until: number; into: Lines; give: (events?: number[], bytes?: number) => void };
  const asked: Asked[] = [];
  let isReading = 0;
  let readingMax = 0;
  const copier = () => async (text: string, into: Lines) => {
    const [after = 0, until = 0] = [/position > (\d+)/, /position <= (\d+)/].map((each) =>
      Number(each.exec(text)?.[1]),
    );
    readingMax = Math.max(readingMax, ++isReading);
    const { promise, resolve } = Promise.withResolvers<{ events: number[]; bytes: number }>();
    const all = Array.from({ length: until - after }, (_, n) => after + n + 1);
    asked.push({ after, until, into, give: (events = all, bytes = 100) => resolve({ events, bytes }) });
    const { events, bytes } = await promise;
    isReading--;
    for (const n of events)
      into.add(
        Buffer.from(
          `${[n, n, 'support.read', 'key', '', 'row', '', 'support', '', '{}', '{}', '', 0, bytes].join('\t')}\n`,
        ),
      );
    return into;
  };
  return { copier, asked, readingMax: () => readingMax };
}
const rest = { shares: null };
const positionsOf = (taken: { rows: { position: number }[] } | undefined) =>
  taken?.rows.map(({ position }) => position);

test('while a page is handed out the next two are read, and none from beyond the newest position', async () => {
  const { copier, asked } = openBacklog();
  const ahead = createReadAhead({ copier }, undefined);
  ahead.begin(0, { ...rest, head: 7_000 });
  expect(asked.map(({ after, until }) => [after, until])).toEqual([
    [0, 2_000],
    [2_000, 4_000],
  ]);
  asked[0]?.give();
  expect(positionsOf(await ahead.take(0, 3))).toEqual([1, 2, 3]);
  expect(asked.map(({ until }) => until)).toEqual([2_000, 4_000, 6_000]);
  asked[1]?.give();
  asked[2]?.give();
  expect((await ahead.take(3, 5_000))?.rows.length).toBe(1_997);
  expect((await ahead.take(2_000, 5_000))?.rows.length).toBe(2_000);
  expect((await ahead.take(4_000, 5_000))?.rows.length).toBe(2_000);
  expect(asked.at(-1)).toMatchObject({ after: 6_000, until: 7_000 });
});

test('a subscription that loses its place again and again has two pages read at most, and stops when they are read', async () => {
  const { copier, asked, readingMax } = openBacklog();
  const ahead = createReadAhead({ copier }, undefined);
  for (const position of [10, 20, 30]) ahead.begin(position, { ...rest, head: 1_000_000 });
  expect(readingMax()).toBe(2);
  expect(await ahead.take(30, 2)).toBeUndefined();
  let isStopped = false;
  const stopped = ahead.stop().then(() => {
    isStopped = true;
  });
  asked[0]?.give();
  await new Promise(setImmediate);
  expect(isStopped).toBe(false);
  asked[1]?.give();
  await stopped;
  ahead.begin(40, { ...rest, head: 1_000_000 });
  asked[2]?.give();
  expect(positionsOf(await ahead.take(40, 1))).toEqual([41]);
});

test('events that a step had to leave are handed out again', async () => {
  const { copier, asked } = openBacklog();
  const ahead = createReadAhead({ copier }, undefined);
  ahead.begin(0, { ...rest, head: 2_000 });
  asked[0]?.give([2, 4, 6, 8]);
  expect(positionsOf(await ahead.take(0, 3))).toEqual([2, 4, 6]);
  ahead.giveBack(6, 3);
  expect(positionsOf(await ahead.take(3, 2))).toEqual([4, 6]);
  ahead.giveBack(6, 3); // nothing was handled
  expect(positionsOf(await ahead.take(3, 9))).toEqual([4, 6, 8]);
  ahead.giveBack(5, 4); // of a batch that was not taken from here
  expect(await ahead.take(4, 9)).toBeUndefined();
});

test('behind a page that large events have filled the next one begins where it ended, and none is read that would begin too late', async () => {
  const { copier, asked } = openBacklog();
  const ahead = createReadAhead({ copier }, undefined);
  ahead.begin(0, { ...rest, head: 9_000 });
  asked[0]?.give([1, 2, 3], full);
  asked[1]?.give();
  expect(positionsOf(await ahead.take(0, 9))).toEqual([1, 2, 3]);
  expect(asked.map(({ after, until }) => [after, until]).slice(2)).toEqual([[3, 2_003]]);
  asked[2]?.give([4], full);
  expect(positionsOf(await ahead.take(3, 9))).toEqual([4]);
  expect(asked.map(({ after, until }) => [after, until]).slice(3)).toEqual([[4, 2_004]]);
  asked[3]?.give([5]);
  expect(positionsOf(await ahead.take(4, 9))).toEqual([5]);
  expect(asked.map(({ after, until }) => [after, until]).slice(4)).toEqual([
    [2_004, 4_004],
    [4_004, 6_004],
  ]);
});

test('pages use the space of those before them, and a subscription that has caught up keeps none of it', async () => {
  const { copier, asked } = openBacklog();
  const ahead = createReadAhead({ copier }, undefined);
  async function drain(after: number): Promise<Set<Lines>> {
    const first = asked.length;
    ahead.begin(after, { ...rest, head: after + 10_000 });
    for (let n = 0; n < 5; n++) {
      asked[first + n]?.give();
      expect((await ahead.take(after + 2_000 * n, 2_000))?.rows.length).toBe(2_000);
    }
    expect(await ahead.take(after + 10_000, 2_000)).toBeUndefined();
    return new Set(asked.slice(first).map(({ into }) => into));
  }
  const spaces = await drain(0);
  expect(spaces.size).toBe(3);
  expect((await drain(20_000)).isDisjointFrom(spaces)).toBe(true);
});

test('a page that cannot be read leaves the reading to the caller', async () => {
  const ahead = createReadAhead({ copier: () => () => Promise.reject(new Error('cut off')) }, undefined);
  ahead.begin(0, { ...rest, head: 9_000 });
  expect(await ahead.take(0, 9)).toBeUndefined();
  await ahead.stop();
});

test('lines of COPY are kept whatever the driver does with its memory, and one after the other in the same space', () => {
  const lines = new Lines();
  const chunk = Buffer.from('ä\n');
  lines.add(chunk);
  chunk.fill(0);
  lines.add(Buffer.from(`${'漢'.repeat(200_000)}\n`));
  lines.add(Buffer.from('\n'));
  expect([lines.at(0), lines.at(1).length, lines.at(2), lines.length]).toEqual(['ä', 200_000, '', 3]);
  lines.clear().add(Buffer.from('again\n'));
  expect([lines.at(0), lines.length]).toEqual(['again', 1]);
});
