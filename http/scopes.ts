/** The name of a right that a token can have: a noun of an app, and whether it is read or written. */
export type Scope = `${string}.${'read' | 'write'}`;

/** The scopes that the routes of each app require. An identity provider grants them by these names. */
export const scopesOfApps = {
  foundation: {
    'context.read': 'The CRM’s part of a customer’s context: open deals, manager, what was done last.',
    'customers.read': 'Find and read customers, their tiers, and the organisation’s own fields.',
    'customers.write': 'Create and change customers.',
    'companies.read': 'Find and read companies and contacts.',
    'companies.write': 'Create and change companies and contacts.',
    'deals.read': 'Find and read deals, pipelines and boards.',
    'deals.write': 'Create, change, move, close and reopen deals. Closing a deal may raise the customer’s tier.',
    'activities.read': 'Read timelines and tasks.',
    'activities.write': 'Add and change activities and tasks.',
    'users.read': 'Read the list of staff.',
    'events.read': 'Follow events. Each event also needs the scope that reads what it is about.',
  },
  support: {
    'context.read': 'Who a customer is, the company, and what the CRM knows, by address or by telephone number.',
    'conversations.read': 'Read every conversation, with messages and notes.',
    'conversations.write': 'End every conversation.',
    'calls.read': 'Read logged calls.',
    'users.read': 'Read the lists of staff and of agents.',
    'events.read': 'Follow events. Each event also needs the scope that reads what it is about.',
    'customers.read': 'Follow the events of customers.',
    'companies.read': 'Follow the events of companies.',
  },
} as const satisfies Record<string, Record<Scope, string>>;

/** The scope that reads the records of an event, by entity: the part of the event's type before the dot. */
const scopesOfEvents: Record<string, Scope> = {
  customer: 'customers.read',
  address: 'customers.read',
  tier: 'customers.read',
  company: 'companies.read',
  contact: 'companies.read',
  user: 'users.read',
  deal: 'deals.read',
  activity: 'activities.read',
  session: 'conversations.read',
  message: 'conversations.read',
  entry: 'conversations.read',
  call: 'calls.read',
};

/**
 * The scope that an event needs besides `events.read`. Undefined: no scope reads the record of the event, so no machine
 * may see the event. An event that an app publishes itself needs no further scope.
 */
export function scopeOfEvent(type: string): Scope | undefined {
  const [entity = ''] = type.split('.');
  return entity in scopesOfApps ? 'events.read' : scopesOfEvents[entity];
}
