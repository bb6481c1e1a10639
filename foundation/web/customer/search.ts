import type { TimelineFilters } from '../api/timeline.ts';
import { readOneOf, readText } from '../inputs/urlvalues.ts';

export type Pane = 'fields' | 'timeline' | 'relations';
type TimelineSearch = TimelineFilters & {
  /** The pane that a narrow screen shows. */
  pane?: Pane;
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
  };
}
