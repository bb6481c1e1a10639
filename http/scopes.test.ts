import { expect, test } from 'vitest';
import { scopeOfEvent, scopesOfSharedEvents } from './scopes.ts';

test('an event needs the scope of its record, an app’s own event none, and any other event is shown to no machine', () => {
  const scopeOf = (type: string) => scopeOfEvent(type, scopesOfSharedEvents, new Set(['foundation', 'billing']));
  const types = ['customer.updated', 'address.created', 'phone.created', 'company.created', 'user.updated'];
  expect(types.map(scopeOf)).toEqual([
    'customers.read',
    'customers.read',
    'customers.read',
    'companies.read',
    'users.read',
  ]);
  expect([scopeOf('billing.paid'), scopeOf('foundation.report_made')]).toEqual(['events.read', 'events.read']);
  expect([scopeOf('invoice.created'), scopeOf('custom_value.created')]).toEqual([undefined, undefined]);
});
