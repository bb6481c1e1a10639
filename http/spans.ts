import { date, line } from './input/fields.ts';
import { z } from './input/zod.ts';
import { refuseFields } from './problem.ts';

/*
 * Spans of days for reports. Days, weeks and months are those of one time zone, which the reader names. They are cut here, and PostgreSQL
 * gets the instants: the two know different versions of the zones, and a chat at midnight would be on one day in a chart and on another in
 * the list behind it.
 */

/** The longest span: enough for ten years. */
const daysMax = 3_660;
/** The most pieces of a span: more bars than these nobody reads. */
const piecesMax = 400;
const defaultDays = 90;

/** The name of a time zone of the IANA, such as Europe/Oslo. */
export const timeZone = () =>
  line({ charactersMax: 64 })
    .refine(isTimeZone, { error: 'must be a time zone such as Europe/Oslo' })
    .openapi({ example: 'Europe/Oslo' });

function isTimeZone(name: string): boolean {
  // An offset is no zone: it knows no summer time, and its days would be wrong in half of the year.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Temporal.ZonedDateTime(0n, name); // Intl would read the data of all languages, which are 7 MB
    return true;
  } catch {
    return false;
  }
}

/** The fields of a query that names a span. `readSpan` reads them. */
export const spanFields = {
  from: date()
    .optional()
    .openapi({ description: `The first day; by default ${defaultDays} days with the last one.` }),
  to: date().optional().openapi({ description: 'The last day, which belongs to it; by default today.' }),
  zone: timeZone().default('UTC').openapi({ description: 'The time zone whose days they are.' }),
};
export const pieceSizes = ['day', 'week', 'month'] as const;
export type PieceSize = (typeof pieceSizes)[number];
export const pieceField = z
  .enum(pieceSizes)
  .optional()
  .openapi({ description: 'How it is cut; by default so that there are not many pieces. Weeks begin on Monday.' });

/** Days of a zone, from the first to the last. */
export type Span = { from: string; to: string; zone: string; begins: Date; ends: Date };

/** Part of a span: the days from `from` to `to`, which are the instants from `begins` until before `ends`. */
export type Piece = { from: string; to: string; begins: Date; ends: Date };

/** Today in a zone, such as 2026-01-31. */
export const todayIn = (zone: string, now = Date.now()): string =>
  Temporal.Instant.fromEpochMilliseconds(now).toZonedDateTimeISO(zone).toPlainDate().toString();

/** @throws Problem 422 for a span that ends before it begins, or is too long */
export function readSpan({ from, to, zone }: { from?: string; to?: string; zone: string }, now = Date.now()): Span {
  const last = to ?? todayIn(zone, now);
  const first = from ?? addDays(last, 1 - defaultDays);
  const days = Temporal.PlainDate.from(first).until(last, { largestUnit: 'day' }).days + 1;
  if (days < 1) throw refuseFields([{ field: 'to', in: 'query', message: 'must not be before `from`' }]);
  if (days > daysMax)
    throw refuseFields([{ field: 'from', in: 'query', message: `must be within ${daysMax} days before \`to\`` }]);
  return { from: first, to: last, zone, begins: beginOf(first, zone), ends: beginOf(addDays(last, 1), zone) };
}

/** Cuts a span into its days, weeks or months; the first and the last may be shorter. @throws Problem 422 if they are too many */
export function cutSpan({ from, to, zone }: Span, size?: PieceSize): Piece[] {
  const unit = size ?? fittingSize(from, to);
  const pieces: Piece[] = [];
  const end = Temporal.PlainDate.from(to);
  let first = Temporal.PlainDate.from(from);
  while (Temporal.PlainDate.compare(first, end) <= 0) {
    const next = nextPiece(first, unit);
    const last = Temporal.PlainDate.compare(next, end) > 0 ? end : next.subtract({ days: 1 });
    pieces.push({
      from: first.toString(),
      to: last.toString(),
      begins: beginOf(first.toString(), zone),
      ends: beginOf(last.add({ days: 1 }).toString(), zone),
    });
    if (pieces.length > piecesMax)
      throw refuseFields([
        { field: 'by', in: 'query', message: `makes more than ${piecesMax} pieces of this span: use a longer one` },
      ]);
    first = next;
  }
  return pieces;
}

function fittingSize(from: string, to: string): PieceSize {
  const days = Temporal.PlainDate.from(from).until(to, { largestUnit: 'day' }).days + 1;
  if (days <= 45) return 'day';
  return days <= 190 ? 'week' : 'month';
}

function nextPiece(day: Temporal.PlainDate, size: PieceSize): Temporal.PlainDate {
  if (size === 'day') return day.add({ days: 1 });
  if (size === 'week') return day.add({ days: 8 - day.dayOfWeek });
  return day.with({ day: 1 }).add({ months: 1 });
}

/** Each day of a span with the instant at which it begins: in SQL `width_bucket(at, begins)` is the number of the day. */
export function daysOf({ from, to, zone }: Pick<Span, 'from' | 'to' | 'zone'>): { days: string[]; begins: Date[] } {
  const days: string[] = [];
  for (let day = from; day <= to; day = addDays(day, 1)) days.push(day);
  return { days, begins: days.map((day) => beginOf(day, zone)) };
}

/**
 * The offsets of the zone from UTC in a span, each with the instant from which it holds: in SQL
 * `at + make_interval(mins => minutes[width_bucket(at, begins)])` is what a clock there shows.
 */
export function offsetsOf({ zone, begins, ends }: Span): { begins: Date[]; minutes: number[] } {
  const found: { begins: Date[]; minutes: number[] } = { begins: [], minutes: [] };
  let at: Temporal.ZonedDateTime | null = Temporal.Instant.fromEpochMilliseconds(begins.getTime()).toZonedDateTimeISO(
    zone,
  );
  while (at && at.epochMilliseconds < ends.getTime()) {
    found.begins.push(new Date(at.epochMilliseconds));
    found.minutes.push(Math.round(at.offsetNanoseconds / 60e9));
    at = at.getTimeZoneTransition('next');
  }
  return found;
}

/** The first instant of a day in a zone: not always midnight. */
const beginOf = (day: string, zone: string): Date =>
  new Date(Temporal.PlainDate.from(day).toZonedDateTime(zone).epochMilliseconds);

/** The day so many days later, or before for a negative number. */
export const addDays = (day: string, days: number): string => Temporal.PlainDate.from(day).add({ days }).toString();
