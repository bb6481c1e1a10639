import type { TimelineFilters } from '../api/timeline.ts';
import { readOneOf, readText } from '../inputs/urlvalues.ts';
import { dayAfter } from '../tasks/days.ts';

export type Pane = 'fields' | 'timeline' | 'relations';
export type TimelineSearch = TimelineFilters & {
  /** The pane that a narrow screen shows. */
  pane?: Pane;
  /** The entry to which the page scrolls, and its time. */
  entry?: string;
  at?: string;
};

export function readTimelineSearch(given: Record<string, unknown>): TimelineSearch {
  return {
    kind: readOneOf(given.kind, ['activity', 'deal', 'field']),
    type: readText(given.type),
    app: readOneOf(given.app, ['foundation', 'support']),
    person: readText(given.person),
    since: readText(given.since),
    until: readText(given.until),
    pane: readOneOf(given.pane, ['fields', 'timeline', 'relations']),
    entry: readText(given.entry),
    at: readText(given.at),
  };
}

/** The timeline from the day of an entry on: a filter, which its bar shows and takes away. */
export const untilDayOf = (at: string | undefined) => ({
  search: <Search extends TimelineSearch>(search: Search) => ({ ...search, until: at && dayAfter(new Date(at), 1) }),
  replace: true,
});
