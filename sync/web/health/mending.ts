import type { Check } from '../api/health.ts';
import { places } from '../shell/places.ts';

/** The page that shows more of a check, or mends what it finds. */
const pages: Record<string, string> = {
  subscription: '/subscriptions',
  retention: '/subscriptions',
  sequencer: '/events',
  outbox: '/events',
  adoption: '/quality',
  drift: '/quality',
  quality: '/quality',
  alerts: '/alerts',
  bus: '/consumers',
  consumer: '/consumers',
  webhook: '/webhooks',
  process: '/apps',
  pool: '/apps',
};

/** Where to look next: the place that mends this check; undefined if the console has none. Pure. */
export function findPlace({ kind, status, slug }: Pick<Check, 'kind' | 'status' | 'slug'>) {
  if (slug.endsWith(':sync')) return undefined; // the worker is no app
  const wanted = status === 'parked' && kind !== 'consumer' ? '/failures' : pages[kind];
  return places.find(({ to }) => (to as string) === wanted);
}
