import { chooseLocale } from '@aether/ui/formats.ts';

/** Monday to Sunday, in the person's language. */
export function weekdayNames(): string[] {
  const format = new Intl.DateTimeFormat(chooseLocale(navigator.languages), { weekday: 'short', timeZone: 'UTC' });
  // The fifth of January 2026 is a Monday.
  return Array.from({ length: 7 }, (_, day) => format.format(new Date(Date.UTC(2026, 0, 5 + day))));
}

/** `00` to `23`: the hour that begins then. */
export const hourNames = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, '0'));
