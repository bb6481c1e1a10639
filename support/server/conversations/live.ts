import { setTimeout as wait } from 'node:timers/promises';
import {
  type AppEvent,
  coalesce,
  isUuid,
  type PlatformDb,
  prepareLookup,
  runLookup,
  type Signal,
} from '@aether/platform';
import type { Message } from './messages.ts';

/** What one stream of a session receives. `look`: it may have missed something, or something changed: read the session. */
export type Heard =
  | { kind: 'message'; message: Message }
  | { kind: 'look' }
  | { kind: 'typing'; name: string | null; is_typing: boolean };
/** `has`: whether the message with this number was written to it. */
type Hearer = { hear: (heard: Heard) => void; has: (number: number) => boolean };

type Person = { id: string; name: string };
type Looking = { agent: Person; isTyping: boolean; until: number };

export type Live = ReturnType<typeof openLive>;

const agentsById = prepareLookup(
  'agent-names',
  'uuid',
  'select a.id, u.name from support.agents a join platform.users u on u.id = a.user_id where a.id',
);

/** An agent who has not repeated it for this long no longer counts as looking at a conversation. */
const lookingMs = 12_000;
const sweepMs = 2_000;
const retryMs = 500;

/**
 * Changes in conversations, for this process's streams: one follower of the log for all of them, and the signals that
 * somebody types or looks, which reach every process.
 *
 * @param closing stops it.
 */
export function openLive(db: PlatformDb, closing: AbortSignal) {
  const hearers = new Map<string, Set<Hearer>>();
  const staff = new Set<(signal: Signal) => void>();
  const looking = new Map<string, Map<string, Looking>>();
  const readName = coalesce(
    async (ids: string[]) => new Map((await runLookup<Person>(db, agentsById, ids)).map(({ id, name }) => [id, name])),
  );

  const tell = (sessionId: string, heard: Heard) => {
    for (const { hear } of hearers.get(sessionId) ?? []) hear(heard);
  };
  const tellStaff = (signal: Signal) => {
    for (const hear of staff) hear(signal);
  };

  async function follow(): Promise<void> {
    while (!closing.aborted) {
      try {
        const after = await db.events.place();
        for (const session of hearers.keys()) tell(session, { kind: 'look' }); // for changes while nobody followed
        const types = ['message.created', 'session.updated'] as ('message.created' | 'session.updated')[];
        for await (const event of db.events.follow({ types, after, signal: closing })) await pass(event);
      } catch {
        // The feed is cut, or too far behind.
      }
      await wait(retryMs, undefined, { signal: closing }).catch(() => {});
    }
  }

  async function pass(event: AppEvent<'message.created' | 'session.updated'>): Promise<void> {
    if (event.type === 'session.updated') return tell(event.rowId, { kind: 'look' });
    const { agent_id, session_id, ...row } = event.data as Message & { session_id: string; agent_id: string | null };
    // Most were announced when they were committed here: then the name is not read for nothing.
    if ([...(hearers.get(session_id) ?? [])].every(({ has }) => has(row.number))) return;
    const agent_name = agent_id === null ? null : ((await readName(agent_id)) ?? null);
    const { id, number, author, client_id, body, choices, files = null, mail = null, created_at } = row;
    tell(session_id, {
      kind: 'message',
      message: {
        id,
        number,
        author,
        agent_name,
        client_id,
        body,
        choices,
        files,
        mail,
        created_at: new Date(created_at),
      },
    });
  }

  async function hearSignal(signal: Signal): Promise<void> {
    const { kind, session_id: sessionId, author, agent_id: agentId, is_typing: isTyping } = signal;
    if (typeof sessionId !== 'string') return;
    const agent = typeof agentId === 'string' ? await findPerson(agentId) : null;
    if (kind === 'looking' && agent) return look(sessionId, agent, isTyping === true);
    if (kind === 'typing' && author === 'agent')
      tell(sessionId, { kind: 'typing', name: agent?.name ?? null, is_typing: isTyping === true });
    if (kind === 'read' && author === 'agent') tell(sessionId, { kind: 'look' });
    if (kind !== 'typing' && kind !== 'read') return;
    const { agent_id: _, ...said } = signal;
    tellStaff({ ...said, agent });
  }

  /** Signals hold ids only. */
  async function findPerson(id: string): Promise<Person | null> {
    const name = isUuid(id) ? await readName(id) : null;
    return name === null ? null : { id, name };
  }

  function look(sessionId: string, agent: Person, isTyping: boolean): void {
    const there = looking.get(sessionId) ?? new Map<string, Looking>();
    looking.set(sessionId, there);
    const before = there.get(agent.id);
    there.set(agent.id, { agent, isTyping, until: Date.now() + lookingMs });
    if (before?.isTyping !== isTyping) tellLooking(sessionId);
  }

  function tellLooking(sessionId: string): void {
    tellStaff({ kind: 'viewing', session_id: sessionId, agents: whoLooks(sessionId) });
  }

  const whoLooks = (sessionId: string) =>
    [...(looking.get(sessionId)?.values() ?? [])].map(({ agent, isTyping }) => ({ ...agent, is_typing: isTyping }));

  const sweep = setInterval(() => {
    const now = Date.now();
    for (const [sessionId, there] of looking) {
      const gone = [...there.values()].filter(({ until }) => until <= now);
      for (const { agent } of gone) there.delete(agent.id);
      if (gone.length > 0) tellLooking(sessionId);
      if (there.size === 0) looking.delete(sessionId);
    }
  }, sweepMs).unref();
  const unlisten = db.signals.listen((signal) => {
    hearSignal(signal).catch(() => {}); // a lost typing signal is not worth a failure
  });
  closing.addEventListener('abort', () => {
    clearInterval(sweep);
    unlisten();
  });
  follow();

  return {
    /** Calls the hearer from now on; the caller reads earlier messages itself. @returns ends it. */
    join(sessionId: string, hearer: Hearer): () => void {
      const there = hearers.get(sessionId) ?? new Set();
      hearers.set(sessionId, there.add(hearer));
      return () => {
        there.delete(hearer);
        if (there.size === 0 && hearers.get(sessionId) === there) hearers.delete(sessionId);
      };
    },

    /**
     * Announces this process's own change to its own streams at once, also while nobody numbers events; the log repeats it to all
     * processes.
     */
    announce: tell,

    /** Calls the listener for signals of all conversations. @returns ends it. */
    listen(hear: (signal: Signal) => void): () => void {
      staff.add(hear);
      return () => staff.delete(hear);
    },

    /** Which agents have a conversation open. */
    whoLooks,

    /** @param agentId the agent who types; undefined: the visitor. */
    types: (sessionId: string, isTyping: boolean, agentId?: string) =>
      db.signals.send({
        kind: 'typing',
        session_id: sessionId,
        author: agentId ? 'agent' : 'visitor',
        agent_id: agentId ?? null,
        is_typing: isTyping,
      }),
    looks: (sessionId: string, isTyping: boolean, agentId: string) =>
      db.signals.send({ kind: 'looking', session_id: sessionId, agent_id: agentId, is_typing: isTyping }),
    hasRead: (sessionId: string, author: 'visitor' | 'agent', number: number) =>
      db.signals.send({ kind: 'read', session_id: sessionId, author, number }),
  };
}
