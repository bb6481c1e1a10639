/*
 * Office hours: when people answer, the next opening, and clocks that run only while people are there. All of it is real time: a day on
 * which the clock is moved has 23 or 25 hours, and an hour of a target is an hour. This is the one place that computes it, and Node alone
 * does: the zone data of PostgreSQL differs from Node's.
 */

/** From and to, as HH:MM. 24:00 is the end of the day; a span that ends before it begins goes on over midnight until that time of the next day. */
export type Span = [from: string, to: string];

/**
 * When people answer: per weekday, by the clock of that time zone. On the date of a holiday its own hours are valid instead of those of the
 * weekday, and hours that began on the evening before end at midnight.
 */
export type OfficeHours = {
  time_zone: string;
  days: Partial<Record<Weekday, Span[]>>;
  holidays?: Holiday[];
};
/** `hours`: those that are worked; none: nobody is there all day. */
export type Holiday = { date: string; name: string; hours: Span[] };
export type Weekday = (typeof weekdays)[number];
export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

/** A stretch of real time in which people are there, in milliseconds: `to` is not part of it. */
type Stretch = { readonly from: number; readonly to: number };

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** Nobody plans farther: a target that needs longer is never due, and there is no next opening. */
const lookAheadDays = 400;

/** Whether people answer at this moment. */
export function isOpenAt(hours: OfficeHours, at: Date): boolean {
  const now = at.getTime();
  for (const { from, to } of stretchesFrom(hours, now, 1)) if (from <= now && now < to) return true;
  return false;
}

/** When people answer again, within 400 days; null when they answer now, or not in that time. */
export function nextOpening(hours: OfficeHours, at: Date): Date | null {
  const now = at.getTime();
  for (const { from, to } of stretchesFrom(hours, now, lookAheadDays)) {
    if (from > now) return new Date(from);
    if (now < to) return null;
  }
  return null;
}

/**
 * The moment at which so many minutes have passed while people were there.
 *
 * @param hours null: people are always there
 * @returns null if that is farther than 400 days away
 */
export function addOpenMinutes(hours: OfficeHours | null, from: Date, minutes: number): Date | null {
  let left = minutes * minuteMs;
  if (hours === null || left <= 0) return new Date(from.getTime() + left);
  const start = from.getTime();
  for (const stretch of stretchesFrom(hours, start, lookAheadDays)) {
    const begins = Math.max(stretch.from, start);
    const length = stretch.to - begins;
    if (length <= 0) continue;
    if (left <= length) return new Date(begins + left);
    left -= length;
  }
  return null;
}

/** The minutes between two moments in which people were there. */
export function countOpenMinutes(hours: OfficeHours | null, from: Date, to: Date): number {
  const [start, end] = [from.getTime(), to.getTime()];
  if (end <= start) return 0;
  if (hours === null) return (end - start) / minuteMs;
  let sum = 0;
  for (const stretch of stretchesFrom(hours, start, Math.ceil((end - start) / dayMs) + 1)) {
    if (stretch.from >= end) break;
    sum += Math.max(0, Math.min(stretch.to, end) - Math.max(stretch.from, start));
  }
  return sum / minuteMs;
}

/** The stretches from the day before a moment on, for so many days, in order; stretches that touch or overlap are one. */
function* stretchesFrom(hours: OfficeHours, at: number, days: number): Generator<Stretch> {
  const { holidays, days: known } = readCalendar(hours);
  let open: Stretch | undefined;
  const first = dayOf(at, hours.time_zone) - 1;
  for (let day = first; day <= first + days + 1; day += 1) {
    let stretches = known.get(day);
    if (!stretches) {
      stretches = stretchesOfDay(hours, day, holidays);
      known.set(day, stretches);
    }
    for (const stretch of stretches) {
      if (open && stretch.from <= open.to) open = { ...open, to: Math.max(open.to, stretch.to) };
      else {
        if (open) yield open;
        open = stretch;
      }
    }
  }
  if (open) yield open;
}

type Calendar = { holidays: Map<string, Holiday>; days: Map<number, Stretch[]> };

/** By the hours: a turn computes a hundred conversations of the same team, and a target of weeks reads a clock thousands of times. */
const calendars = new WeakMap<OfficeHours, Calendar>();

