import { sample } from '@aether/database/testing.sample';
import { findFaults, findGaps } from '@aether/http/testing.hostile';
import { beforeAll, expect, test } from 'vitest';
import { startTestFoundation, type TestFoundation } from './testing.ts';

let app: TestFoundation;
beforeAll(async () => {
  app = await startTestFoundation();
});

test('no input causes a 5xx, an answer that is no JSON, an error text of the database, or a status that is not listed', {
  timeout: 60_000,
}, async () => {
  const customer = await app.foundation.createCustomer({ name: 'Target', email: 'target@example.com' });
  const deal = await app.call('POST', '/api/deals', { customer_id: customer.id, name: 'Target' });
  const faults = await findFaults(app.url, {
    runs: sample(700),
    headers: await app.headersOf('maya'),
    likely: {
      id: String(deal.body.id),
      customer_id: customer.id,
      name: 'A name',
      email: 'other@example.com',
      type: 'note',
      description: 'Text',
      outcome: 'lost',
    },
  });
  expect(faults).toEqual([]);
});

test('the OpenAPI document lists the refusals that come before a route, and describes how to sign in', async () => {
  expect(await findGaps(app.url)).toEqual([]);
});
