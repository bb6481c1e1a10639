import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addOpenMinutes,
  countOpenMinutes,
  isOpenAt,
  isTimeZone,
  nextOpening,
  type OfficeHours,
} from './officehours.ts';

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

test.each([
  ['PST', 'America/Los_Angeles'],
  ['JST', 'Asia/Tokyo'],
  ['IST', 'Asia/Kolkata'],
  ['CNT', 'America/St_Johns'],
  ['SystemV/PST8', 'Etc/GMT+8'],
])('hours that were stored in the zone %s, which only Intl knows, are those of %s', (old, name) => {
  expect(isTimeZone(old)).toBe(true);
  for (const at of [
    '2026-01-15T12:34:56.789Z',
    '2026-07-15T23:45:01Z',
    '1969-12-31T23:59:59.999Z',
    '2026-03-08T10:00:00Z',
  ]) {
    const [days, from] = [week(['09:00', '17:00']), new Date(at)];
    const read = (time_zone: string) => [
      isOpenAt({ time_zone, days }, from),
      nextOpening({ time_zone, days }, from),
      addOpenMinutes({ time_zone, days }, from, 2_000),
    ];
    expect(read(old)).toEqual(read(name));
  }
});

test('a zone that nobody knows is none, and neither is a moment', () => {
  const odd = ['Mars/Olympus', '', 'Z', 'GMT+1', '2026-01-01T00:00Z', '2026-01-01T00:00+01:00[Europe/Oslo]'];
  expect(odd.filter(isTimeZone)).toEqual([]);
  expect(
    ['Europe/Oslo', 'europe/oslo', 'UTC', 'EST', '+05:30', 'US/Pacific'].filter((name) => !isTimeZone(name)),
  ).toEqual([]);
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

const week = (...spans: [string, string][]) =>
  Object.fromEntries(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].map((day) => [day, spans]));
const nightShift: OfficeHours = { time_zone: 'Europe/Oslo', days: { sat: [['22:00', '06:00']] } };
const christmas: OfficeHours = {
  ...weekdaysInOslo,
  holidays: [
    { date: '2026-12-24', name: 'Christmas Eve', hours: [['09:00', '14:00']] },
    { date: '2026-12-25', name: 'Christmas Day', hours: [] },
  ],
};
const broken: OfficeHours = {
  time_zone: 'UTC',
  days: {
    mon: [
      ['09:00', '12:00'],
      ['13:00', '17:00'],
    ],
  },
};

test.each<[what: string, hours: OfficeHours | null, from: string, minutes: number, due: string | null]>([
  ['always there', null, '2026-10-25T00:30:00Z', 120, '2026-10-25T02:30:00.000Z'],
  ['within a span', weekdaysInOslo, '2026-11-23T09:00:00Z', 60, '2026-11-23T10:00:00.000Z'],
  ['to the very end of a span', weekdaysInOslo, '2026-11-23T15:00:00Z', 60, '2026-11-23T16:00:00.000Z'],
  ['asked before it opens', weekdaysInOslo, '2026-11-23T04:00:00Z', 30, '2026-11-23T08:30:00.000Z'],
  ['over a weekend', weekdaysInOslo, '2026-11-20T15:30:00Z', 60, '2026-11-23T08:30:00.000Z'],
  ['over a weekend on which summer time ends', weekdaysInOslo, '2026-10-23T14:30:00Z', 60, '2026-10-26T08:30:00.000Z'],
  [
    'over a weekend on which summer time begins',
    weekdaysInOslo,
    '2026-03-27T15:30:00Z',
    60,
    '2026-03-30T07:30:00.000Z',
  ],
  ['over the lunch break', broken, '2026-11-23T11:30:00Z', 60, '2026-11-23T13:30:00.000Z'],
  ['a night of nine hours', nightShift, '2026-10-24T20:00:00Z', 540, '2026-10-25T05:00:00.000Z'],
  ['a night of seven hours', nightShift, '2026-03-28T21:00:00Z', 420, '2026-03-29T04:00:00.000Z'],
  ['a half holiday, a whole one and a weekend', christmas, '2026-12-24T12:30:00Z', 60, '2026-12-28T08:30:00.000Z'],
  ['asked on a holiday', christmas, '2026-12-25T10:00:00Z', 10, '2026-12-28T08:10:00.000Z'],
  ['hours that never come', { time_zone: 'UTC', days: {} }, '2026-11-23T10:00:00Z', 10, null],
  [
    'weeks of one hour',
    { time_zone: 'UTC', days: { mon: [['09:00', '10:00']] } },
    '2026-11-23T09:30:00Z',
    150,
    '2026-12-07T10:00:00.000Z',
  ],
])('a target that runs while people are there: %s', (_, hours, from, minutes, due) => {
  const at = addOpenMinutes(hours, new Date(from), minutes);
  expect(at?.toISOString() ?? null).toBe(due);
  if (at) expect(countOpenMinutes(hours, new Date(from), at)).toBe(minutes);
});

test('a holiday ends at midnight what began on the evening before, and its own hours may go on over midnight', () => {
  const nights: OfficeHours = {
    time_zone: 'UTC',
    days: week(['22:00', '04:00']),
    holidays: [{ date: '2026-12-25', name: 'Christmas Day', hours: [['23:00', '01:00']] }],
  };
  const isOpen = (at: string) => isOpenAt(nights, new Date(at));
  expect(isOpen('2026-12-24T23:59Z')).toBe(true);
  expect(isOpen('2026-12-25T00:00Z')).toBe(false);
  expect(isOpen('2026-12-25T22:30Z')).toBe(false);
  expect(['2026-12-25T23:00Z', '2026-12-26T00:30Z', '2026-12-26T01:00Z'].map(isOpen)).toEqual([true, true, false]);
});

test('the half holiday is a working day until its hour', () => {
  expect(isOpenAt(christmas, new Date('2026-12-24T11:00Z'))).toBe(true);
  expect(isOpenAt(christmas, new Date('2026-12-24T13:00Z'))).toBe(false);
  expect(nextOpening(christmas, new Date('2026-12-24T13:00Z'))?.toISOString()).toBe('2026-12-28T08:00:00.000Z');
});

test.each([
  ['begin in the hour that is skipped', { sun: [['02:30', '04:00']] }, '2026-03-29', 60],
  ['end in the hour that is skipped', { sun: [['01:00', '02:30']] }, '2026-03-29', 60],
  ['lie in the hour that is skipped', { sun: [['02:10', '02:50']] }, '2026-03-29', 0],
  ['begin in the hour that comes twice', { sun: [['02:30', '04:00']] }, '2026-10-25', 150],
  ['end in the hour that comes twice', { sun: [['01:00', '02:30']] }, '2026-10-25', 150],
])('hours that %s have %o on %s', (_, days, date, minutes) => {
  const hours = { time_zone: 'Europe/Oslo', days } as OfficeHours;
  const noon = Date.parse(`${date}T12:00:00Z`);
  expect(countOpenMinutes(hours, new Date(noon - 86_400_000), new Date(noon))).toBe(minutes);
});

test('a target is due when exactly its minutes were open, in any zone, over any change of the clock', () => {
  const zones = [
    'UTC',
    'Europe/Oslo',
    'America/New_York',
    'Asia/Kathmandu',
    'Australia/Lord_Howe',
    'Africa/Casablanca',
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...zones),
      fc.integer({ min: 1, max: 3_000 }),
      fc.date({ min: new Date('2026-01-01'), max: new Date('2027-12-31'), noInvalidDate: true }),
      (time_zone, minutes, from) => {
        const hours: OfficeHours = { time_zone, days: week(['01:30', '03:15'], ['22:00', '00:45']) };
        const due = addOpenMinutes(hours, from, minutes) as Date;
        return Math.abs(countOpenMinutes(hours, from, due) - minutes) < 1e-6;
      },
    ),
    { numRuns: 60 },
  );
});
