/**
 * A subscriber of the chaos test: it records what it handles, once and in order if all is well. It fails now and then, after it has
 * written.
 */
import { connectPlatform, type EventType } from '@aether/platform';

const db = await connectPlatform({ app: 'support', variables: { ...process.env, PLATFORM_DB_POOL_MAX: '3' } });
db.events.subscribeBatch(
  {
    name: process.argv[2] as string,
    types: ['customer.created', 'customer.updated', 'support.chaos_step' as EventType],
    from: 'beginning',
    shares: Number(process.argv[3]),
    batchMax: 10, // small, so that a backlog is read ahead
    pollMs: 200,
    retryFirstMs: 50,
    onError: () => {},
  },
  async (events, { tx }) => {
    await tx.query(
      `insert into support.chaos (subscription, key, version, event_id)
       select $1, e.key, e.version, e.id from unnest($2::text[], $3::bigint[], $4::bigint[]) as e (key, version, id)`,
      [
        process.argv[2],
        events.map((event) => event.key),
        events.map((event) => event.version ?? (event.data as unknown as { n: number }).n),
        events.map((event) => event.id),
      ],
    );
    if (Math.random() < 0.03) throw new Error(`chaos, with ${events.length} events at hand`);
  },
);
