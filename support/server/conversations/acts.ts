import { Problem } from '@aether/http';
import { type PlatformDb, PlatformError, type Transaction } from '@aether/platform';
import { assignSession, endSession, snoozeSession } from './conversation.ts';
import { giveTag, type Priority, prioritise, takeTag } from './labels.ts';
import { getSession, lockSession, type Session } from './sessions.ts';

/*
 * One act on many conversations: each is done as by itself, in a transaction of its own, with its entry, its events and the look at whether
 * this agent may. So the outcome names each conversation that was left as it is, with the reason, and the others are done.
 *
 * An undo is the opposite act, of exactly the conversations that were changed. `only_if` makes it leave alone what somebody has changed
 * since. What was ended stays ended.
 */

export type Act =
  /** `snoozed_until`: as it was before, for an undo. A time that has passed by now snoozes nothing. */
  | { kind: 'assign'; agent_id: string | null; snoozed_until?: string | undefined }
  | { kind: 'end'; resolved: boolean }
  | { kind: 'tag' | 'untag'; tag_id: number }
  | { kind: 'priority'; priority: Priority };

/** What a conversation must be like for the act, so that an undo takes nothing from anybody else. */
export type OnlyIf = { agent_id?: string | null | undefined; priority?: Priority | undefined };

export type Outcome = {
  /** What was changed, each with its agent, its priority and until when it was snoozed before. */
  changed: { id: string; agent_id: string | null; priority: Priority; snoozed_until: Date | null }[];
  unchanged: number;
  refused: { session: { id: string; name: string | null }; code: string; detail: string }[];
};

/** What one conversation needs: the agent who acts, if they may read it. @throws Problem, PlatformError */
export type FindAgent = (sessionId: string) => Promise<{ agentId: string; readsAll: boolean }>;

export async function actOnSessions(
  db: PlatformDb,
  act: Act,
  ids: string[],
  { actor, findAgent, onlyIf }: { actor: string | undefined; findAgent: FindAgent; onlyIf: OnlyIf | undefined },
): Promise<Outcome> {
  const outcome: Outcome = { changed: [], unchanged: 0, refused: [] };
  for (const id of ids) {
    let before: Session | undefined;
    try {
      const by = await findAgent(id);
      const [was, now] = await db.transaction({ actor }, async (tx) => {
        // Held first: what somebody else does at the same time is in what it had before, and not in what this act has changed.
        await lockSession(tx, id);
        const held = await getSession(tx, id);
        before = held;
        requireStill(held, onlyIf);
        return [held, await actOn(db, tx, act, id, by)];
      });
      if (isSame(act, was, now)) outcome.unchanged += 1;
      else {
        const { agent, priority, snoozed_until } = was;
        outcome.changed.push({ id, agent_id: agent?.id ?? null, priority, snoozed_until });
      }
    } catch (error) {
      if (!(error instanceof PlatformError || error instanceof Problem)) throw error;
      const name = before ? (before.customer?.name ?? before.visitor_name) : null;
      outcome.refused.push({ session: { id, name }, code: error.code, detail: error.message });
    }
  }
  return outcome;
}

function actOn(
  db: PlatformDb,
  tx: Transaction,
  act: Act,
  id: string,
  { agentId, readsAll }: { agentId: string; readsAll: boolean },
): Promise<Session> {
  switch (act.kind) {
    case 'assign':
      return assignSession(tx, id, { agentId, toAgentId: act.agent_id }).then((assigned) => {
        const until = act.snoozed_until;
        // Only a conversation of an agent is snoozed.
        const isAhead = until !== undefined && act.agent_id !== null && Date.parse(until) > Date.now();
        return isAhead ? snoozeSession(tx, id, { agentId, until }) : assigned;
      });
    case 'end':
      return endSession(db, id, { resolved: act.resolved, agentId, endsAnybodys: readsAll }, { tx }).then(
        ({ session }) => session,
      );
    case 'tag':
      return giveTag(tx, id, { agentId, tagId: act.tag_id });
    case 'untag':
      return takeTag(tx, id, { agentId, tagId: act.tag_id });
    case 'priority':
      return prioritise(tx, id, { agentId, priority: act.priority });
  }
}

/** @throws Problem 409 if somebody has changed it since */
function requireStill({ agent, priority }: Session, onlyIf: OnlyIf | undefined): void {
  if (!onlyIf) return;
  const isOther =
    (onlyIf.agent_id !== undefined && (agent?.id ?? null) !== onlyIf.agent_id) ||
    (onlyIf.priority !== undefined && priority !== onlyIf.priority);
  if (isOther)
    throw new Problem({ status: 409, code: 'session-changed', detail: 'Somebody has changed it since: it stays so.' });
}

function isSame(act: Act, before: Session, now: Session): boolean {
  switch (act.kind) {
    case 'assign':
      return before.agent?.id === now.agent?.id && before.handler === now.handler;
    case 'end':
      return before.status === 'ended';
    case 'priority':
      return before.priority === now.priority;
    default: {
      const has = ({ tags }: Session) => tags.some((tag) => tag.id === act.tag_id);
      return has(before) === has(now);
    }
  }
}
