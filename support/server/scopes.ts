import { type AppScopes, scopesOfSharedEvents } from '@aether/http';

/** What tokens for Support can allow. */
export const supportScopes = {
  scopes: {
    'context.read': 'Who a customer is, the company, and what the CRM knows, by address or by telephone number.',
    'conversations.read': 'Read every conversation, with messages and notes.',
    'conversations.write': 'End every conversation.',
    'reports.read': 'Read the numbers of all conversations: how many, how soon answered, how rated. No words.',
    'calls.read': 'Read logged calls.',
    'users.read': 'Read the lists of staff and of agents.',
    'events.read': 'Follow events. Each event also needs the scope that reads what it is about.',
    'customers.read': 'Read the list of customers, and follow their events.',
    'companies.read': 'Follow the events of companies.',
  },
  ofEvents: {
    ...scopesOfSharedEvents,
    session: 'conversations.read',
    message: 'conversations.read',
    entry: 'conversations.read',
    rating: 'conversations.read',
    call: 'calls.read',
  },
} as const satisfies AppScopes;
