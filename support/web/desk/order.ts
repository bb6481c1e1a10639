import type { Session } from '../api/records.ts';

/** A row of the list; `isGone` when it is no longer in this view and stays in sight only so that nothing jumps. */
export type Row = { session: Session; isGone: boolean };

/**
 * While somebody is about to choose, no row moves: those shown stay where they are, with what they say now.
 *
 * @returns the rows, how many wait to be shown, and whether letting go would change the order.
 */
export function holdOrder(shown: Session[], fresh: Session[]): { rows: Row[]; news: number; isHeld: boolean } {
  const now = new Map(fresh.map((session) => [session.id, session]));
  const rows = shown.map((session) => ({ session: now.get(session.id) ?? session, isGone: !now.has(session.id) }));
  const known = new Set(shown.map(({ id }) => id));
  const news = fresh.filter(({ id }) => !known.has(id)).length;
  const isSame = fresh.length === shown.length && fresh.every(({ id }, index) => id === shown[index]?.id);
  return { rows, news, isHeld: !isSame };
}

/** Whether the visitor wrote something that no agent has seen. */
export const isUnread = ({ message_count, agent_read_number, last_message }: Session) =>
  last_message?.author === 'visitor' && message_count > agent_read_number;

export const nameVisitor = ({ customer, visitor_name, visitor_email }: Session) =>
  visitor_name ?? customer?.name ?? visitor_email ?? 'Visitor';
