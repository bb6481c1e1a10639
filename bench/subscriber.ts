/**
 * A process that subscribes as Support and reports handled events with their times to its parent: { handled: [key,
 * version, ns][] }. Its first message says that no change from then on is missed.
 */
import { on } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { connectPlatform, type Subscription } from '@aether/platform';

const [mode = 'subscribe', name = 'support.bench', batchMax = '500', work = 'nothing', shares = '1'] =
  process.argv.slice(2);
const jsonOf = (event: unknown) => JSON.parse(JSON.stringify(event));
/** How often an event is turned to JSON and back in 20 µs, once that is compiled. */
function calibrate(): number {
  const sample = { key: 'a'.repeat(36), data: { email: 'bench@example.com', name: 'Bench', timestamp: new Date() } };
  let startedAt = 0;
  for (let n = 0; n < 20_000; n++) {
    if (n === 10_000) startedAt = performance.now();
    jsonOf(sample);
  }
  return Math.max(1, Math.round(20 / ((performance.now() - startedAt) / 10)));
}
const times = work === 'computes' ? calibrate() : 0;

const db = await connectPlatform({ app: 'support' });
let handled: [string, number, string][] = [];
let count = 0;
const note = (events: { key: string; version: number | null }[]) => {
  const now = String(process.hrtime.bigint()); // all processes of a machine share this clock
  for (const event of events) handled.push([event.key, event.version ?? 0, now]);
  count += events.length;
};

if (mode === 'follow') {
  const following = db.events.follow({ types: ['customer.updated'] });
  (async () => {
    for await (const event of following) note([event]);
  })();
  while (!following.place()) await wait(5);
} else if (mode === 'drain') {
  // Connected, it drains one subscription after the other, each when the parent says so.
  await db.query('select 1');
  process.send?.({ ready: true });
  let subscription: Subscription | undefined;
  for await (const [of] of on(process, 'message')) {
    await subscription?.stop();
    subscription = subscribe(of);
  }
} else await subscribe(name).ready;
process.send?.({ ready: true });
setInterval(() => {
  if (handled.length > 0) process.send?.({ handled });
  else process.send?.({ count });
  handled = [];
}, 100);

function subscribe(to: string): Subscription {
  return db.events.subscribeBatch(
    {
      name: to,
      types: ['customer.updated'],
      batchMax: Number(batchMax),
      from: mode === 'drain' ? 'beginning' : 'now',
      onError: console.error,
      ...(shares !== '1' && { shares: Number(shares) }),
    },
    async (events, { tx }) => {
      if (mode !== 'drain') return note(events);
      if (work === 'waits') for (const _ of events) await tx.query('select pg_sleep(0.001)');
      for (let n = 0; n < times; n++) for (const event of events) jsonOf(event);
    },
  );
}
