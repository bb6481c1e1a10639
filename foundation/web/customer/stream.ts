import { formatDayHeading } from '@aether/ui/formats.ts';
import type { TimelineEntry } from '../api/records.ts';

type Paged = { entries: TimelineEntry[] };

/**
 * What of the newest page is not in the list yet, and would stand at its top. Older entries that the list does not hold
 * (its later pages are not loaded) are not new.
 */
export function findFresh(pages: Paged[], head: TimelineEntry[]): TimelineEntry[] {
  const known = new Set(pages.flatMap(({ entries }) => entries.map(({ id }) => id)));
  const first = head.findIndex(({ id }) => known.has(id));
  return first === -1 ? head : head.slice(0, first);
}

/** The pages with `fresh` at the top of the first. */
export function prepend<Page extends Paged>(pages: Page[], fresh: TimelineEntry[]): Page[] {
  const ids = new Set(fresh.map(({ id }) => id));
  return pages.map((page, index) => {
    const rest = page.entries.filter(({ id }) => !ids.has(id));
    return { ...page, entries: index === 0 ? [...fresh, ...rest] : rest };
  });
}

/** The pages with the entries of `head` in place of older states of the same. */
export function renew<Page extends Paged>(pages: Page[], head: TimelineEntry[]): Page[] {
  const now = new Map(head.map((entry) => [entry.id, entry]));
  return pages.map((page) => ({ ...page, entries: page.entries.map((entry) => now.get(entry.id) ?? entry) }));
}

/** The stream in days, each with its heading. */
export function groupByDay(entries: TimelineEntry[], now = new Date()): { day: string; entries: TimelineEntry[] }[] {
  const days = Map.groupBy(entries, ({ occurred_at }) => formatDayHeading(occurred_at, now));
  return [...days].map(([day, ofDay]) => ({ day, entries: ofDay }));
}
