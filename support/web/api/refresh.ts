import { followInbox } from '@aether/ui/inbox/useInbox.ts';
import type { LiveEvent } from '@aether/ui/live.ts';
import { refreshByFeed } from '@aether/ui/refresh.ts';
import type { QueryClient, QueryKey } from '@tanstack/react-query';
import { catchUp } from './conversation.ts';
import { liveFeed } from './live.ts';

/** Events within this time share one refresh: a burst of messages must not load the inbox for each. */
const gatherMs = 150;

/** The queries that an event makes stale. A conversation is not among them: it continues from its last message. */
function keysOf({ type, customer, previous }: LiveEvent): QueryKey[] {
  switch (type) {
    case 'session.created':
    case 'session.updated':
      // A conversation that was moved leaves the panel of another customer.
      return [
        ['inbox'],
        ['counts'],
        ['context', 'customer', customer],
        ...('customer_id' in previous ? [['context']] : []),
      ];
    case 'rating.created':
      return [['reports']];
    case 'message.created':
      return [['inbox'], ['counts']];
    case 'customer.created':
    case 'customer.deleted':
      return [['customers']];
    case 'customer.updated':
      return [['inbox'], ['customers']];
    // One event tells of everything that moved or is gone: conversations, calls, addresses.
    case 'customer.merged':
    case 'customer.unmerged':
    case 'customer.erased':
      return [['inbox'], ['counts'], ['context'], ['customers'], ['calls'], ['search'], ['call-lookup']];
    case 'tier.created':
    case 'tier.updated':
    case 'tier.deleted':
      return [['tiers']];
    case 'call.created':
    case 'call.updated':
      return [['calls'], ['context']];
    case 'user.updated':
      return 'role' in previous ? [['me'], ['own-agent'], ['agents']] : [];
    default:
      return [];
  }
}

/** The conversation an event is about. */
function sessionOf({ type, row_id, data }: LiveEvent): string | undefined {
  if (type === 'session.updated') return row_id;
  if (type !== 'message.created' && type !== 'entry.created' && type !== 'rating.created') return undefined;
  return typeof data.session_id === 'string' ? data.session_id : undefined;
}

/** Refreshes the data on the screen when it changed elsewhere. */
export function refreshByEvents(client: QueryClient): void {
  refreshByFeed(client, liveFeed, { gatherMs, keysOf, kept: ['me', 'session'] });
  followInbox(client, liveFeed);
  liveFeed.follow((event) => {
    if (!event || /^customer\.(un)?merged$/.test(event.type)) {
      for (const query of client.getQueryCache().findAll({ queryKey: ['session'], type: 'active' }))
        void catchUp(client, String(query.queryKey[1]));
      return;
    }
    const session = sessionOf(event);
    if (session) void catchUp(client, session);
    // An agent beside the customer must see it at once: this event does not wait for others.
    if (/^(customer\.updated$|address\.|phone\.)/.test(event.type))
      void client.invalidateQueries({
        queryKey: ['context'],
        predicate: ({ state, queryKey }) =>
          queryKey[2] === event.customer ||
          (state.data as { customer?: { id: string } | null } | undefined)?.customer?.id === event.customer,
      });
  });
}
