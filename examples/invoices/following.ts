import type { PlatformDb, Subscription } from '@aether/platform';

/** Tells of the events that an invoice leaves: one whose type says what it carries. */
export function followCustomers(db: PlatformDb, tell: (sentence: string) => void): Subscription {
  return db.events.subscribe('customer.updated', async (event) => {
    tell(`Version ${event.version} of the customer is called ${event.data.name}, by ${event.data.updatedBy}.`);
  });
}
