import { allows, type Caller, type Hearing, hearsNotice, scopesOfSharedEvents } from '@aether/http';
import { type AppEvent, coalesce, isUuid, type PlatformDb } from '@aether/platform';
import { supportScopes } from '../scopes.ts';
import { listReaders, type Readers } from './readers.ts';

/** The answer for an event is read once for many streams; a signal may be decided by an answer a second old. */
const keptMs = 1_000;
const keptMax = 1_000;
/** The entities of Support's own events. All others are shared by the apps, or another app publishes them: all staff gets their events. */
const own = new Set([
  'support',
  ...Object.keys(supportScopes.ofEvents).filter((entity) => !(entity in scopesOfSharedEvents)),
]);

/**
 * Which events a caller of Support's event stream gets. Only a conversation's readers get its events, and the readers are read again for
 * each event, after its commit: an agent who has left a team, or is no longer an agent, gets no further event. Everything else that is
 * Support's own, such as calls, is for agents.
 */
export function openHearing(db: PlatformDb): (caller: Caller) => Hearing {
  const readReaders = coalesce((ids: string[]) => listReaders(db, ids));
  const readAgents = coalesce(async (keys: 'active'[]) => {
    const agents = await db.query<{ user_id: string }>('select user_id from support.agents where is_active');
    return new Map(keys.map((key) => [key, agents.map(({ user_id }) => user_id)]));
  });
  const kept = new Map<string, { at: number; answer: Promise<unknown> }>();

  /** The same answer for all streams that ask within a second. */
  function once<Answer>(key: string, read: () => Promise<Answer>): Promise<Answer> {
    const known = kept.get(key);
    if (known && Date.now() - known.at < keptMs) return known.answer as Promise<Answer>;
    const answer = read();
    kept.delete(key);
    kept.set(key, { at: Date.now(), answer });
    answer.catch(() => kept.delete(key));
    for (const [oldest] of kept) {
      if (kept.size <= keptMax) break;
      kept.delete(oldest);
    }
    return answer;
  }

  const isReader = ({ actor }: Caller, readers: Readers | null) =>
    actor !== undefined &&
    readers !== null &&
    (readers.team.includes(actor.id) || (actor.role === 'admin' && readers.administrators.includes(actor.id)));

  return (caller) => {
    // The scopes of a machine were checked before: they allow the events of every conversation or of none.
    if (!caller.actor)
      return {
        hears: async () => true,
        hearsSignal: async ({ kind }) => kind !== 'notices' && allows(caller, 'conversations.read'),
      };
    const { id } = caller.actor;
    return {
      async hears(event) {
        const entity = event.type.slice(0, event.type.indexOf('.'));
        if (!own.has(entity)) return true;
        // The key includes the position: an answer from before this event may lack the agent to whom the event assigned the conversation.
        const session = sessionOf(entity, event);
        if (session === undefined)
          return ((await once(`agents ${event.position}`, () => readAgents('active'))) ?? []).includes(id);
        return isReader(caller, await once(`${session} ${event.position}`, () => readReaders(session)));
      },
      async hearsSignal(signal) {
        const isForInbox = hearsNotice(caller, signal);
        if (isForInbox !== undefined) return isForInbox;
        if (!allows(caller, 'conversations.read')) return false;
        const session = signal.session_id;
        if (typeof session !== 'string' || !isUuid(session)) return false;
        return isReader(caller, await once(session, () => readReaders(session)));
      },
    };
  };
}

/** The conversation that an event is about; undefined when there is none. */
function sessionOf(entity: string, { rowId, data }: AppEvent): string | undefined {
  if (entity === 'session') return rowId;
  return entity === 'message' || entity === 'entry' ? `${(data as { session_id?: unknown }).session_id}` : undefined;
}
