/**
 * When people answer: per weekday, from and to as HH:MM of the clock in that time zone. 24:00 is the end of the day; a span that ends before
 * it begins goes on over midnight until that time of the next day.
 */
export type OfficeHours = { time_zone: string; days: Partial<Record<Weekday, [string, string][]>> };
export type Weekday = (typeof weekdays)[number];
export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

const minutesOf = (clock: string) => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3));

/** Created once per zone: creating one takes fifty times as long as using it. */
const clocks = new Map<string, Intl.DateTimeFormat>();

/** The day and the minute that a clock in this zone shows. */
function readClock(at: Date, timeZone: string): { day: Weekday; minute: number } {
  const clock =
    clocks.get(timeZone) ??
    new Intl.DateTimeFormat('en-GB', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
  clocks.set(timeZone, clock);
  const [weekday = '', hour, minute] = clock.format(at).split(/[ ,:]+/);
  return { day: weekday.toLowerCase() as Weekday, minute: Number(hour) * 60 + Number(minute) };
}

/** Whether people answer at this moment. */
export function isOpenAt({ time_zone, days }: OfficeHours, at: Date): boolean {
  const { day, minute } = readClock(at, time_zone);
  const before = weekdays.at(weekdays.indexOf(day) - 1) as Weekday;
  return (
    (days[day] ?? []).some(([from, to]) => minutesOf(from) <= minute && (minute < minutesOf(to) || to < from)) ||
    (days[before] ?? []).some(([from, to]) => to < from && minute < minutesOf(to))
  );
}

const minuteMs = 60_000;
const lookAheadMinutes = 8 * 24 * 60;

/**
 * When people answer again, within eight days; null when they answer now, or not in that time. It searches real time minute by
 * minute, so that a change to or from summer time in between counts.
 */
export function nextOpening(hours: OfficeHours, at: Date): Date | null {
  if (isOpenAt(hours, at)) return null;
  const first = Math.floor(at.getTime() / minuteMs) + 1;
  const starts = new Set(Object.values(hours.days).flatMap((spans) => spans.map(([from]) => minutesOf(from) % 60)));
  for (let minute = first; minute < first + lookAheadMinutes; minute += 1) {
    // Zones are whole quarters of an hour apart: an opening falls on no other minute of the hour.
    if (![0, 15, 30, 45].some((offset) => starts.has((minute + offset) % 60))) continue;
    const moment = new Date(minute * minuteMs);
    if (isOpenAt(hours, moment)) return moment;
  }
  return null;
}
