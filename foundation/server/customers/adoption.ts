import { CustomerErased, type PlatformDb, type Subscription } from '@aether/platform';

/** Gives each customer that a chat made Foundation's number, as soon as the event comes. A repetition changes nothing. */
export function adoptChatCustomers(db: PlatformDb, onError: (error: unknown) => void): Subscription {
  return db.events.subscribe(
    'customer.created',
    async (event, { tx }) => {
      if (event.app !== 'support') return;
      const customer = await db.getCustomerById(event.key, { tx });
      if (!customer || customer.crm_id !== null) return;
      await db.adoptCustomer(customer.id, { tx }).catch((error) => {
        if (!(error instanceof CustomerErased)) throw error;
      });
    },
    { name: 'foundation.adopt-customers', from: 'beginning', onError },
  );
}
