import { expect, test } from 'vitest';
import {
  chooseLocale,
  dayOf,
  formatAgo,
  formatDay,
  formatDayHeading,
  formatDuration,
  formatMoney,
  formatSums,
  formatWhen,
  roundMoney,
} from './formats.ts';

const spaced = (text: string) => text.replace(/\s/gu, ' ');

test('money has the form of the locale, with cents only if there are any', () => {
  expect(formatMoney(1200, 'EUR', { where: 'en' })).toBe('€1,200');
  expect(formatMoney(1200.5, 'EUR', { where: 'en' })).toBe('€1,200.50');
  expect(spaced(formatMoney(1200, 'EUR', { where: 'de' }))).toBe('1.200 €');
  expect(formatMoney(1_250_000, 'USD', { short: true, where: 'en' })).toBe('$1.3M');
});

test('money has the decimals of its currency: none in yen, three in dinars', () => {
  const show = (amount: number, currency: string) => spaced(formatMoney(amount, currency, { where: 'en' }));
  expect(show(150_000, 'JPY')).toBe('¥150,000');
  expect(show(12.5, 'KWD')).toBe('KWD 12.500');
  expect(show(12.345, 'IQD')).toBe('IQD 12.345');
  expect(show(0.0001, 'CLF')).toBe('CLF 0.0001');
  expect(show(12, 'KWD')).toBe('KWD 12');
  expect(spaced(formatMoney(1_234_567, 'JPY', { short: true, where: 'en' }))).toBe('¥1.2M');
});

test('a sum that JavaScript has calculated is rounded to the smallest unit of its currency', () => {
  expect(roundMoney(0.1 + 0.2, 'EUR')).toBe(0.3);
  expect(roundMoney(600.6, 'JPY')).toBe(601);
  expect(roundMoney(0.001 + 1.004, 'KWD')).toBe(1.005);
});

test('sums of different currencies stay apart, and no sum is shown as a dash', () => {
  // A line breaks before the plus, never within an amount or after the plus.
  expect(formatSums({ EUR: 1200, USD: 300 }, { where: 'en' })).toBe('€1,200 +\u00a0$300');
  expect(formatSums({ EUR: 0 }, { where: 'en' })).toBe('—');
  expect(formatSums({})).toBe('—');
});

test('a day stays the same day in every time zone', () => {
  expect(formatDay('2026-01-31', 'en-GB')).toBe('31 Jan 2026');
});

test('a relative time is shown in the unit that fits its distance', () => {
  const now = Date.parse('2026-06-15T12:00:00Z');
  expect(formatAgo('2026-06-15T11:59:40Z', now, 'en')).toBe('now');
  expect(formatAgo('2026-06-15T09:00:00Z', now, 'en')).toBe('3 hours ago');
  expect(formatAgo('2026-06-17T13:00:00Z', now, 'en')).toBe('in 2 days');
  expect(formatAgo('2024-01-01T00:00:00Z', now, 'en')).toBe('2 years ago');
});

test('a duration is rounded the way a person says it', () => {
  expect([0.4, 45, 60, 754, 3_600, 3_900].map(formatDuration)).toEqual([
    'under 1 s',
    '45 s',
    '1 min',
    '13 min',
    '1 h',
    '1 h 5 min',
  ]);
});

test('the headings today and yesterday follow the calendar, not periods of 24 hours', () => {
  const now = new Date(2026, 5, 15, 0, 30);
  expect(formatDayHeading(new Date(2026, 5, 15, 0, 5).toISOString(), now, 'en')).toBe('Today');
  expect(formatDayHeading(new Date(2026, 5, 14, 23, 55).toISOString(), now, 'en')).toBe('Yesterday');
  expect(formatDayHeading(new Date(2026, 5, 13, 12).toISOString(), now, 'en-GB')).toBe('13 Jun 2026');
});

test('a language that Intl does not accept is skipped or replaced by the one it means', () => {
  expect(chooseLocale(['en-US@posix'])).toBe('en-US');
  expect(chooseLocale(['C', 'de-DE'])).toBe('de-DE');
  expect(chooseLocale(['x-klingon-!', ''])).toBe('en');
});

test('a day is that of the person’s time zone, not of UTC', () => {
  const moment = '2026-03-31T23:30:00.000Z';
  expect(dayOf(moment, 'America/Los_Angeles')).toBe('2026-03-31');
  expect(dayOf(moment, 'UTC')).toBe('2026-03-31');
  expect(dayOf(moment, 'Asia/Tokyo')).toBe('2026-04-01');
});

test('a time of another day is shown with its day', () => {
  const now = new Date(2026, 0, 31, 12);
  expect(formatWhen(new Date(2026, 0, 31, 9).toISOString(), now, 'en')).not.toContain('2026');
  expect(formatWhen(new Date(2026, 0, 30, 9).toISOString(), now, 'en')).toContain('2026');
});
