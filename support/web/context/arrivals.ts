import { liveFeed } from '../api/live.ts';

const kept = new Map<string, { position: number; at: string }>();
const keptMax = 500;

liveFeed.follow((event) => {
  if (event?.type !== 'customer.updated') return;
  const { key, position } = event;
  kept.delete(key);
  kept.set(key, { position, at: new Date().toISOString() });
  const [oldest] = kept.keys();
  if (kept.size > keptMax && oldest !== undefined) kept.delete(oldest);
});

/** The time at which the feed brought a customer's last change to this page, if that happened while the page was open. */
export const findArrival = (customerId: string, position: number) => {
  const arrival = kept.get(customerId);
  return arrival && arrival.position === position ? arrival.at : undefined;
};
