import { expect, test } from 'vitest';
import { daysOfSpan, readSpanSearch } from './spans.ts';

test('a preset is days up to today, or a month or quarter that is over', () => {
  const today = '2026-02-10';
  const of = (span: Parameters<typeof daysOfSpan>[1]) => Object.values(daysOfSpan({}, span, today));
  expect(of('30d')).toEqual(['2026-01-12', today]);
  expect(of('last-month')).toEqual(['2026-01-01', '2026-01-31']);
  expect(of('last-quarter')).toEqual(['2025-10-01', '2025-12-31']);
  expect(of('12m')).toEqual(['2025-03-01', today]);
  expect(daysOfSpan({ from: '2026-01-01', to: '2026-01-02' }, '7d', today)).toEqual({
    from: '2026-01-01',
    to: '2026-01-02',
  });
});

test('an address with a day that does not exist, or with an end before its beginning, has no span', () => {
  expect(readSpanSearch({ from: '2026-02-30', to: '2026-03-01' })).toEqual({});
  expect(readSpanSearch({ from: '2026-03-02', to: '2026-03-01', span: '7d' })).toEqual({ span: '7d' });
  expect(readSpanSearch({ span: 'century' })).toEqual({});
});
