/**
 * A process that subscribes as Support and reports handled events with their times to its parent: { handled: [key,
 * version, ns][] }. Its first message says that no change from then on is missed.
 */
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { connectPlatform } from '@aether/platform';

const [mode = 'subscribe', name = 'support.bench', batchMax = '500'] = process.argv.slice(2);
const db = await connectPlatform({ app: 'support' });
if (mode === 'drain') {
  // Begins when the parent says so, connected.
  await db.query('select 1');
  process.send?.({ ready: true });
  await once(process, 'message');
}
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
} else {
  const subscription = db.events.subscribeBatch(
    {
      name,
      types: ['customer.updated'],
      batchMax: Number(batchMax),
      from: mode === 'drain' ? 'beginning' : 'now',
      onError: console.error,
    },
    async (events) => {
      if (mode === 'drain') count += events.length;
      else note(events);
    },
  );
  await subscription.ready;
}
process.send?.({ ready: true });
setInterval(() => {
  if (handled.length > 0) process.send?.({ handled });
  else process.send?.({ count });
  handled = [];
}, 100);
