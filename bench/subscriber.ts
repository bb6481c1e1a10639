/**
 * A process that subscribes as Support and reports handled events with their times to its parent: { handled: [key,
 * version, ns][] }. Its first message says that no change from then on is missed.
 */
import { on } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { connectPlatform, type Subscription } from '@aether/platform';
import { compute } from './computing.ts';

const [mode = 'subscribe', name = 'support.bench', batchMax = '500', work = 'nothing', shares = '1', times = '0'] =
  process.argv.slice(2);

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
      for (let n = 0; n < Number(times); n++) for (const event of events) compute(event);
    },
  );
}
