/** Whether 03/04/2020 is in April or in March. */
export type DayOrder = 'day-first' | 'month-first';

/** A date as it is written, before anything unclear in it was decided. */
export type WrittenDate = {
  year: number;
  /** The first and the second number of a date such as 03/04/2020; of every other form, month and day. */
  first: number;
  second: number;
  /** Of a date such as 03/04/2020, what is between its numbers; null: the form itself says which one is the month. */
  separator: '/' | '.' | '-' | null;
  shortYear: boolean;
  /** Milliseconds since midnight; null: no time. */
  time: number | null;
  /** Minutes east of UTC; null: no zone. */
  offset: number | null;
};

const timeText =
  '(?:[T,]?\\s*(\\d{1,2}):(\\d{2})(?::(\\d{2})(?:[.,](\\d{1,9}))?)?\\s*([ap]\\.?m\\.?)?\\s*(Z|UTC|GMT|[+-]\\d{2}(?::?\\d{2})?)?)?';
const iso = /^(\d{4})-(\d{2})-(\d{2})/;
const yearFirst = new RegExp(`^(\\d{4})([-/.])(\\d{1,2})\\2(\\d{1,2})${timeText}$`, 'i');
const yearLast = new RegExp(`^(\\d{1,2})([/.-])\\s?(\\d{1,2})\\2\\s?(\\d{4}|\\d{2})${timeText}$`, 'i');
const compact = /^(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})?(Z)?)?$/;
const dayName = new RegExp(
  `^(\\d{1,2})(?:st|nd|rd|th)?[\\s.-]+([a-z]{3,9})\\.?[\\s,.-]+(\\d{4}|\\d{2})${timeText}$`,
  'i',
);
const nameDay = new RegExp(`^([a-z]{3,9})\\.?\\s+(\\d{1,2})(?:st|nd|rd|th)?,?\\s+(\\d{4})${timeText}$`, 'i');
const han = /^(\d{4})年(\d{1,2})月(\d{1,2})日$/;
const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const fullMonths = 'january february march april may june july august september october november december'.split(' ');

/** Reads a date, with or without a time, in the forms that exports have. Pure. It returns undefined if the text is no date. */
export function readDate(text: string): WrittenDate | undefined {
  const first = text.charCodeAt(0);
  if (text.length < 6 || text.length > 40 || first > 0x7a) return undefined;
  if (text.length === 10) {
    const found = iso.exec(text);
    if (found) return checked(Number(found[1]), Number(found[2]), Number(found[3]), null, false, found, 99);
  }
  let found = yearFirst.exec(text);
  if (found) return checked(Number(found[1]), Number(found[3]), Number(found[4]), null, false, found, 5);
  found = yearLast.exec(text);
  if (found) {
    const year = found[4] as string;
    const separator = found[2] as '/' | '.' | '-';
    return checked(Number(year), Number(found[1]), Number(found[3]), separator, year.length === 2, found, 5);
  }
  found = compact.exec(text);
  if (found) {
    const [text8, year, month, day, hour, minute, second, zone] = found;
    const parts = [text8, year, month, day, hour, minute, second, undefined, undefined, zone];
    return checked(Number(year), Number(month), Number(day), null, false, parts, 4);
  }
  found = dayName.exec(text);
  if (found) {
    const year = found[3] as string;
    return checked(Number(year), monthOf(found[2]), Number(found[1]), null, year.length === 2, found, 4);
  }
  found = nameDay.exec(text);
  if (found) return checked(Number(found[3]), monthOf(found[1]), Number(found[2]), null, false, found, 4);
  found = han.exec(text);
  return found ? checked(Number(found[1]), Number(found[2]), Number(found[3]), null, false, found, 99) : undefined;
}

const monthOf = (name = ''): number => {
  const text = name.toLowerCase();
  const full = fullMonths.indexOf(text);
  return (full >= 0 ? full : months.indexOf(text === 'sept' ? 'sep' : text)) + 1;
};

/** @param timeAt the place of the hour in `parts` */
function checked(
  year: number,
  first: number,
  second: number,
  separator: WrittenDate['separator'],
  shortYear: boolean,
  parts: readonly (string | undefined)[],
  timeAt: number,
): WrittenDate | undefined {
  const written: WrittenDate = { year, first, second, separator, shortYear, time: null, offset: null };
  if (separator === null ? !isDay(year, first, second) : !isDay(2000, first, second) && !isDay(2000, second, first))
    return undefined;
  const hour = parts[timeAt];
  if (hour === undefined) return written;
  const [minute, second60, fraction, half, zone] = parts.slice(timeAt + 1, timeAt + 6);
  const hours = half ? (Number(hour) % 12) + (half[0]?.toLowerCase() === 'p' ? 12 : 0) : Number(hour);
  if (hours > 23 || Number(minute) > 59 || Number(second60 ?? 0) > 59 || (half && Number(hour) > 12)) return undefined;
  const milliseconds = fraction ? Math.floor(Number(`0.${fraction}`) * 1000) : 0;
  written.time = ((hours * 60 + Number(minute)) * 60 + Number(second60 || 0)) * 1000 + milliseconds;
  if (zone) written.offset = offsetOf(zone);
  return written;
}

function offsetOf(zone: string): number {
  if (zone.length < 3 || /[a-z]/i.test(zone)) return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.length > 3 ? zone.slice(-2) : 0);
  return zone[0] === '-' ? -minutes : minutes;
}

const monthDays = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isDay(year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1 || day > (monthDays[month - 1] as number)) return false;
  return month !== 2 || day < 29 || (year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0));
}

export type Day = { year: number; month: number; day: number };

/** The day that a written date means; undefined if it is none in this order. A short year is the last one that is not in the future. */
export function dayOf(written: WrittenDate, order: DayOrder, thisYear: number): Day | undefined {
  const isMonthFirst = written.separator === null || order === 'month-first';
  const month = isMonthFirst ? written.first : written.second;
  const day = isMonthFirst ? written.second : written.first;
  let { year } = written;
  if (written.shortYear) {
    year += Math.floor(thisYear / 100) * 100;
    if (year > thisYear) year -= 100;
  }
  return isDay(year, month, day) ? { year, month, day } : undefined;
}

/** What the dates of a column say about their order. */
export type OrderEvidence = {
  /** Dates whose first number is too large for a month, and whose second one is. */
  dayFirst: number;
  monthFirst: number;
  /** Dates that could be either. */
  either: number;
  /** Whether all of them have dots, which only day-first dates have. */
  dots: boolean;
  examples: string[];
};

export const noEvidence = (): OrderEvidence => ({ dayFirst: 0, monthFirst: 0, either: 0, dots: true, examples: [] });

export function collectEvidence(evidence: OrderEvidence, cell: string): void {
  const written = readDate(cell.trim());
  if (!written?.separator) return;
  if (written.separator !== '.') evidence.dots = false;
  const isFirst = written.first > 12 ? evidence.dayFirst++ : written.second > 12 ? evidence.monthFirst++ : undefined;
  if (isFirst === undefined) evidence.either += 1;
  if (isFirst === 0 || (isFirst === undefined && evidence.either <= 3)) evidence.examples.push(cell.trim());
}

/** The order of a column's dates; undefined: a person has to say. */
export function orderOf({ dayFirst, monthFirst, dots }: OrderEvidence): DayOrder | undefined {
  if (dayFirst > 0 && monthFirst > 0) return undefined;
  if (dayFirst > 0) return 'day-first';
  if (monthFirst > 0) return 'month-first';
  return dots ? 'day-first' : undefined;
}
