import { pageSize } from '../api/inbox.ts';
import type { Session } from '../api/records.ts';
import { isNewTo, isUnread, nameVisitor } from '../desk/order.ts';

/** What an agent can be told of: their own conversations, and those that nobody has. */
export type Waiting = { mine: Session[]; unassigned: Session[] };

export type Notice = { kind: 'handed' | 'message' | 'waiting'; session: string; title: string; body: string };

const writtenAt = ({ last_message_at }: Session) => (last_message_at === null ? 0 : Date.parse(last_message_at));

/** What is new between two states: handed on by a colleague, written by a visitor, or waiting for anybody. Pure. */
export function findNotices(before: Waiting, now: Waiting, ownAgentId: string): Notice[] {
  const known = new Map([...before.mine, ...before.unassigned].map((session) => [session.id, session]));
  const isHeard = ({ id, message_count }: Session) => (known.get(id)?.message_count ?? -1) >= message_count;
  const tell = (kind: Notice['kind'], session: Session, title: string): Notice => ({
    kind,
    session: session.id,
    title,
    body: session.last_message?.body ?? '',
  });
  const own = now.mine.flatMap((session) => {
    const former = known.get(session.id);
    if (isNewTo(session, ownAgentId) && !(former && isNewTo(former, ownAgentId)))
      return tell('handed', session, `${nameVisitor(session)} was handed to you`);
    return isUnread(session, ownAgentId) && !isHeard(session)
      ? tell('message', session, `${nameVisitor(session)} writes`)
      : [];
  });
  // Of a list that is cut, one that was there all the time comes up when another one goes: then only what was written since is news.
  const isCut = before.unassigned.length >= pageSize;
  const latest = Math.max(...[...known.values()].map(writtenAt));
  const others = now.unassigned
    .filter((session) => !known.has(session.id) && (!isCut || writtenAt(session) > latest))
    .map((session) => tell('waiting', session, `${nameVisitor(session)} waits for an agent`));
  return [...own, ...others];
}

/** How many of these wait for the agent: unread ones of their own, and those that nobody has if the agent wants to know. Pure. */
export const countWaiting = ({ mine, unassigned }: Waiting, ownAgentId: string, withUnassigned: boolean): number =>
  mine.filter((session) => isUnread(session, ownAgentId)).length + (withUnassigned ? unassigned.length : 0);
