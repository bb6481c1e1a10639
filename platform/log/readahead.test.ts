import { expect, test } from 'vitest';
import type { Ahead } from './batch.ts';
import { eventsOf } from './copiedevents.ts';
import { CopiedRows } from './copying.ts';
import { createReadAhead } from './readahead.ts';

const full = 4_000_000;

/** What COPY sends of an event, with so many bytes of JSON. */
function messageOf(position: number, bytes: number, isFirst: boolean): Buffer {
  const text = (value: string) => Buffer.concat([int32(value.length), Buffer.from(value)]);
  const json = (value: string) => text(`\u0001${value}`);
  const columns = [
    ...[position, position, 0].flatMap((number) => [int32(8), int32(0), int32(number)]),
    json(JSON.stringify({ text: 'x'.repeat(bytes) })),
    json('{}'),
    none, // version
    text('support.read'),
    text('key'),
    none, // as the key
    none, // no customer
    text('support'),
    none,
    none,
  ];
  const body = Buffer.concat([Buffer.alloc(isFirst ? 19 : 0), Buffer.from([0, 13]), ...columns]);
  return Buffer.concat([Buffer.from('d'), int32(body.length + 4), body]);
}
function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
const none = int32(-1);

/** A backlog of which each page is given when the test says so: with events at every position, or those that the test gives. */
function openBacklog() {
  type Asked = { after: number; until: number; into: CopiedRows; give: (events?: number[], bytes?: number) => void };
  const asked: Asked[] = [];
  let isReading = 0;
  let readingMax = 0;
  const copier = () => async (text: string, into: CopiedRows) => {
    const [after = 0, until = 0] = [/position > (\d+)/, /position <= (\d+)/].map((each) =>
      Number(each.exec(text)?.[1]),
    );
    readingMax = Math.max(readingMax, ++isReading);
    const { promise, resolve } = Promise.withResolvers<{ events: number[]; bytes: number }>();
    const all = Array.from({ length: until - after }, (_, n) => after + n + 1);
    asked.push({ after, until, into, give: (events = all, bytes = 100) => resolve({ events, bytes }) });
    const { events, bytes } = await promise;
    isReading--;
    for (const [n, position] of events.entries()) {
      const message = messageOf(position, bytes, n === 0);
      into.add(message, 0, message.length);
    }
    return into;
  };
  return { copier, asked, readingMax: () => readingMax };
}
const rest = { shares: null };
const positionsOf = (taken: Ahead | undefined) => taken?.events().map(({ position }) => position);

