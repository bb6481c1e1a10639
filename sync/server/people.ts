import type { PlatformDb } from '@aether/platform';

/** The names of the people who did something. A command's actor (`command:…`) has none. */
export async function readNames(db: PlatformDb, acts: { actor: string | null }[]): Promise<Map<string, string>> {
  const ids = [...new Set(acts.map(({ actor }) => actor).filter((actor) => actor !== null))];
  if (ids.length === 0) return new Map();
  const users = await db.query<{ id: string; name: string }>(
    'select id, name from platform.users where id = any ($1)',
    [ids],
  );
  return new Map(users.map(({ id, name }) => [id, name]));
}

/** The present names of the customers of events; of one that was merged, that of its own row. */
export async function readCustomerNames(
  db: PlatformDb,
  events: { customer: string | null }[],
): Promise<Map<string, string>> {
  const ids = [...new Set(events.map(({ customer }) => customer).filter((customer) => customer !== null))];
  if (ids.length === 0) return new Map();
  const customers = await db.query<{ id: string; name: string }>(
    'select id, name from platform.customers where id = any ($1)',
    [ids],
  );
  return new Map(customers.map(({ id, name }) => [id, name]));
}
