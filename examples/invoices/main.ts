import { connectPlatform, InvalidField } from '@aether/platform';
import { followCustomers } from './following.ts';
import { writeInvoice } from './invoices.ts';

// What docs/third-app.md tells of, from the connection to the first event. PLATFORM_DB_URL leads to the platform with the login of billing.
const platformDb = await connectPlatform({
  app: 'billing',
  constraints: { invoices_amount_check: { field: 'amount', message: 'must be more than 0' } },
});
try {
  const { customer } = await platformDb.findOrCreateCustomer({ name: 'Ada', email: 'ada@example.com' });
  const same = await platformDb.getCustomerByEmail('ADA@example.com');
  console.log(`${same?.name} is ${same?.id === customer.id ? 'found in any spelling' : 'somebody else'}.`);

  const arrived = Promise.withResolvers<string>();
  const subscription = followCustomers(platformDb, arrived.resolve);
  await subscription.ready;

  const invoice = await writeInvoice(platformDb, { customer, name: 'Ada Lovelace', amount: 1200 });
  console.log(`Invoice ${invoice} is written.`);
  try {
    await writeInvoice(platformDb, { customer, name: 'Nobody', amount: -1 });
  } catch (error) {
    if (!(error instanceof InvalidField)) throw error;
    console.log(`Refused: ${error.message}`);
  }

  console.log(await arrived.promise);
  await subscription.remove();
} finally {
  await platformDb.close();
}
