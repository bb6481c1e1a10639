import { dayOf } from '@aether/ui/formats.ts';
import type { Repetition } from '../api/records.ts';

/* Days and times of tasks, as the person's browser counts them. */

/** The day some days after a moment, such as `2026-02-01`. */
export const dayAfter = (now: Date, days: number): string =>
  dayOf(new Date(now.getFullYear(), now.getMonth(), now.getDate() + days));

/** A due day is kept as its noon, because that is the same day for colleagues in the time zones around. */
export const noonOf = (day: string): string => new Date(`${day}T12:00`).toISOString();

/** The browser's time zone, in which the days of a repetition are counted. */
export const timeZoneHere = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The next Monday. */
export function nextMonday(now: Date): string {
  const days = (8 - now.getDay()) % 7 || 7;
  return dayAfter(now, days);
}

/** `2026-01-31T09:30`, as an input of a moment takes it. */
export function inputOf(moment: string): string {
  const at = new Date(moment);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${dayOf(at)}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

export const repetitionWords: Record<Repetition, string> = {
  daily: 'Every day',
  weekdays: 'Every working day',
  weekly: 'Every week',
  monthly: 'Every month',
  yearly: 'Every year',
};