function readCalendar(hours: OfficeHours): Calendar {
  const known = calendars.get(hours);
  if (known) return known;
  const calendar = { holidays: new Map(hours.holidays?.map((holiday) => [holiday.date, holiday])), days: new Map() };
  calendars.set(hours, calendar);
  return calendar;
}

/** @param day days since 1970-01-01 on the calendar */
function stretchesOfDay(hours: OfficeHours, day: number, holidays: Map<string, Holiday>): Stretch[] {
  const dateOf = (each: number) => new Date(each * dayMs).toISOString().slice(0, 10);
  const worked = holidays.get(dateOf(day))?.hours ?? hours.days[weekdays[(day + 3) % 7] as Weekday] ?? [];
  return worked
    .map(([from, to]): Stretch => {
      const isOverMidnight = to < from;
      const isCut = isOverMidnight && holidays.has(dateOf(day + 1));
      const ends = isCut ? 1_440 : minutesOf(to) + (isOverMidnight ? 1_440 : 0);
      return {
        from: momentOf(hours.time_zone, day, minutesOf(from)).first,
        to: momentOf(hours.time_zone, day, ends).last,
      };
    })
    .filter(({ from, to }) => from < to)
    .sort((one, other) => one.from - other.from);
}

const minutesOf = (clock: string) => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3));

/** Whether a time zone of this name can be read: all that PST means, too, which Intl knows and Temporal does not. */
export function isTimeZone(name: string): boolean {
  try {
    offsetOf(0, name);
    return true;
  } catch {
    return false;
  }
}

/** What a clock in the zone shows, as if it were UTC, in milliseconds. */
function readClock(at: number, timeZone: string): number {
  const second = Math.floor(at / 1_000) * 1_000;
  return second + offsetOf(second, timeZone);
}

/** Of the zones that Temporal does not know: abbreviations such as PST. */
const clocks = new Map<string, Intl.DateTimeFormat>();

/** Of a zone's clock, in milliseconds. Temporal comes first: Intl reads the data of all languages, which are 7 MB. */
function offsetOf(at: number, timeZone: string): number {
  let clock = clocks.get(timeZone);
  if (!clock) {
    try {
      return new Temporal.ZonedDateTime(BigInt(at) * 1_000_000n, timeZone).offsetNanoseconds / 1_000_000;
    } catch {
      clock = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' });
      clocks.set(timeZone, clock);
    }
  }
  // such as "1/1/1970, GMT-08:00"; UTC is "GMT"
  const [, sign, ...parts] = /GMT([+-])(\d+):(\d+)(?::(\d+))?$/.exec(clock.format(at)) ?? [];
  const [hours = 0, minutes = 0, seconds = 0] = parts.map((part) => Number(part ?? 0));
  return (sign === '-' ? -1 : 1) * ((hours * 60 + minutes) * 60 + seconds) * 1_000;
}

const dayOf = (at: number, timeZone: string) => Math.floor(readClock(at, timeZone) / dayMs);
const offsetAt = (at: number, timeZone: string) => readClock(at, timeZone) - Math.floor(at / 1_000) * 1_000;

/**
 * When the clock shows a minute of a day. It shows a minute twice when it is set back, and `first` and `last` differ: who comes at that time
 * comes the first time, who leaves then leaves the second time. It never shows a minute that is skipped when it is set forward; then it is
 * the moment of the skip.
 *
 * @param day days since 1970-01-01 on the calendar
 * @param minute of that day; 1,440 and more are of the next day
 */
function momentOf(timeZone: string, day: number, minute: number): { first: number; last: number } {
  const shown = day * dayMs + minute * minuteMs;
  const before = offsetAt(shown - dayMs, timeZone);
  const after = offsetAt(shown + dayMs, timeZone);
  const found = [shown - before, shown - after].filter((at) => readClock(at, timeZone) === shown);
  if (found.length > 0) return { first: Math.min(...found), last: Math.max(...found) };
  // It is skipped: the change of the offset is between the two.
  let [early, late] = [shown - Math.max(before, after), shown - Math.min(before, after)];
  const offset = offsetAt(early, timeZone);
  while (late - early > 1_000) {
    const middle = Math.floor((early + late) / 2_000) * 1_000;
    if (offsetAt(middle, timeZone) === offset) early = middle;
    else late = middle;
  }
  return { first: late, last: late };
}
