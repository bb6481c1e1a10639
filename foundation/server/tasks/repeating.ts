/*
 * When a task comes again. Days are counted in the time zone of whoever set the repetition, here and nowhere else: the database server may
 * know other rules of summer time than this machine.
 */

export const repetitions = ['daily', 'weekdays', 'weekly', 'monthly', 'yearly'] as const;
export type Repetition = (typeof repetitions)[number];

/** Whether this machine knows the time zone, such as `Europe/Berlin`. Pure. */
export function isTimeZone(name: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name);
    return true;
  } catch {
    return false;
  }
}

/** The day of a moment in a time zone, such as `2026-01-31`. Pure. */
export const dayIn = (moment: Date, timeZone: string): string =>
  moment.toTemporalInstant().toZonedDateTimeISO(timeZone).toPlainDate().toString();

export type Repeating = {
  due: Date;
  repeats: Repetition;
  /** The day that the repetition counts from. */
  repeatDay: string;
  timeZone: string;
};

/**
 * The first time after both `now` and the task's own due time at which it is due again: at the same time of day. What was missed meanwhile
 * does not come one by one. A day that a month lacks is its last day. Pure.
 */
export function nextDue({ due, repeats, repeatDay, timeZone }: Repeating, now: Date): Date {
  const zoned = due.toTemporalInstant().toZonedDateTimeISO(timeZone);
  const today = now.toTemporalInstant().toZonedDateTimeISO(timeZone).toPlainDate();
  const isAhead = Temporal.PlainDate.compare(zoned.toPlainDate(), today) >= 0;
  const from = isAhead ? zoned.toPlainDate() : today;
  const at = (day: Temporal.PlainDate) =>
    new Date(day.toZonedDateTime({ timeZone, plainTime: zoned.toPlainTime() }).epochMilliseconds);
  for (const day of daysFrom(Temporal.PlainDate.from(repeatDay), repeats, from)) {
    const moment = at(day);
    if (moment > due && moment > now) return moment;
  }
  throw new RangeError('a repetition has no end');
}

/** The days of a repetition, from about `after` on. */
function* daysFrom(
  first: Temporal.PlainDate,
  repeats: Repetition,
  after: Temporal.PlainDate,
): Generator<Temporal.PlainDate> {
  if (repeats === 'daily' || repeats === 'weekdays') {
    for (let day = after; ; day = day.add({ days: 1 })) if (repeats === 'daily' || day.dayOfWeek <= 5) yield day;
  }
  const unit = repeats === 'weekly' ? 'weeks' : repeats === 'monthly' ? 'months' : 'years';
  // Each is counted from the first day, so that the 31st is not forgotten in February.
  const passed = first.until(after, { largestUnit: unit })[unit];
  for (let n = Math.max(passed, 0); ; n++) yield first.add({ [unit]: n });
}