test('while a page is handed out the next two are read, each as long as the events allow, and none from beyond the newest position', async () => {
  const { copier, asked } = openBacklog();
  const ahead = createReadAhead({ copier }, undefined);
  ahead.begin(0, { ...rest, head: 20_000 });
  expect(asked.map(({ after, until }) => [after, until])).toEqual([
    [0, 2_000],
    [2_000, 4_000],
  ]);
  asked[0]?.give();
  expect(positionsOf(await ahead.take(0, 3))).toEqual([1, 2, 3]);
  expect(asked.map(({ until }) => until)).toEqual([2_000, 4_000, 8_000]);
  asked[1]?.give();
  asked[2]?.give();
  expect(positionsOf(await ahead.take(3, 5_000))?.length).toBe(1_997);
  expect(positionsOf(await ahead.take(2_000, 5_000))?.length).toBe(2_000);
  expect(asked[3]).toMatchObject({ after: 8_000, until: 16_000 });
  expect(positionsOf(await ahead.take(4_000, 5_000))?.length).toBe(4_000);
  expect(asked.length).toBe(4);
  asked[3]?.give();
  expect(positionsOf(await ahead.take(8_000, 1))).toEqual([8_001]);
  expect(asked.at(-1)).toMatchObject({ after: 16_000, until: 20_000 });
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

test('what ties shares is looked for twice as far after each look that found nothing, and from near again when it was found', async () => {
  const { copier, asked } = openBacklog();
  const ahead = createReadAhead({ copier }, undefined);
  ahead.begin(0, { shares: { front: [0], layout: 2, layoutBy: 'customer' }, head: 4_000 });
  asked[0]?.give();
  const reaches: unknown[] = [];
  const looks: [number, boolean][] = [
    [1, false],
    [1, false],
    [5, false],
    [5, false],
    [5, true],
  ];
  for (const [n, [untied, isTied]] of looks.entries()) {
    const { reach, isUntied } = (await ahead.take(n, 1)) as Ahead;
    reaches.push([reach, isUntied]);
    ahead.noteUntied(untied, isTied);
  }
  expect(reaches).toEqual([
    [5_000, false],
    [10_000, false],
    [20_000, false],
    [20_000, true],
    [20_000, true],
  ]);
  expect(await ahead.take(5, 1)).toMatchObject({ reach: 5_000, isUntied: false });
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

test('a page is cut behind the event that fills it; what follows is read again, in pages that events of this size half fill', async () => {
  const { copier, asked } = openBacklog();
  const ahead = createReadAhead({ copier }, undefined);
  ahead.begin(0, { ...rest, head: 9_000 });
  asked[0]?.give([1, 2, 3, 4, 5, 6], full / 4);
  asked[1]?.give([]);
  expect(positionsOf(await ahead.take(0, 9))).toEqual([1, 2, 3, 4]);
  expect(asked.map(({ after, until }) => [after, until]).slice(2)).toEqual([
    [4, 5],
    [5, 6],
  ]);
  asked[2]?.give([5], 2 * full); // one that is larger than a page
  asked[3]?.give();
  expect(positionsOf(await ahead.take(4, 9))).toEqual([5]);
  expect(positionsOf(await ahead.take(5, 9))).toEqual([6]);
  expect(asked.map(({ after, until }) => [after, until]).slice(4)).toEqual([
    [6, 7],
    [7, 9],
  ]);
});

test('the first pages fit events of the size of those that were read before them', async () => {
  const { copier, asked } = openBacklog();
  const ahead = createReadAhead({ copier }, undefined);
  ahead.begin(0, { ...rest, head: 90_000, before: { positions: 40, bytes: full } });
  expect(asked.map(({ after, until }) => [after, until])).toEqual([
    [0, 20],
    [20, 40],
  ]);
  for (const page of asked) page.give();
  await ahead.stop();
  ahead.begin(40, { ...rest, head: 90_000, before: { positions: 100, bytes: 30_000 } });
  expect(asked[2]).toMatchObject({ after: 40, until: 2_040 });
  for (const page of asked.slice(2)) page.give();
  await ahead.stop();
});

test('a reading that begins elsewhere asks for pages that fit the events of the last one', async () => {
  const { copier, asked } = openBacklog();
  const ahead = createReadAhead({ copier }, undefined);
  ahead.begin(0, { ...rest, head: 90_000 });
  asked[0]?.give([1, 2, 3, 4, 5, 6], full / 4);
  asked[1]?.give([]);
  expect(positionsOf(await ahead.take(0, 9))?.length).toBe(4);
  for (const page of asked.slice(2)) page.give();
  ahead.forget();
  await ahead.stop();
  const first = asked.length;
  ahead.begin(40_000, { ...rest, head: 90_000 });
  expect(asked.slice(first).map(({ after, until }) => until - after)).toEqual([1, 1]);
});

test('pages use the space of those before them, and a subscription that has caught up keeps none of it', async () => {
  const { copier, asked } = openBacklog();
  const ahead = createReadAhead({ copier }, undefined);
  async function drain(after: number): Promise<Set<CopiedRows>> {
    const first = asked.length;
    ahead.begin(after, { ...rest, head: after + 24_000 });
    for (const [n, page] of [2_000, 2_000, 4_000, 8_000, 8_000].entries()) {
      asked[first + n]?.give();
      const { until } = asked[first + n] as { until: number };
      expect(positionsOf(await ahead.take(until - page, 8_000))?.length).toBe(page);
    }
    expect(await ahead.take(after + 24_000, 2_000)).toBeUndefined();
    return new Set(asked.slice(first).map(({ into }) => into));
  }
  const spaces = await drain(0);
  expect(spaces.size).toBe(3);
  expect((await drain(40_000)).isDisjointFrom(spaces)).toBe(true);
});

test('a page that cannot be read leaves the reading to the caller', async () => {
  const ahead = createReadAhead({ copier: () => () => Promise.reject(new Error('cut off')) }, undefined);
  ahead.begin(0, { ...rest, head: 9_000 });
  expect(await ahead.take(0, 9)).toBeUndefined();
  await ahead.stop();
});

test('rows of COPY are kept whatever the driver does with its memory, and one after the other in the same space', () => {
  const rows = new CopiedRows(full);
  const first = messageOf(1, 100, true);
  rows.add(first, 0, first.length);
  first.fill(0);
  const second = Buffer.concat([messageOf(2, 600_000, false), messageOf(3, 1, false)]);
  rows.add(second, 0, second.length);
  const positions = () =>
    eventsOf(rows, 0, rows.length).map(({ position, data }) => [position, JSON.stringify(data).length - 11]);
  expect(positions()).toEqual([
    [1, 100],
    [2, 600_000],
    [3, 1],
  ]);
  const again = messageOf(4, 2, true);
  rows.clear().add(again, 0, again.length);
  expect(positions()).toEqual([[4, 2]]);
});
