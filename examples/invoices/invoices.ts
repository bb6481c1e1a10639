import type { Customer, PlatformDb } from '@aether/platform';

declare module '@aether/platform' {
  interface EventTypes {
    'billing.invoice_written': { invoice: string; amount: number };
  }
}

export type NewInvoice = {
  customer: Customer /** As the invoice is to call the customer. */;
  name: string;
  amount: number;
};

/**
 * Writes an invoice, corrects the customer's name and tells the other apps: all or nothing. @returns the id of the invoice
 *
 * @throws InvalidField when the amount is not more than nothing.
 */
export async function writeInvoice(db: PlatformDb, { customer, name, amount }: NewInvoice): Promise<string> {
  return db.transaction({ actor: 'invoices' }, async (tx) => {
    const { id } = await db.updateCustomer(customer.id, { name }, { tx });
    const [written] = await tx.query<{ id: string }>(
      'insert into billing.invoices (customer_id, amount) values ($1, $2) returning id',
      [id, amount],
    );
    const invoice = String(written?.id);
    await db.events.publish('billing.invoice_written', { invoice, amount }, tx, { key: invoice, customer: id });
    return invoice;
  });
}
