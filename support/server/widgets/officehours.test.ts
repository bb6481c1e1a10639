import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isOpenAt, nextOpening, type OfficeHours } from './officehours.ts';

const weekdaysInOslo: OfficeHours = {
  time_zone: 'Europe/Oslo',
  days: Object.fromEntries(['mon', 'tue', 'wed', 'thu', 'fri'].map((day) => [day, [['09:00', '17:00']]])),
};

test.each([
  ['2026-11-23T08:00:00Z', true], // Monday, 09:00 in Oslo
  ['2026-11-23T07:59:59Z', false],
  ['2026-11-23T15:59:59Z', true],
  ['2026-11-23T16:00:00Z', false],
  ['2026-07-06T07:00:00Z', true], // summer: 09:00
  ['2026-11-22T10:00:00Z', false], // Sunday
])('at %s it is open: %s', (at, isOpen) => {
  expect(isOpenAt(weekdaysInOslo, new Date(at))).toBe(isOpen);
});

test.each([
  ['2026-11-20T16:00:00Z', '2026-11-23T08:00:00.000Z'], // over the weekend
  ['2026-10-23T15:30:00Z', '2026-10-26T08:00:00.000Z'], // and over the end of summer time
  ['2026-11-23T10:00:00Z', null], // open
])('at %s the next opening is %s', (at, opens) => {
  expect(nextOpening(weekdaysInOslo, new Date(at))?.toISOString() ?? null).toBe(opens);
});

test('office hours that never come have no next opening, and 24:00 is the end of the day', () => {
  expect(nextOpening({ time_zone: 'UTC', days: {} }, new Date())).toBeNull();
  const late: OfficeHours = { time_zone: 'UTC', days: { mon: [['22:00', '24:00']] } };
  expect(isOpenAt(late, new Date('2026-11-23T23:59:00Z'))).toBe(true);
  expect(isOpenAt(late, new Date('2026-11-24T00:00:00Z'))).toBe(false);
});

test('hours over midnight belong to the day on which they begin', () => {
  const night: OfficeHours = { time_zone: 'UTC', days: { sun: [['22:00', '02:00']] } };
  const isOpen = (at: string) => isOpenAt(night, new Date(at));
  expect(['2026-11-22T21:59Z', '2026-11-22T22:00Z', '2026-11-23T01:59Z', '2026-11-23T02:00Z'].map(isOpen)).toEqual([
    false,
    true,
    true,
    false,
  ]);
  expect(isOpen('2026-11-22T01:00Z')).toBe(false); // the night from Saturday to Sunday
  expect(nextOpening(night, new Date('2026-11-23T02:00Z'))?.toISOString()).toBe('2026-11-29T22:00:00.000Z');
});

test('the next opening is open, and the minute before it is not', () => {
  const zones = ['UTC', 'Europe/Oslo', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe'];
  const clock = fc
    .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
    .map(([hour, minute]) => [hour, minute].map((part) => String(part).padStart(2, '0')).join(':'));
  fc.assert(
    fc.property(
      fc.constantFrom(...zones),
      fc.constantFrom('mon', 'thu', 'sun'),
      clock,
      fc.date({ min: new Date('2026-01-01'), max: new Date('2027-12-31'), noInvalidDate: true }),
      (time_zone, day, from, at) => {
        const hours: OfficeHours = { time_zone, days: { [day]: [[from, '24:00']] } };
        const opening = nextOpening(hours, at);
        if (opening === null) return isOpenAt(hours, at);
        return isOpenAt(hours, opening) && !isOpenAt(hours, new Date(opening.getTime() - 60_000));
      },
    ),
    { numRuns: 60 },
  );
});
