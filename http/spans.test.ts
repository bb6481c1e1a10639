import { describe, expect, test } from 'vitest';
import { cutSpan, daysOf, offsetsOf, readSpan, timeZone, todayIn } from './spans.ts';

const oslo = { zone: 'Europe/Oslo' };

describe('a span of days', () => {
  test('begins and ends with the days of its zone, also where the clocks change', () => {
    const span = readSpan({ ...oslo, from: '2026-03-29', to: '2026-03-29' });
    expect([span.begins.toISOString(), span.ends.toISOString()]).toEqual([
      '2026-03-28T23:00:00.000Z',
      '2026-03-29T22:00:00.000Z',
    ]);
  });

  test('is that of the last ninety days if nothing is said', () => {
    const now = Date.parse('2026-06-30T22:30:00Z');
    expect(readSpan(oslo, now)).toMatchObject({ from: '2026-04-03', to: '2026-07-01' });
    expect(todayIn('America/New_York', now)).toBe('2026-06-30');
  });

  test('that ends before it begins, or lasts longer than ten years, is refused with the field', () => {
    expect(() => readSpan({ ...oslo, from: '2026-02-02', to: '2026-02-01' })).toThrow(
      expect.objectContaining({ status: 422 }),
    );
    expect(() => readSpan({ ...oslo, from: '1990-01-01', to: '2026-02-01' })).toThrow(
      expect.objectContaining({ status: 422 }),
    );
  });

  test('is cut into months and weeks that have no gap, the first and the last shorter', () => {
    const span = readSpan({ ...oslo, from: '2026-01-15', to: '2026-03-02' });
    expect(cutSpan(span, 'month').map(({ from, to }) => [from, to])).toEqual([
      ['2026-01-15', '2026-01-31'],
      ['2026-02-01', '2026-02-28'],
      ['2026-03-01', '2026-03-02'],
    ]);
    const weeks = cutSpan(span, 'week');
    expect(weeks[0]).toMatchObject({ from: '2026-01-15', to: '2026-01-18' });
    expect(weeks.slice(1).map(({ begins }, index) => begins.getTime() - Number(weeks[index]?.ends))).toEqual(
      weeks.slice(1).map(() => 0),
    );
  });

  test('with more than 400 pieces is refused', () => {
    expect(() => cutSpan(readSpan({ ...oslo, from: '2024-01-01', to: '2026-02-01' }), 'day')).toThrow(
      expect.objectContaining({ status: 422 }),
    );
  });

  test('has each day once, and each offset of its zone', () => {
    const span = readSpan({ ...oslo, from: '2026-03-28', to: '2026-03-30' });
    expect(daysOf(span).days).toEqual(['2026-03-28', '2026-03-29', '2026-03-30']);
    expect(offsetsOf(span)).toEqual({
      begins: [span.begins, new Date('2026-03-29T01:00:00Z')],
      minutes: [60, 120],
    });
  });
});

test('a time zone is a name: an offset and a word are refused', () => {
  const accepts = (name: string) => timeZone().safeParse(name).success;
  expect(['Europe/Oslo', 'UTC', 'Europe/Kyiv', 'America/Argentina/Buenos_Aires'].map(accepts)).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(['+02:00', 'Mars/Olympus', '', "UTC'; drop"].map(accepts)).toEqual([false, false, false, false]);
});
