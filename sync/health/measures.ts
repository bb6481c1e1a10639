import { setTimeout as sleep } from 'node:timers/promises';
import type { Metrics } from '@aether/http';
import type { Ask } from './evaluation.ts';

type State = { slug: string; kind: string; status: string; measures: Record<string, unknown>; age: number };

const readEveryMs = 5_000;
/** What was evaluated longer ago says nothing about the present. */
const keptSeconds = 60;

/**
 * Publishes the state of every check and the lag of every subscription, as the last evaluation found them, until the signal. While nobody
 * evaluates, they are absent and their age grows: a rule of Prometheus finds both.
 */
export async function publishChecks(metrics: Metrics, ask: Ask, closing: AbortSignal): Promise<void> {
  let states: State[] = [];
  let readAt = 0;
  const ageOf = ({ age }: State) => age + (performance.now() - readAt) / 1_000;
  const present = () => states.filter((state) => ageOf(state) < keptSeconds);
  const endings = [
    metrics.observe('checks', (tell) => {
      for (const { slug, status } of present()) tell(1, { 'aether.check.slug': slug, 'aether.check.status': status });
    }),
    metrics.observe('checksEvaluated', (tell) => {
      if (states[0]) tell(ageOf(states[0]));
    }),
    metrics.observe('subscriptionLag', (tell) => tellMeasure(tell, 'lag_events')),
    metrics.observe('subscriptionDelay', (tell) => tellMeasure(tell, 'lag_seconds')),
  ];
  function tellMeasure(tell: (value: number, labels: { 'aether.subscription': string }) => void, name: string): void {
    for (const { slug, kind, measures } of present()) {
      const value = measures[name];
      if (kind === 'subscription' && typeof value === 'number')
        tell(value, { 'aether.subscription': slug.slice('subscription:'.length) });
    }
  }
  while (!closing.aborted) {
    try {
      states = (await ask(
        `select c.slug, c.kind, c.status, c.measures,
           greatest(extract(epoch from clock_timestamp() - h.evaluated_at), 0)::float8 as age
         from sync.check_states c cross join sync.health h where h.evaluated_at > '-infinity' order by c.slug`,
      )) as State[];
      readAt = performance.now();
    } catch {
      // The database is out of reach: the age of what was read grows.
    }
    await sleep(readEveryMs, undefined, { signal: closing, ref: false }).catch(() => {});
  }
  for (const end of endings) end();
}
