/** A subscriber of the chaos test: it records what it handles, once and in order if all is well. */
import { connectPlatform } from '@aether/platform';

const db = await connectPlatform({ app: 'support', variables: { ...process.env, PLATFORM_DB_POOL_MAX: '3' } });
db.events.subscribeBatch(
  {
    name: process.argv[2] as string,
    types: ['customer.created', 'customer.updated'],
    from: 'beginning',
    pollMs: 200,
    retryFirstMs: 50,
  },
  async (events, { tx }) => {
    await tx.query(
      `insert into support.chaos (subscription, key, version, event_id)
       select $1, e.key, e.version, e.id from unnest($2::text[], $3::bigint[], $4::bigint[]) as e (key, version, id)`,
      [
        process.argv[2],
        events.map((event) => event.key),
        events.map((event) => event.version),
        events.map((event) => event.id),
      ],
    );
  },
);
