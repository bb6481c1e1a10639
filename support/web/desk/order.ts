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

/**
 * Whether the visitor's latest message was seen by no agent, or a colleague handed the conversation to this agent, who has not opened it
 * since. An ended conversation waits for nobody.
 */
export const isUnread = (session: Session, ownAgentId: string) =>
  session.status === 'active' &&
  (isNewTo(session, ownAgentId) ||
    (session.last_message?.author === 'visitor' && session.message_count > session.agent_read_number));

/** Whether a colleague handed the conversation to this agent, who has not opened it since. */
export const isNewTo = ({ agent, is_new_to_agent }: Session, ownAgentId: string) =>
  is_new_to_agent && agent?.id === ownAgentId;

export const nameVisitor = ({ customer, visitor_name, visitor_email }: Session) =>
  visitor_name ?? customer?.name ?? visitor_email ?? 'Visitor';
