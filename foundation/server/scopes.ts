import { type AppScopes, scopesOfSharedEvents } from '@aether/http';

/** What tokens for Foundation can allow. */
export const foundationScopes = {
  scopes: {
    'context.read': 'The CRM’s part of a customer’s context: open deals, manager, what was done last.',
    'customers.read': 'Find and read customers, their tiers, their tags, and the organisation’s own fields.',
    'customers.write': 'Create and change customers, and tag them.',
    'companies.read': 'Find and read companies and contacts.',
    'companies.write': 'Create and change companies and contacts.',
    'deals.read': 'Find and read deals, their contacts, pipelines, boards, and the reasons of lost deals.',
    'deals.write':
      'Create, change, move, close and reopen deals, and say who has a part in them. Closing a deal may raise the customer’s tier.',
    'activities.read': 'Read timelines and tasks.',
    'activities.write': 'Add and change activities and tasks.',
    'reports.read': 'Read reports: sums of deals, by stage, time, owner and reason, and the rates of currencies.',
    'users.read': 'Read the list of staff.',
    'snapshots.read': 'Read all customers, to begin or to check a copy of them in another system.',
    'events.read': 'Follow events. Each event also needs the scope that reads what it is about.',
  },
  ofEvents: {
    ...scopesOfSharedEvents,
    tag: 'customers.read',
    customer_tag: 'customers.read',
    contact: 'companies.read',
    deal: 'deals.read',
    deal_contact: 'deals.read',
    activity: 'activities.read',
  },
} as const satisfies AppScopes;
