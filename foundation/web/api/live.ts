import { followInbox } from '@aether/ui/inbox/useInbox.ts';
import { type LiveEvent, openLiveFeed } from '@aether/ui/live.ts';
import { refreshByFeed } from '@aether/ui/refresh.ts';
import type { QueryClient, QueryKey } from '@tanstack/react-query';

const entities = [
  'customer',
  'tier',
  'address',
  'phone',
  'company',
  'user',
  'deal',
  'deal_contact',
  'contact',
  'activity',
  'custom_value',
  'tag',
  'customer_tag',
];
const types = [
  ...entities.flatMap((entity) => ['created', 'updated', 'deleted'].map((change) => `${entity}.${change}`)),
  'customer.merged',
  'customer.unmerged',
  'customer.erased',
];

export const liveFeed = openLiveFeed(types);

/** All events within this time cause one refresh: a bulk import must not make a screen load a hundred times. */
const gatherMs = 300;

/** The companies' lists of customers: of a customer that changed the company, both. */
const peopleOf = (...companies: unknown[]): QueryKey[] => {
  const known = companies.filter((id) => typeof id === 'string');
  return known.length > 0
    ? known.flatMap((id) => [['company-customers', id], ['company-newcomers', id], ['company', id], ['companies']])
    : [];
};

/** The queries that an event makes stale. The timeline is not among them: it counts new entries and does not jump. */
function keysOf({ type, key, customer, row_id, data: now, previous }: LiveEvent): QueryKey[] {
  const data = { ...previous, ...now }; // a deleted row has only previous values
  const company = typeof data.company_id === 'string' ? [['company', data.company_id]] : [];
  // One event tells of everything that moved.
  if (type === 'customer.merged' || type === 'customer.unmerged')
    return [
      ...[data.survivor, data.loser, key].flatMap((id) => [
        ['customer', id],
        ['timeline', id],
      ]),
      ...[
        'customers',
        'company-customers',
        'company-newcomers',
        'board',
        'deals',
        'deal',
        'deal-contacts',
        'companies',
        'company',
        'contacts',
        'tasks',
      ].map((name) => [name]),
    ];
  switch (type.split('.')[0]) {
    case 'customer':
      return [
        // An event names the company only if the customer has another one now; the list of its people shows more of them.
        ...[['customers'], ['customer', key], ['company-customers']],
        ...('email' in previous ? [['company-newcomers']] : []),
        ...(type === 'customer.erased' ? [['company'], ['companies'], ['company-newcomers'], ['deal-contacts']] : []),
        ...('name' in previous ? [['deal-contacts']] : []),
        ...peopleOf(data.company_id, previous.company_id),
      ];
    case 'address':
    case 'phone':
      return [['customer', String(data.customer_id)]];
    case 'deal':
      return [
        ...[['board'], ['deals'], ['deal', Number(row_id)], ['deal-contacts', Number(row_id)]],
        ...[['customer', customer], ['companies'], ['reports']],
        // Of one that got another primary contact, the sums of the former one, too.
        ...(previous.customer_id ? [['customer', previous.customer_id]] : []),
        // An event names the company only if the deal has another one now.
        ...[['deal-sums'], ['company']],
        // The list shows what the open deals of each are worth, and may be filtered and sorted by it.
        ['customers'],
      ];
    case 'deal_contact': {
      const deal = Number(data.deal_id);
      return [['deal-contacts', deal], ['deal', deal], ['deals'], ['customer', customer]];
    }
    case 'activity':
      // Of one that was moved, the page of the customer where it was, too.
      return [
        ['tasks'],
        ['customers'], // the list by last activity
        ['customer', customer],
        ['company-customers'],
        ...(previous.customer_id ? [['timeline', previous.customer_id]] : []),
      ];
    case 'company':
      return [['companies'], ['company', key], ['company-newcomers', key]];
    case 'custom_value':
      if (data.deal_id) return [['deal', Number(data.deal_id)]];
      return data.company_id ? company : [['customers'], ['customer', customer]];
    case 'tag':
      return [['tags'], ['customers'], ['customer']];
    case 'customer_tag':
      return [['customers'], ['customer', customer]];
    case 'contact':
      return [['contacts'], ...company];
    case 'tier':
      return [['tiers']];
    case 'user':
      return 'role' in previous ? [['users'], ['me']] : [['users']];
    default:
      return [];
  }
}

/** Refreshes the data on the screen when they changed elsewhere. */
export function refreshByEvents(client: QueryClient): void {
  refreshByFeed(client, liveFeed, { gatherMs, keysOf, kept: ['timeline', 'me'] });
  followInbox(client, liveFeed);
}
