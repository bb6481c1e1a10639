import type { Check } from '../api/health.ts';
import { nameApp } from '../parts/words.ts';
import { words } from './words.ts';

/** What a check is about, by its kind. Most subjects are an app; a kind that is not here is named by its own words. */
const nouns: Record<string, (subject: string) => string> = {
  database: () => 'Database',
  transactions: () => 'Open transactions',
  sequencer: () => 'Sequencer',
  outbox: () => 'Outbox',
  retention: () => 'Retention of events',
  adoption: () => 'Adoption of chat-born customers',
  disk: () => 'Disk of the log',
  monitor: () => 'Measurements',
  subscription: (name) => `Subscription ${name}`,
  process: (app) => `Processes of ${nameApp(app)}`,
  feed: (app) => `Live feed of ${nameApp(app)}`,
  pool: (app) => `Connections of ${nameApp(app)}`,
  replica: (app) => `Replica that ${nameApp(app)} reads from`,
  cache: (app) => `Cache of ${nameApp(app)}`,
  clock: (app) => `Clock of ${nameApp(app)}`,
  certificate: (app) => `Certificate, as ${nameApp(app)} sees it`,
  'sign-in': (app) => `Sign-in keys of ${nameApp(app)}`,
  drift: (name) => `Drift of ${name}`,
  quality: () => 'Data quality',
  duplicates: () => 'Queue of duplicates',
  alerts: () => 'Delivery of alerts',
  bus: () => 'Service Bus',
  consumer: (name) => `Consumer ${name} of the bus`,
  webhook: (name) => `Webhook ${name}`,
  mail: (app) => `E-mail of ${nameApp(app)}`,
};

/** The subject of a check in words: `subscription:support.cache` is `Subscription support.cache`. Pure. */
export function nameCheck({ slug, kind }: { slug: string; kind: string }): string {
  const subject = slug.includes(':') ? slug.slice(slug.indexOf(':') + 1) : '';
  return nouns[kind]?.(subject) ?? [humanise(kind), subject].filter(Boolean).join(' ');
}

/** `log_bytes` is `Log bytes`. Pure. */
export function humanise(name: string): string {
  const words = name.replaceAll(/[_-]+/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The state of everything in one plain sentence: `2 of 24 checks need you: 1 silent, 1 paused.` Pure. */
export function sayVerdict(checks: readonly Pick<Check, 'status'>[]): string {
  if (checks.length === 0) return 'Nothing has been checked yet.';
  const needed = checks.filter(({ status }) => status !== 'ok');
  if (needed.length === 0) return `All ${checks.length} checks are well.`;
  const counts = [...Map.groupBy(needed, ({ status }) => status)].map(
    ([status, group]) => `${group.length} ${words[status].toLowerCase()}`,
  );
  return `${needed.length} of ${checks.length} checks ${needed.length === 1 ? 'needs' : 'need'} you: ${counts.join(', ')}.`;
}
