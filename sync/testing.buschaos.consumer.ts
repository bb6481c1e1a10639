/**
 * A consumer of the chaos test of the bus, in a database of its own: it records what it handles, once and in order if all is well. It fails
 * now and then, after it has written, and now and then it does not come back.
 */
import { consumeEvents } from '@aether/servicebus';

const [subscription = '', url = ''] = process.argv.slice(2);
consumeEvents({
  subscription,
  inbox: { url },
  handlersMax: 8,
  batchMax: 20,
  handlerTimeoutMs: 2_000,
  attemptsMax: 1_000_000, // none is given up
  retryFirstMs: 50,
  retryMaxMs: 500,
  onHappening() {},
  async handler(event, { tx }) {
    await tx.query(
      `insert into public.effects (key, version, event_id, process, lag_ms)
       values ($1, $2, $3, $4, extract(epoch from clock_timestamp() - $5::timestamptz) * 1000)`,
      [event.key, event.version ?? event.data.n, event.id, process.pid, event.occurredAt],
    );
    const roll = Math.random();
    if (roll < 0.02) throw new Error('chaos');
    if (roll < 0.0205) await new Promise(() => {});
  },
});
