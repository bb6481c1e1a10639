import { expect, test } from 'vitest';
import { dayAfter, inputOf, nextMonday, noonOf } from './days.ts';

const at = (day: string) => new Date(`${day}T15:00`);

test('a day after another passes the ends of months and years', () => {
  expect([dayAfter(at('2026-01-31'), 1), dayAfter(at('2026-12-31'), 1), dayAfter(at('2026-03-01'), -1)]).toEqual([
    '2026-02-01',
    '2027-01-01',
    '2026-02-28',
  ]);
});

test('the next Monday is never today', () => {
  // 2 March 2026 is a Monday, 1 March a Sunday.
  expect(['2026-03-02', '2026-03-01', '2026-03-06'].map((day) => nextMonday(at(day)))).toEqual([
    '2026-03-09',
    '2026-03-02',
    '2026-03-09',
  ]);
});

test('a moment in an input is that of this time zone', () => {
  expect(inputOf(noonOf('2026-03-29'))).toBe('2026-03-29T12:00');
});
