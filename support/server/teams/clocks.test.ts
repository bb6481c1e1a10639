import { expect, test, vi } from 'vitest';
import type { OfficeHours } from '../widgets/officehours.ts';
import { type Clocks, computeClocks, type Targets } from './clocks.ts';

const weekdays = Object.fromEntries(
  ['mon', 'tue', 'wed', 'thu', 'fri'].map((day) => [day, [['09:00', '17:00']]]),
) as OfficeHours['days'];
const hours = { time_zone: 'Europe/Oslo', days: weekdays };
const targets: Targets = { first_response: 60, resolution: 480, clock: 'office', warn_minutes: 15 };
// Friday, half past four in Oslo
const from = new Date('2026-11-20T15:30:00Z');
const asked = { from, resolveFrom: from, priority: 'normal', isAnswered: false } as const;
const say = (clocks: Clocks) =>
  Object.fromEntries(Object.entries(clocks).map(([name, at]) => [name, at?.toISOString() ?? null]));

test('without targets no clock runs', () => {
  expect(say(computeClocks({ hours, targets: null }, asked))).toEqual({
    ...{ first_due_at: null, resolve_due_at: null, due_at: null, warn_at: null },
  });
});

test('the first answer is due first, and the agent is told before in time of the office', () => {
  expect(say(computeClocks({ hours, targets }, asked))).toEqual({
    first_due_at: '2026-11-23T08:30:00.000Z',
    resolve_due_at: '2026-11-23T15:30:00.000Z',
    due_at: '2026-11-23T08:30:00.000Z',
    warn_at: '2026-11-23T08:15:00.000Z',
  });
});

test('after the first answer the end is due', () => {
  expect(say(computeClocks({ hours, targets }, { ...asked, isAnswered: true }))).toMatchObject({
    due_at: '2026-11-23T15:30:00.000Z',
    warn_at: '2026-11-23T15:15:00.000Z',
  });
});

test('all minutes count where the targets say so', () => {
  expect(say(computeClocks({ hours, targets: { ...targets, clock: 'always' } }, asked))).toMatchObject({
    due_at: '2026-11-20T16:30:00.000Z',
    resolve_due_at: '2026-11-20T23:30:00.000Z',
  });
});

test.each([
  ['urgent', { first_response: 10 }, '2026-11-20T15:40:00.000Z', '2026-11-23T15:30:00.000Z'],
  ['low', { first_response: null, resolution: 960 }, null, '2026-11-24T15:30:00.000Z'],
  ['high', {}, '2026-11-23T08:30:00.000Z', '2026-11-23T15:30:00.000Z'],
] as const)(
  'the priority %s has the targets %o, and what it does not name is as for all',
  (priority, own, first, resolve) => {
    const clocks = computeClocks(
      { hours, targets: { ...targets, priorities: { [priority]: own } } },
      { ...asked, priority },
    );
    expect(say(clocks)).toMatchObject({ first_due_at: first, resolve_due_at: resolve, due_at: first ?? resolve });
  },
);

test('a conversation that was opened again is to end within the whole target from then on', () => {
  const resolveFrom = new Date('2026-11-25T08:00:00Z');
  expect(say(computeClocks({ hours, targets }, { ...asked, resolveFrom, isAnswered: true }))).toMatchObject({
    due_at: '2026-11-25T16:00:00.000Z',
  });
});

test('a target no longer than the warning is told of at its half, not at once', () => {
  const short = { ...targets, first_response: 10, clock: 'always' } as const;
  expect(say(computeClocks({ hours, targets: short }, asked))).toMatchObject({
    due_at: '2026-11-20T15:40:00.000Z',
    warn_at: '2026-11-20T15:35:00.000Z',
  });
});

test('in hours that never come nothing is due', () => {
  expect(say(computeClocks({ hours: { time_zone: 'UTC', days: {} }, targets }, asked)).due_at).toBeNull();
});

test('a conversation that was opened again before anybody answered has the whole time to its first answer from then on', () => {
  const resolveFrom = new Date('2026-11-25T08:00:00Z');
  expect(say(computeClocks({ hours, targets }, { ...asked, resolveFrom }))).toMatchObject({
    first_due_at: '2026-11-25T09:00:00.000Z',
    due_at: '2026-11-25T09:00:00.000Z',
  });
  expect(say(computeClocks({ hours, targets }, { ...asked, resolveFrom, isAnswered: true }))).toMatchObject({
    first_due_at: '2026-11-23T08:30:00.000Z',
  });
});

test('what is due only after more than 400 days is not warned of either', () => {
  const rare: OfficeHours = { time_zone: 'UTC', days: { mon: [['09:00', '09:01']] } };
  const late = { ...targets, first_response: null, resolution: 60 };
  expect(say(computeClocks({ hours: rare, targets: late }, asked))).toMatchObject({ due_at: null, warn_at: null });
});

test('of a hundred conversations of a team with a target of weeks the clock is read as often as for one, and a few times for each', () => {
  const weeks = { ...targets, resolution: 43_200 };
  const fresh = structuredClone(hours);
  const reads = vi.spyOn(Temporal.ZonedDateTime.prototype, 'offsetNanoseconds', 'get');
  const compute = (n: number) =>
    computeClocks({ hours: fresh, targets: weeks }, { ...asked, from: new Date(from.getTime() + n * 60_000) });
  compute(0);
  const ofOne = reads.mock.calls.length;
  for (let n = 1; n < 100; n += 1) compute(n);
  const ofOthers = (reads.mock.calls.length - ofOne) / 99;
  reads.mockRestore();
  expect(ofOne).toBeGreaterThan(100);
  expect(ofOthers).toBeLessThan(10);
});
