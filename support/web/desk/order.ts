import type { Session } from '../api/records.ts';

/** A row of the list; `isGone` if it has left this view and stays in sight only so that no row jumps. */
export type Row = { session: Session; isGone: boolean };

/**
 * While an agent is about to choose, no row moves: the displayed rows keep their places, with their current data.
 *
 * @returns the rows, the number of rows waiting to be shown, and whether releasing would change the order.
 */
export function holdOrder(shown: Session[], fresh: Session[]): { rows: Row[]; news: number; isHeld: boolean } {
  const now = new Map(fresh.map((session) => [session.id, session]));
  const rows = shown.map((session) => ({ session: now.get(session.id) ?? session, isGone: !now.has(session.id) }));
  const known = new Set(shown.map(({ id }) => id));
  const news = fresh.filter(({ id }) => !known.has(id)).length;
  const isSame = fresh.length === shown.length && fresh.every(({ id }, index) => id === shown[index]?.id);
  return { rows, news, isHeld: !isSame };
}

/** The rows of a page that was loaded behind those in sight go to their end, whatever is held there: no row moves, and none in sight is let go. */
export function appendRows(shown: Session[], page: Session[]): Session[] {
  const known = new Set(shown.map(({ id }) => id));
  return [...shown, ...page.filter(({ id }) => !known.has(id))];
}

/** Whether the visitor's latest message was seen by no agent. An ended conversation waits for nobody. */
export const isUnread = ({ status, message_count, agent_read_number, last_message }: Session) =>
  status === 'active' && last_message?.author === 'visitor' && message_count > agent_read_number;

export const nameVisitor = ({ customer, visitor_name, visitor_email }: Session) =>
  visitor_name ?? customer?.name ?? visitor_email ?? 'Visitor';
