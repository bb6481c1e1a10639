import { readTexts } from '../parts/words.ts';

/** In the URL of a subscription: the replay is asked for, of the events of a customer or of a row. */
export type SubscriptionSearch = { replay?: string; customer?: string; key?: string };
export const readSubscriptionSearch = (given: Record<string, unknown>): SubscriptionSearch =>
  readTexts(given, ['replay', 'customer', 'key']);
