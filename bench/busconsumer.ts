/**
 * A consumer of the bench of the bus, as a process of its own: `ours` is consumeEvents, `plain` is the bare SDK's loop, which knows no order and no
 * repetition. Both write the same row for each event if they are asked to. It connects, says that it is ready, begins when its parent says so,
 * and then reports what it has handled: { handled: [key, version, ns][] } or { count }.
 */
import { once } from 'node:events';
import {
  consumeEvents,
  openClient,
  readServiceBusSettings,
  type ServiceBusSettings,
  toBusEvent,
} from '@aether/servicebus';
import pg from 'pg';

const [mode = '', topic = '', subscription = '', url = '', effect = 'none', report = 'each'] = process.argv.slice(2);
const settings = { ...(readServiceBusSettings(process.env) as ServiceBusSettings), topic };
const upsert = {
  name: 'copy',
  text: `insert into public.copies (key, version, data) values ($1, $2, $3)
    on conflict (key) do update set version = excluded.version, data = excluded.data where copies.version < excluded.version`,
};

let handled: [string, number, string][] = [];
let count = 0;
function note(event: { key: string; version: number | null }): void {
  count++;
  // All processes of a machine share this clock.
  if (report === 'each') handled.push([event.key, event.version ?? 0, String(process.hrtime.bigint())]);
}

/** Of the plain loop: as many as the consumer has. */
const pool = new pg.Pool({ connectionString: url, max: 16 });
await Promise.all(Array.from({ length: 16 }, () => pool.query('select pg_sleep(0.05)')));
process.send?.({ ready: true });
await once(process, 'message');

if (mode === 'ours') {
  await pool.end();
  const consumer = consumeEvents({
    subscription,
    settings,
    inbox: { url },
    reports: false,
    onHappening(happening) {
      if (happening.kind === 'events.handled') for (const event of happening.events) note(event);
      else console.error(happening);
    },
    async handler(event, { tx }) {
      if (effect === 'row')
        await tx.query({ ...upsert, values: [event.key, event.version, JSON.stringify(event.data)] });
    },
  });
  await consumer.ready;
} else {
  const receiver = openClient(settings).createReceiver(topic, subscription, { skipParsingBodyAsJson: true });
  receiver.subscribe(
    {
      async processMessage(message) {
        const event = toBusEvent(message);
        if (effect === 'row')
          await pool.query({ ...upsert, values: [event.key, event.version, JSON.stringify(event.data)] });
        note(event);
      },
      async processError({ error }) {
        console.error(error.message);
      },
    },
    { maxConcurrentCalls: 100, autoCompleteMessages: true },
  );
}
process.send?.({ begun: true });
setInterval(() => {
  process.send?.({ handled, count });
  handled = [];
}, 20);
