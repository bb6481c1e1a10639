import { expect, test } from 'vitest';
import { formatLength, formatMomentIn, formatSince } from './moments.ts';

const now = Date.parse('2026-11-28T20:00:00Z');

test.each([
  ['2026-11-28T20:00:01Z', 'now'],
  ['2026-11-28T19:59:48Z', '12 s ago'],
  ['2026-11-28T19:57:00Z', '3 min ago'],
  ['2026-11-28T15:00:00Z', '5 h ago'],
  ['2026-11-24T20:00:00Z', '4 days ago'],
  ['2026-11-28T20:05:00Z', 'in 5 min'],
])('%s is %s', (at, words) => {
  expect(formatSince(at, now)).toBe(words);
});

test('what lasts has a length, and never a negative one', () => {
  expect(formatLength('2026-11-28T19:57:00Z', now)).toBe('3 min');
  expect(formatLength('2026-11-28T20:00:30Z', now)).toBe('a moment');
});

test('a moment names its zone and its second, in UTC if that is asked for', () => {
  expect(formatMomentIn('2026-11-28T19:40:12Z', true, 'en-GB')).toBe('28 Nov 2026, 19:40:12 UTC');
});
