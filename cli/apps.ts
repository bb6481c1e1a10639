import { foundationScopes } from '@aether/foundation/scopes';
import type { LocalApp } from '@aether/identity';
import { supportScopes } from '@aether/support/scopes';
import { consoleScopes } from '@aether/sync/console/scopes';

/**
 * The apps that `npm start` runs, as its identity provider knows them. Support reads a customer's context from Foundation. Billing
 * (examples/billing) is a machine there: nobody signs in to it.
 */
export const apps: LocalApp[] = [
  { name: 'foundation', scopes: Object.keys(foundationScopes.scopes) },
  {
    name: 'support',
    scopes: Object.keys(supportScopes.scopes),
    asks: { of: 'foundation', scopes: ['context.read'] },
  },
  { name: 'console', scopes: Object.keys(consoleScopes.scopes) },
  { name: 'billing', scopes: [], asks: { of: 'foundation', scopes: ['snapshots.read'] } },
];
