import { type AppScopes, scopesOfSharedEvents } from '@aether/http';

/** What tokens for the console can allow. Machines look; only people act, but for a tool that answers what persons ask about their data. */
export const consoleScopes = {
  scopes: {
    'health.read': 'The state of every check, and the numbers behind the charts.',
    'customers.read': 'In the stream of events: customers, their addresses and telephone numbers, and tiers.',
    'companies.read': 'In the stream of events: companies.',
    'users.read': 'In the stream of events: staff.',
    'privacy.read':
      'Find a person, export everything that is held about them, and read receipts: for a tool of data subjects.',
    'privacy.write': 'Ask for the erasure of a person.',
    'events.read': 'Follow events. Each event also needs the scope that reads what it is about.',
  },
  ofEvents: scopesOfSharedEvents,
} as const satisfies AppScopes;
