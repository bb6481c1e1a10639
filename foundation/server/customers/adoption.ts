import { CustomerErased, type PlatformDb, type Subscription } from '@aether/platform';

/**
 * Gives each customer that a chat made Foundation's number, as soon as the event comes. After a merge and an unmerge one of the two may be
 * without a number, because it went with the other one. A repetition changes nothing.
 */
export function adoptChatCustomers(db: PlatformDb, onError: (error: unknown) => void): Subscription {
  return db.events.subscribeBatch(
    {
      name: 'foundation.adopt-customers',
      types: ['customer.created', 'customer.merged', 'customer.unmerged'],
      from: 'beginning',
      onError,
    },
    async (events, { txOf }) => {
      for (const event of events) {
        if (event.type === 'customer.created' && event.app !== 'support') continue;
        const tx = txOf(event);
        for (const id of event.type === 'customer.unmerged' ? [event.key, String(event.data.loser)] : [event.key]) {
          const customer = await db.getCustomerById(id, { tx });
          if (!customer || customer.crm_id !== null || customer.created_by_app !== 'support') continue;
          await db.adoptCustomer(customer.id, { tx }).catch((error) => {
            if (!(error instanceof CustomerErased)) throw error;
          });
        }
      }
    },
  );
}
