import { formatDayHeading } from '@aether/ui/formats.ts';
import type { TimelineEntry } from '../api/records.ts';

type Paged = { entries: TimelineEntry[] };

/**
 * The entries read from the top that the list does not hold, in any place: an entry made for yesterday is new as well. An entry below the
 * end of the list is not new, because it belongs to a page that is not loaded, unless the list is complete.
 */
export function findFresh(pages: Paged[], read: TimelineEntry[], isWhole: boolean): TimelineEntry[] {
  const known = new Set(pages.flatMap(({ entries }) => entries.map(({ id }) => id)));
  const end = read.findLastIndex(({ id }) => known.has(id));
  return read.filter(({ id }, index) => !known.has(id) && (isWhole || end === -1 || index < end));
}

/** The pages, with the entries of `head` in place of their older states. */
export function renew<Page extends Paged>(pages: Page[], head: TimelineEntry[]): Page[] {
  const now = new Map(head.map((entry) => [entry.id, entry]));
  return pages.map((page) => ({ ...page, entries: page.entries.map((entry) => now.get(entry.id) ?? entry) }));
}

/** The entries grouped by day, each day with its heading. */
export function groupByDay(entries: TimelineEntry[], now = new Date()): { day: string; entries: TimelineEntry[] }[] {
  const days = Map.groupBy(entries, ({ occurred_at }) => formatDayHeading(occurred_at, now));
  return [...days].map(([day, ofDay]) => ({ day, entries: ofDay }));
}
