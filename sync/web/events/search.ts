import { readTexts } from '../parts/words.ts';

const names = ['customer', 'address', 'key', 'type', 'app', 'actor', 'since', 'until'] as const;
export type EventsSearch = { [Name in (typeof names)[number]]?: string };
/** The filters in the URL of the log. */
export const readEventsSearch = (given: Record<string, unknown>): EventsSearch => readTexts(given, names);
