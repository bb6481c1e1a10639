import { openLiveFeed } from '@aether/ui/live.ts';
import type { Named } from './records.ts';

type Signal =
  | { kind: 'typing'; session_id: string; author: 'visitor' | 'agent'; agent: Named | null; is_typing: boolean }
  | { kind: 'read'; session_id: string; author: 'visitor' | 'agent'; number: number }
  | { kind: 'notices'; user_id: string }
  | { kind: 'viewing'; session_id: string; agents: (Named & { is_typing: boolean })[] };

const types = [
  'session.created',
  'session.updated',
  'message.created',
  'entry.created',
  'rating.created',
  'customer.updated',
  'customer.merged',
  'customer.unmerged',
  'customer.erased',
  'address.created',
  'address.updated',
  'address.deleted',
  'phone.created',
  'phone.updated',
  'phone.deleted',
  'tier.created',
  'tier.updated',
  'tier.deleted',
  'call.created',
  'call.updated',
  'user.updated',
];

/** One event stream for the whole page. */
export const liveFeed = openLiveFeed<Signal>(types);
