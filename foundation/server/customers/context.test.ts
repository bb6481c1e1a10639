import { beforeAll, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from '../testing.ts';

let app: TestFoundation;
let contextPath: string;
let customerId: string;
beforeAll(async () => {
  app = await startTestFoundation();
  const customer = await app.foundation.createCustomer({
    name: 'Kenji Watanabe',
    email: 'kenji@tidewater.example',
    account_manager_id: 'maya',
  });
  customerId = customer.id;
  contextPath = `/api/customers/${customerId}/context`;
  await app.call('POST', '/api/deals', { customer_id: customerId, name: 'Pilot', amount: 100, currency: 'EUR' });
  const other = await app.foundation.createCustomer({ name: 'Other', email: 'other@tidewater.example' });
  const theirs = await app.call('POST', '/api/deals', { customer_id: other.id, name: 'Theirs', amount: 900 });
  await app.call('PUT', `/api/deals/${theirs.body.id}/contacts/${customerId}`, { role: 'Influencer' });
  await app.call('POST', `/api/customers/${customerId}/activities`, { type: 'note', description: 'Wants a discount' });
});

test('the context has sums, names, the last activities and how many deals of others the customer is in, but no text that a person wrote', async () => {
  const { status, body } = await app.callWith('context.read')('GET', contextPath);
  expect(status).toBe(200);
  expect(body).toEqual({
    customer: { id: customerId },
    crm: {
      account_manager_name: 'Maya Okafor',
      open_deals: 1,
      open_deals_value: { EUR: 100 },
      deals_of_others: 1,
      last_activity: { type: 'note', occurred_at: expect.any(String), app: 'foundation' },
    },
    recent: [{ type: 'note', occurred_at: expect.any(String), app: 'foundation', name: 'Maya Okafor' }],
  });
  expect(JSON.stringify(body)).not.toContain('discount');
});

test('a token that may only read contexts reads neither the customer nor the timeline', async () => {
  const call = app.callWith('context.read');
  for (const path of ['', '/timeline'])
    expect(await call('GET', `/api/customers/${customerId}${path}`)).toMatchObject({
      status: 403,
      body: { code: 'token-lacks-scope' },
    });
});

test('the context of an unknown customer is 404', async () => {
  const { status } = await app.call('GET', '/api/customers/019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b/context');
  expect(status).toBe(404);
});
