import { readTexts } from '../parts/words.ts';

export type FailuresSearch = { subscription?: string; search?: string };
/** The filters in the URL of the causes. */
export const readFailuresSearch = (given: Record<string, unknown>): FailuresSearch =>
  readTexts(given, ['subscription', 'search']);

export type FailedPageSearch = {
  state?: 'dead' | 'retrying' | 'waiting';
  cause?: string;
  customer?: string;
  key?: string;
};
/** The filters in the URL of the parked events of a subscription. */
export function readFailedSearch(given: Record<string, unknown>): FailedPageSearch {
  const { state, ...rest } = readTexts(given, ['state', 'cause', 'customer', 'key']);
  const isState = state === 'dead' || state === 'retrying' || state === 'waiting';
  return { ...rest, ...(isState && { state }) };
}
