import { chooseLocale } from '../formats.ts';

/*
 * The span of days that a report shows, as the page's URL has it: a preset, which moves with the days, or two days. Days are those of this
 * browser's time zone, which is sent with them.
 */

export const spanNames = ['7d', '30d', '90d', 'month', 'last-month', 'quarter', 'last-quarter', 'year', '12m'] as const;
export type SpanName = (typeof spanNames)[number];

export const spanLabels: Record<SpanName, string> = {
  '7d': 'Last 7 days',
  '30d': 'Last 30 days',
  '90d': 'Last 90 days',
  month: 'This month',
  'last-month': 'Last month',
  quarter: 'This quarter',
  'last-quarter': 'Last quarter',
  year: 'This year',
  '12m': 'Last 12 months',
};

export type SpanSearch = { span?: SpanName; from?: string; to?: string };
export type Days = { from: string; to: string };

/** The search of a report's URL; what is no span is left out. Pure. */
export function readSpanSearch({ span, from, to }: Record<string, unknown>): SpanSearch {
  if (isDay(from) && isDay(to) && from <= to) return { from, to };
  const name = spanNames.find((each) => each === span);
  return name ? { span: name } : {};
}

function isDay(value: unknown): value is string {
  if (typeof value !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(value)) return false;
  const day = new Date(`${value}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && write(day) === value && value >= '1900';
}

/** The days of a span. @param today such as 2026-01-31. Pure. */
export function daysOfSpan({ span, from, to }: SpanSearch, fallback: SpanName, today: string): Days {
  if (from !== undefined && to !== undefined) return { from, to };
  const [year, month, day] = today.split('-').map(Number) as [number, number, number];
  const at = (years: number, months: number, days: number) => write(new Date(Date.UTC(years, months - 1, days)));
  const quarter = month - ((month - 1) % 3);
  switch (span ?? fallback) {
    case '7d':
      return { from: at(year, month, day - 6), to: today };
    case '30d':
      return { from: at(year, month, day - 29), to: today };
    case '90d':
      return { from: at(year, month, day - 89), to: today };
    case 'month':
      return { from: at(year, month, 1), to: today };
    case 'last-month':
      return { from: at(year, month - 1, 1), to: at(year, month, 0) };
    case 'quarter':
      return { from: at(year, quarter, 1), to: today };
    case 'last-quarter':
      return { from: at(year, quarter - 3, 1), to: at(year, quarter, 0) };
    case 'year':
      return { from: at(year, 1, 1), to: today };
    case '12m':
      return { from: at(year, month - 11, 1), to: today };
  }
}

const write = (day: Date): string => day.toISOString().slice(0, 10);

/** The time zone of this browser. */
export const ownZone = (): string => new Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';

/** `31 Jan`, for an axis. */
export const shortDay = (day: string): string =>
  new Intl.DateTimeFormat(chooseLocale(navigator.languages), {
    day: 'numeric',
    month: 'short',
    timeZone: 'UTC',
  }).format(new Date(`${day}T00:00:00Z`));
