import { describe, expect, test } from 'vitest';
import { dayIn, isTimeZone, nextDue, type Repetition } from './repeating.ts';

const berlin = 'Europe/Berlin';
const next = (repeats: Repetition, due: string, now: string, repeatDay = due.slice(0, 10), timeZone = berlin) =>
  nextDue({ due: new Date(due), repeats, repeatDay, timeZone }, new Date(now)).toISOString();

describe('the next time of a task that repeats', () => {
  test.each([
    ['daily', '2026-03-02T11:00:00.000Z', '2026-03-03T11:00:00.000Z'],
    ['weekly', '2026-03-02T11:00:00.000Z', '2026-03-09T11:00:00.000Z'],
    ['monthly', '2026-03-02T11:00:00.000Z', '2026-04-02T10:00:00.000Z'], // summer time has begun
    ['yearly', '2026-03-02T11:00:00.000Z', '2027-03-02T11:00:00.000Z'],
  ] as const)('%s is one step later at the same time of day', (repeats, due, then) => {
    expect(next(repeats, due, due)).toBe(then);
  });

  test('keeps its time of day when summer time begins', () => {
    expect(next('daily', '2026-03-28T11:00:00.000Z', '2026-03-28T12:00:00.000Z')).toBe('2026-03-29T10:00:00.000Z');
  });

  test('on weekdays passes Saturday and Sunday', () => {
    expect(next('weekdays', '2026-03-06T11:00:00.000Z', '2026-03-06T11:30:00.000Z')).toBe('2026-03-09T11:00:00.000Z');
  });

  test('on the 31st is on the last day of a shorter month, and on the 31st after it', () => {
    expect(next('monthly', '2026-01-31T11:00:00.000Z', '2026-01-31T12:00:00.000Z')).toBe('2026-02-28T11:00:00.000Z');
    expect(next('monthly', '2026-02-28T11:00:00.000Z', '2026-02-28T12:00:00.000Z', '2026-01-31')).toBe(
      '2026-03-31T10:00:00.000Z',
    );
  });

  test('of 29 February is on the 28th until the next leap year', () => {
    expect(next('yearly', '2028-02-29T11:00:00.000Z', '2028-02-29T11:00:00.000Z')).toBe('2029-02-28T11:00:00.000Z');
    expect(next('yearly', '2031-02-28T11:00:00.000Z', '2031-03-01T11:00:00.000Z', '2028-02-29')).toBe(
      '2032-02-29T11:00:00.000Z',
    );
  });

  test('that is ticked early comes after its own day, and what was missed does not come one by one', () => {
    expect(next('weekly', '2026-03-09T11:00:00.000Z', '2026-03-04T08:00:00.000Z')).toBe('2026-03-16T11:00:00.000Z');
    expect(next('weekly', '2026-03-09T11:00:00.000Z', '2026-04-15T08:00:00.000Z')).toBe('2026-04-20T10:00:00.000Z');
    expect(next('daily', '2026-03-09T11:00:00.000Z', '2026-04-15T08:00:00.000Z')).toBe('2026-04-15T10:00:00.000Z');
  });
});

test('a day is that of the time zone, and a name that no time zone has is none', () => {
  expect(dayIn(new Date('2026-03-01T23:30:00Z'), berlin)).toBe('2026-03-02');
  expect(['Europe/Berlin', 'UTC', 'Mars/Olympus', ''].map(isTimeZone)).toEqual([true, true, false, false]);
});
